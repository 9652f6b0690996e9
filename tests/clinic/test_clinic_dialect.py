"""A site's own segment feeds facts, addresses and holds as the standard's do, by an overlay of a few lines."""

from __future__ import annotations

from pathlib import Path

import clinic_messages as hl7
import pytest
from clinic_dsl import Clinic, OpenClinic

FIRST, WEEK, DAY_BEFORE = "2026-03-20 09:30", "2026-03-13 09:30", "2026-03-19 09:30"
TELEPHONE = {13: "^PRN^PH^^1^312^5550100"}
OVERLAY = """\
mapping: person
person:
  telecom: {paths: [PID-13, PID-14, PID-40, ZPI-2], compute: telecom, codes: telecom}
flags:
  protection-indicator: {path: ZPI-3, compute: indicator}
"""


@pytest.fixture
def clinic(open_clinic: OpenClinic, tmp_path: Path) -> Clinic:
    """A site whose feed writes e-mail addresses and a protection indicator into ZPI."""
    folder = tmp_path / "mappings" / "hl7v2"
    folder.mkdir(parents=True)
    (folder / "ours.yaml").write_text(OVERLAY, encoding="utf-8")
    clinic = open_clinic()
    clinic.enrols("Ann")
    return clinic


def zpi(clinic: Clinic, **fields: str) -> list[str]:
    told = {
        2: f"^NET^Internet^{clinic.person('Ann').email}",
        **{int(name[1:]): value for name, value in fields.items()},
    }
    return [hl7.segment("ZPI", {1: "1", **told})]


def test_an_address_in_a_segment_of_the_sites_own_is_written_to(clinic: Clinic) -> None:
    """PI-05, P-15: PID-13 gives it up, ZPI-2 tells it, and a message without ZPI keeps it (N-01)."""
    clinic.changes("Ann", pid=TELEPHONE, extra=zpi(clinic))
    clinic.books("Ann", on=FIRST, pid=TELEPHONE)
    clinic.passes("18d")
    assert clinic.arrivals("Ann") == [WEEK, DAY_BEFORE]


def test_an_address_that_is_deleted_there_is_written_to_no_more(clinic: Clinic) -> None:
    """N-01: the message is the same but for ZPI, and is read all the same."""
    clinic.changes("Ann", pid=TELEPHONE, extra=zpi(clinic))
    clinic.changes("Ann", pid=TELEPHONE, extra=zpi(clinic, f2='""'))
    clinic.books("Ann", on=FIRST, pid=TELEPHONE)
    clinic.passes("18d")
    assert clinic.arrivals("Ann") == []


def test_a_hold_in_a_segment_of_the_sites_own_holds_until_it_is_lifted(clinic: Clinic) -> None:
    """PV-02: only ZPI-3 changes from one message to the next."""
    clinic.books("Ann", on=FIRST)
    clinic.changes("Ann", extra=zpi(clinic, f3="Y"))
    assert "protection-indicator" in clinic.holds("Ann")
    clinic.changes("Ann", extra=zpi(clinic, f3="N"))
    assert "protection-indicator" not in clinic.holds("Ann")
    clinic.passes("18d")
    assert clinic.arrivals("Ann") == [WEEK, DAY_BEFORE]
