"""Every item of the conformance checklist for HL7 v2 and for e-mail is cited by a test, or the connectors' README says why not."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_CITED = re.compile(r"\b([A-Z][A-Z0-9]?)-(\d\d)(?: to \1-(\d\d))?\b")
_ITEM = re.compile(r"^(?:\| )?([A-Z][A-Z0-9]?-\d\d)\b", re.MULTILINE)


def checklist() -> Path:
    """Where the checklist lies: beside the outside test data."""
    data = Path(os.environ.get("CAREGATE_TESTDATA", ROOT.parent / "shared" / "testdata"))
    found = data.parent / "conformance.md"
    if not found.is_file():
        pytest.skip(f"no conformance checklist beside {data}: set CAREGATE_TESTDATA")
    return found


def cited(text: str) -> set[str]:
    """The items a text names, ranges spelled out."""
    return {
        f"{family}-{number:02}"
        for family, first, last in _CITED.findall(text)
        for number in range(int(first), int(last or first) + 1)
    }


def test_every_item_for_hl7v2_has_a_test_or_a_reason() -> None:
    """Section 1 of the checklist: framing to billing."""
    text = checklist().read_text(encoding="utf-8")
    section = text[text.index("# 1. HL7 v2 and MLLP") : text.index("# 2. FHIR")]
    tests = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py")))
    known = cited(tests) | cited((ROOT / "connectors" / "README.md").read_text(encoding="utf-8"))
    assert sorted(set(_ITEM.findall(section)) - known) == []


def test_every_item_for_email_has_a_test_or_a_reason() -> None:
    """Sections 4.1 and 4.2: EM-01 to EM-28."""
    text = checklist().read_text(encoding="utf-8")
    section = text[text.index("## 4.1 E-mail transport security") : text.index("## 4.3 SMS")]
    tests = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py")))
    known = cited(tests) | cited((ROOT / "connectors" / "README.md").read_text(encoding="utf-8"))
    assert sorted(set(_ITEM.findall(section)) - known) == []
