"""What a message says and nobody may act on is left out, and what belongs together stays together."""

from __future__ import annotations

import pytest
from mapping_messages import at, msh

from gateway.model.party import CLEARED

PID = at("PID", f3="12345^^^LAKESIDE^MR", f5="Doe^Jane", f13="^PRN^CP^^1^312^5550100~^NET^Internet^jane@example.org")


@pytest.mark.parametrize("trigger", ["A15", "A16", "A17", "A25", "A26"])
def test_what_is_only_pending_tells_a_patient_nothing(read, trigger: str) -> None:
    """AD-12: a pending discharge or transfer, a swap and their cancellations are read, known and ignored by name."""
    reading = read(msh(f"ADT^{trigger}"), "EVN||20260302090000", PID, "PV1|1|I|CARD^1^2|||||||||||||||||V7^^^LAKESIDE")
    assert reading.events == ()
    assert reading.ignored


def test_a_header_is_read_before_its_character_set_is_known(read) -> None:
    """C-06: MSH-18 stands behind fields that are read without it; then it decides how the name is read."""
    lines = [msh("ADT^A31") + "||||||8859/1", "EVN||20260302090000", at("PID", f3="1^^^LAKESIDE^MR", f5="Muñoz^José")]
    told = read("".join(line + "\r" for line in lines).encode("latin-1"))
    assert told.type == "ADT^A31"
    assert told.events[0].demographics.given_name == "José"


def test_a_group_that_is_told_replaces_the_one_before_and_silence_replaces_nothing(read) -> None:
    """N-04: PID-13 with two numbers states the whole set; without PID-13 nothing is said about numbers."""
    told = read(msh("ADT^A31"), "EVN||20260302090000", PID).events[0].demographics
    silent = read(msh("ADT^A31"), "EVN||20260302090000", at("PID", f3="1^^^LAKESIDE^MR", f5="Doe^Jane")).events[0]
    emptied = read(msh("ADT^A31"), "EVN||20260302090000", at("PID", f3="1^^^LAKESIDE^MR", f5="Doe^Jane", f13='""'))
    assert [(place, len(points)) for place, points in told.telecom] == [("PID-13", 2)]
    assert silent.demographics.telecom == ()
    assert emptied.events[0].demographics.telecom == (("PID-13", CLEARED),)


def test_next_of_kin_and_guarantors_are_nobody_to_write_to(read) -> None:
    """PI-15, PI-16, PI-17: their numbers and addresses are not even read, so no rule can reach them."""
    alone = (msh("ADT^A31"), "EVN||20260302090000", PID)
    kin = at("NK1", f1="1", f2="Doe^John", f3="SPO", f5="^PRN^CP^^1^312^5550199", f40="^NET^Internet^john@example.org")
    guarantor = at("GT1", f1="1", f3="Doe^Paul", f6="^PRN^CP^^1^312^5550188", f11="FTH")
    assert read(*alone, kin, guarantor).events[0].demographics == read(*alone).events[0].demographics


def test_why_somebody_comes_is_not_kept(read) -> None:
    """SI-28: neither the reason of the event (SCH-6) nor that of the appointment (SCH-7) becomes a fact."""
    sch = at(
        "SCH",
        f1="P1^EHR",
        f2="F1^EHR",
        f6="REASONX^Follow-up of reason x",
        f7="REASONY^Follow-up of reason y",
        f25="Booked",
    )
    tail = ("TQ1|1||||||20260320093000", PID, "AIS|1||CARD")
    kept = read(msh("SIU^S12", version="2.7"), sch, *tail).events[0]
    assert "reason" not in repr(dict(kept.facts)).lower()
    assert kept.occurrence is not None
    assert kept.facts


def test_a_blank_field_says_nothing_and_a_null_takes_away(read) -> None:
    """X-02: as strict inbound interfaces do, blank does not file and the delete indicator deletes."""
    evn, ids = "EVN||20260302090000", {"f3": "1^^^LAKESIDE^MR", "f5": "Doe^Jane"}
    blank = read(msh("ADT^A08"), evn, at("PID", **ids), "PV1|1|O").events[0].demographics
    null = read(msh("ADT^A08"), evn, at("PID", **ids, f15='""'), "PV1|1|O").events[0].demographics
    assert blank.language is None
    assert null.language is CLEARED
