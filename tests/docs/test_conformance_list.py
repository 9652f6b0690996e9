"""Every item of the conformance checklist is cited by a test other than this one, or a connectors' README says why not."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_CITED = re.compile(r"\b([A-Z][A-Z0-9]?)-(\d\d)(?: to \1-(\d\d))?\b")
_ANSWERS = [ROOT / "connectors" / "README.md", ROOT / "connectors" / "sources" / "fhir" / "README.md"]
_REASON = re.compile(r"^\| ([^|]+) \| none: [^|]+\|$", re.MULTILINE)
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


def covered() -> set[str]:
    """The items that a test cites, or a test of a mapping."""
    tests = [one for one in (ROOT / "tests").rglob("test_*.py") if one != Path(__file__).resolve()]
    files = [*tests, *(ROOT / "mappings").rglob("*.test.yaml")]
    return cited("\n".join(path.read_text(encoding="utf-8") for path in sorted(files)))


def reasoned() -> set[str]:
    """The items of which a row of a table says `none:` and why."""
    return {
        item
        for file in _ANSWERS
        for items in _REASON.findall(file.read_text(encoding="utf-8"))
        for item in cited(items)
    }


@pytest.mark.parametrize(
    ("first", "after"),
    [
        ("# 1. HL7 v2 and MLLP", "# 2. FHIR"),
        ("# 2. FHIR", "# 3. Snowflake"),
        ("# 3. Snowflake and CDP exports", "# 4. Delivery"),
        ("# 4. Delivery", "# 5. Test vectors"),
    ],
    ids=["HL7 v2", "FHIR", "Snowflake", "delivery"],
)
def test_every_item_has_a_test_or_a_reason(first: str, after: str) -> None:
    """Framing to billing, subscriptions to audit, tables of a warehouse, mail to what may go open: a test cites it, or a table says why there is none."""
    text = checklist().read_text(encoding="utf-8")
    section = text[text.index(first) : text.index(after)]
    assert sorted(set(_ITEM.findall(section)) - covered() - reasoned()) == []
