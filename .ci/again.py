"""Runs once more, alone and in one process, what failed among the others: a busy machine fails no release, and is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

MOST = 10
"""More failures than this are no accident of a busy machine."""
FAILED = 1
"""pytest's exit code for failed tests; any other is no test's."""

Case = tuple[str, str]


def told(path: str, *, bad: bool) -> set[Case]:
    """The tests of a JUnit report that failed, or those that passed."""
    cases = [case for case in ET.parse(path).getroot().iter("testcase") if bad == _bad(case)]
    return {(case.get("classname", ""), case.get("name", "")) for case in cases if case.find("skipped") is None}


def _bad(case: ET.Element) -> bool:
    return case.find("failure") is not None or case.find("error") is not None


def unsteady(first: str, again: str) -> set[Case]:
    """What failed among the others and passed alone; nothing where no second report is."""
    if not Path(again).exists():
        return set()
    return told(first, bad=True) & told(again, bad=False) - told(again, bad=True)


def main(status: int, cache: str, first: str, again: str) -> int:
    """The exit code of the whole run: 0 if everything that failed in the report `first` passes this time, into the report `again`."""
    failed = told(first, bad=True) if status == FAILED else set()
    if not 0 < len(failed) <= MOST:
        return status
    print(f"\n== {len(failed)} failed among the others: once more, alone", flush=True)
    options = ["--last-failed", "--last-failed-no-failures=none", "-o", f"cache_dir={cache}", f"--junitxml={again}"]
    subprocess.run([sys.executable, "-m", "pytest", *options], check=False)
    return 0 if unsteady(first, again) == failed else status


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), *sys.argv[2:]))
