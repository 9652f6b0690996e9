"""The soak soaks: a short one from an empty site, and a verdict that can be otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.model.when import DAY
from tests.soak import verdict
from tests.soak.measuring import Kept, Sizes

ROOT = Path(__file__).parents[2]
FRESH = Kept(rows=9, with_bytes=9, bytes=9, oldest_row=DAY, oldest_bytes=DAY, feed_keys=2, open=0, oldest_body=DAY)


@pytest.mark.slow
def test_a_short_soak_from_an_empty_site_holds() -> None:
    """Law 5, D-01: 75 days in a minute; everything is answered, what is due is forgotten, the chain is whole."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("CAREGATE_")}
    ran = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--empty", "--messages", "600", "--connections", "4"],
        cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=400,
    )  # fmt: skip
    told = [line for line in ran.stdout.splitlines() if line.startswith(("ok ", "NOT "))]
    assert len(told) == 10, ran.stdout + ran.stderr
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_memory_that_grows_is_noticed() -> None:
    """8 MB over the later two thirds is too much, noise is not."""
    flat = [(count * 10_000, 120.0 + count % 2) for count in range(100)]
    assert verdict.memory(flat).holds
    assert not verdict.memory([(count, size + count / 60_000) for count, size in flat]).holds


@pytest.mark.parametrize("late", ["oldest_row", "oldest_bytes", "oldest_body", "feed_keys"])
def test_what_is_not_forgotten_is_noticed(late: str) -> None:
    """Each line by itself."""
    from dataclasses import replace

    assert all(line.holds for line in verdict.forgotten(FRESH))
    lines = verdict.forgotten(replace(FRESH, **{late: 64 if late == "feed_keys" else 33 * DAY}))
    assert sum(not line.holds for line in lines) == 1


def test_growth_is_told_by_table_with_its_reason() -> None:
    """Bytes and rows a message."""
    before = Sizes(messages=0, file=1_000, free=0, wal=0, rows={"audit": 0}, tables={"audit": 0})
    after = Sizes(messages=10, file=9_000, free=0, wal=0, rows={"audit": 10}, tables={"audit": 4_000})
    told = "\n".join(verdict.growth(before, after))
    assert "400.0 bytes" in told
    assert verdict.WHY["audit"] in told


def test_a_log_that_outgrows_its_bound_is_noticed() -> None:
    """The WAL."""
    assert verdict.bounded(64_000_000).holds
    assert not verdict.bounded(200_000_000).holds
