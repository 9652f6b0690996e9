"""Says at the end of `make test` what was not run and why, so that a green run never hides a missing server."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET


def skipped(path: str) -> Counter[str]:
    """How often each reason for skipping stands in a JUnit report."""
    cases = ET.parse(path).getroot().iter("testcase")
    marks = (case.find("skipped") for case in cases)
    return Counter(mark.get("message", "no reason given") for mark in marks if mark is not None)


def main() -> None:
    """Print the reasons, most frequent first."""
    reasons = sum((skipped(path) for path in sys.argv[1:] if Path(path).exists()), Counter[str]())
    print(f"\nskipped: {reasons.total() or 'nothing'}")
    for reason, count in reasons.most_common():
        print(f"  {count} × {reason}")


if __name__ == "__main__":
    main()
