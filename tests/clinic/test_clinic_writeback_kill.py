"""kill -9 at every step of telling a server: what left is told, made once, and its newest state is the last that was told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from clinic_dsl import OpenClinic
from clinic_ehr import FEED, Ehr

from gateway.model.when import MINUTE
from gateway.store import tables

pytestmark = pytest.mark.slow
CHILD = Path(__file__).with_name("clinic_writeback_child.py")
ROOT = Path(__file__).resolve().parents[2]
MOST = 30  # steps of a round


def test_a_round_that_is_killed_anywhere_makes_nothing_twice(open_clinic: OpenClinic) -> None:
    """W-03: between the server's answer and our commit too; whoever comes next waits for the lease of who died."""
    clinic = open_clinic(feeds=FEED)
    clinic.enrols("Ann")
    ehr = Ehr(clinic)
    ehr.rounds.once()
    ehr.knows("Ann")
    ehr.books("Ann", on="2026-03-20 09:30")
    clinic.until("2026-03-13 12:00")
    clinic.closes()
    now = clinic.clock.now()

    def round_at(at: int, step: int) -> int:
        done = subprocess.run(
            [sys.executable, str(CHILD), str(clinic.folder), str(at), str(step)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode

    killed = 0
    for step in range(1, MOST):
        now += 6 * MINUTE
        if round_at(now, step) == 0:
            break
        killed += 1
    assert killed >= 6, "it was not killed on its way"
    assert round_at(now + 6 * MINUTE, 0) == 0
    told = [json.loads(line) for line in (clinic.folder / "ehr.jsonl").read_text().splitlines()]
    assert [one["made"] for one in told] == [True, *[False] * (len(told) - 1)]
    assert {one["status"] for one in told} == {"completed"}
    clinic.restarts()
    with clinic.gateway.store.read() as unit:
        ((state, known),) = unit.lookup(tables.writeback, ("state", "server_id"), "state", ["open"])
    assert (state, known) == ("open", told[0]["id"])
