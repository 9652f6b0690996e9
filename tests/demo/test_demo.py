"""The demo is a promise of the README: it runs anywhere, at any hour, quickly, and shows what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shown():
    """What the demo prints, and how long it took."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("CAREGATE_")}
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.demo"],
        cwd=ROOT, env={**environ, "TZ": "Pacific/Kiritimati"}, capture_output=True, text=True, check=False, timeout=90,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stderr == ""
    return ran.stdout


def test_every_kind_of_outcome_is_shown(shown):
    """Acknowledged, ignored, quarantined, planned, withheld, withdrawn, held, refused, sent."""
    for told in (
        "acknowledged AA",
        "acknowledged AE: Segment sequence error",
        "came again; nothing stored",
        "is not mapped",
        "the PID segment is missing",
        "does not apply: line",
        "withheld, offset-past",
        "not-production",
        "withdrawn: cancelled",
        "withdrawn: deceased",
        "withdrawn: superseded",
        "held: held-by-rule",
        "held: quiet-hours",
        "held: no-representative",
        "consent-denied",
        "every gate permitted",
    ):
        assert told in shown, told


def test_the_mails_arrive_at_the_people_who_may_have_them(shown):
    """Ada twice, Ben twice, Hal once; nobody else."""
    assert sorted(re.findall(r"To: (\S+)@", shown)) == ["ada.brook"] * 2 + ["ben.castle"] * 2 + ["hal.ivory"]
    assert "Wednesday, March 11" in shown
    assert "Monday, March 16" in shown


def test_the_audit_log_is_proved_and_the_reader_is_sent_on(shown):
    """The end of the story."""
    assert "intact" in shown
    assert "Where to look next" in shown


def test_there_are_no_colours_off_a_terminal_and_it_is_quick(shown):
    """It may be read in a log."""
    assert "\x1b" not in shown
    assert int(re.search(r"^(\d+) seconds", shown, re.MULTILINE)[1]) < 20
