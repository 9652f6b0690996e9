"""Says at the end of `make test` what was not run and why, and what passed only alone, so that a green run hides neither."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

from again import unsteady


def skipped(path: str) -> Counter[str]:
    """How often each reason for skipping stands in a JUnit report."""
    cases = ET.parse(path).getroot().iter("testcase")
    marks = (case.find("skipped") for case in cases)
    return Counter(mark.get("message", "no reason given") for mark in marks if mark is not None)


def main(pure: str, first: str, again: str) -> None:
    """Print the reasons, most frequent first, and then what is unsteady."""
    reasons = sum((skipped(path) for path in (pure, first) if Path(path).exists()), Counter[str]())
    print(f"\nskipped: {reasons.total() or 'nothing'}")
    for reason, count in reasons.most_common():
        print(f"  {count} × {reason}")
    shaky = sorted(unsteady(first, again)) if Path(first).exists() else []
    if shaky:
        print(
            f"\nUNSTEADY: {len(shaky)} failed among the others and passed alone. Each is a bug of the test or of Caregate:"
        )
    for place, name in shaky:
        print(f"  !! {place}::{name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
