"""Every item of the regulatory checklist is cited by a test, or the policy's README says why not."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_ITEM = re.compile(r"^(\d+)\. ", re.MULTILINE)
_CITED = re.compile(r"\b[Rr]egulations? ((?:\d+(?: to \d+)?(?:, | and |, and )?)+)")
_ROW = re.compile(r'^    "((?:\d+(?:, )?)+) ', re.MULTILINE)  # of the table in test_regulations.py
_REASON = re.compile(r"^\| ((?:\d+(?:, )?)+) \| [^|]{20,} \|$", re.MULTILINE)


def checklist() -> str:
    """The list: beside the outside test data."""
    data = Path(os.environ.get("CAREGATE_TESTDATA", ROOT.parent / "shared" / "testdata"))
    found = data.parent / "regulations.md"
    if not found.is_file():
        pytest.skip(f"no regulatory checklist beside {data}: set CAREGATE_TESTDATA")
    return found.read_text(encoding="utf-8")


def numbers(text: str) -> set[int]:
    """The numbers of a text such as 1, 5, 8 to 10 and 12."""
    found: set[int] = set()
    for first, last in re.findall(r"(\d+)(?: to (\d+))?", text):
        found |= set(range(int(first), int(last or first) + 1))
    return found


def cited() -> set[int]:
    """The items that tests name: "regulation 5", "Regulations 1, 8 to 14", or a row of the table."""
    tests = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if path.name != Path(__file__).name]
    texts = [path.read_text(encoding="utf-8") for path in tests]
    rows = (ROOT / "tests" / "policy" / "test_regulations.py").read_text(encoding="utf-8")
    return set().union(
        *(numbers(one) for text in texts for one in _CITED.findall(text)), *(numbers(one) for one in _ROW.findall(rows))
    )


def test_every_regulation_has_a_test_or_a_reason() -> None:
    """Numbers 1 to 53: what is tested elsewhere, later or not at all is said with its reason."""
    reasons = (ROOT / "gateway" / "policy" / "README.md").read_text(encoding="utf-8")
    said = set().union(*(numbers(one) for one in _REASON.findall(reasons)))
    items = {int(one) for one in _ITEM.findall(checklist())}
    assert len(items) == 53
    assert sorted(items - cited() - said) == []
