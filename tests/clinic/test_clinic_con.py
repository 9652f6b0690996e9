"""Consent told by a feed (CON): into the ledger once, a refusal at once, what is unclear to a person (PV-06, PV-07)."""

from __future__ import annotations

from pathlib import Path

import clinic_messages as hl7
import pytest
from clinic_dsl import Clinic, OpenClinic

from gateway.pipeline import inspect

FIRST, WEEK, DAY_BEFORE = "2026-03-20 09:30", "2026-03-13 09:30", "2026-03-19 09:30"


@pytest.fixture
def clinic(open_clinic: OpenClinic, tmp_path: Path) -> Clinic:
    """A site whose code MAIL is about reminders by e-mail."""
    codes = tmp_path / "mappings" / "codes"
    codes.mkdir(parents=True)
    (codes / "consent.yaml").write_text("table: consent\ncodes:\n  MAIL: TREAT/email/*\n", encoding="utf-8")
    return open_clinic()


def says(clinic: Clinic, status: str, **more: object) -> None:
    """A31 with one CON."""
    told = {1: "1", 2: "MAIL", 11: status, **more.pop("con", {})}  # type: ignore[dict-item]
    clinic.changes("Ann", extra=[hl7.segment("CON", told)], **more)


def ledger(clinic: Clinic) -> list[str]:
    lines = inspect.consent_list(clinic.gateway, clinic.identifier("Ann"), reason="look", account="os:clerk")
    return [f"{one.decision} {one.purpose} {one.channel}" for one in lines]


def test_an_active_consent_lets_the_reminder_go(clinic: Clinic) -> None:
    """PV-06: A, and the entry cites the message."""
    says(clinic, "A")
    clinic.books("Ann", on=FIRST)
    clinic.passes("18d")
    assert (ledger(clinic), clinic.arrivals("Ann")) == (["permit TREAT email"], [WEEK, DAY_BEFORE])
    line = inspect.consent_list(clinic.gateway, clinic.identifier("Ann"), reason="look", account="os:clerk")[0]
    assert line.evidence.startswith("told by a feed (CON): message ")


@pytest.mark.parametrize("status", ["R", "X"])
def test_a_refusal_counts_at_once(clinic: Clinic, status: str) -> None:
    """PV-06: R and X; audited."""
    says(clinic, "A")
    clinic.books("Ann", on=FIRST)
    says(clinic, status)
    clinic.passes("18d")
    assert clinic.mails() == []
    assert clinic.reasons("Ann") == ["consent-denied"]
    assert ["consent.recorded", "deny"] in [[e[0], e[2]] for e in clinic.entries("Ann") if e[0] == "consent.recorded"]


def test_a_consent_told_in_every_message_is_one_entry_and_never_undoes_a_later_no(clinic: Clinic) -> None:
    """PV-06: a feed repeats its snapshot every night; the person said no at the desk meanwhile."""
    says(clinic, "A")
    clinic.consents("Ann", to="email", purpose="TREAT", permit=False)
    says(clinic, "A")
    clinic.books("Ann", on=FIRST)
    clinic.passes("18d")
    assert (ledger(clinic), clinic.mails()) == (["permit TREAT email", "deny TREAT email"], [])


def test_a_new_decision_is_a_new_entry(clinic: Clinic) -> None:
    """PV-06: no, then yes again with a later date."""
    for status, day in (("A", "20260101"), ("A", "20260101"), ("R", "20260201"), ("A", "20260301")):
        says(clinic, status, con={14: day})
    assert ledger(clinic) == ["permit TREAT email", "deny TREAT email", "permit TREAT email"]
    clinic.books("Ann", on=FIRST)
    clinic.passes("18d")
    assert clinic.arrivals("Ann") == [WEEK, DAY_BEFORE]


def test_a_limited_consent_waits_for_a_person(clinic: Clinic) -> None:
    """PV-06: L with free text: nobody is permitted, a person reads it."""
    clinic.enrols("Ann")
    says(clinic, "L", con={9: "only about the knee"})
    clinic.books("Ann", on=FIRST)
    assert clinic.waiting("Ann") == ["consent-unclear", "consent-unclear"]


def test_no_consent_segment_is_no_information(clinic: Clinic) -> None:
    """PV-07: neither grant nor withdrawal."""
    says(clinic, "A")
    clinic.changes("Ann")
    assert ledger(clinic) == ["permit TREAT email"]


def test_an_overtaken_message_may_refuse_but_not_permit(clinic: Clinic) -> None:
    """N-06; law 6: what is older than what we know restricts, and nothing else."""
    earlier = clinic.clock.now()
    clinic.passes("1h")
    clinic.adds("Ann")
    says(clinic, "A", at=earlier)
    assert ledger(clinic) == []
    says(clinic, "R", at=earlier)
    assert ledger(clinic) == ["deny TREAT email"]
