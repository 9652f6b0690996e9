"""What restricts a visit nobody can find, and what is told of an appointment without its patient (PV-01 to PV-05, SI-20)."""

from __future__ import annotations

from pathlib import Path

import pytest
from mapping_messages import FEED, RECEIVED, ROOT, at, message, msh

from gateway.mapping.hl7v2 import Hl7v2Reader
from gateway.mapping.pack import load_pack
from gateway.model.event import EventKind, Format, RawMessage
from gateway.model.verdict import Reason

PID = "PID|1||1234^^^LAKESIDE^MR"
SCH = at("SCH", f2="F1^EHR", f11="^^30^202603200900")
VIP = at("PV1", f2="O", f16="X")


@pytest.mark.parametrize("trigger", ["A08", "A28", "A31"])
def test_a_visit_without_a_number_restricts_the_person(event, trigger) -> None:
    """PV-01: told with no visit, the flag is the person's; `""` takes it back."""
    assert event(msh(f"ADT^{trigger}"), PID, VIP).flags == {Reason.CONFIDENTIAL_VISIT: True}
    lifted = event(msh(f"ADT^{trigger}"), PID, at("PV1", f2="O", f16='""'))
    assert lifted.flags == {Reason.CONFIDENTIAL_VISIT: False}
    assert event(msh(f"ADT^{trigger}"), PID, "PV1|1|O").flags == {}


def test_a_visit_with_a_number_keeps_its_flags_to_itself(event) -> None:
    """PV-01: also where the message only moves or renumbers it."""
    numbered = at("PV1", f2="O", f16="X", f19="V1")
    for told in (
        event(msh("ADT^A08"), PID, numbered),
        event(msh("ADT^A50"), PID, "MRG|9||||V0", numbered),
    ):
        assert (told.flags, told.visit_flags) == ({}, {Reason.CONFIDENTIAL_VISIT: True})


def test_what_a_visit_lifts_no_person_is_freed_of(event) -> None:
    """PV-02: PV2-22 = N and PD1-12 are two things; Y of either holds."""
    free, held = at("PV2", f22="N"), at("PV2", f22="Y")
    assert event(msh("ADT^A31"), PID, "PV1|1|O", free).flags == {}
    assert event(msh("ADT^A31"), PID, at("PD1", f12="Y"), "PV1|1|O", free).flags == {Reason.PROTECTION_INDICATOR: True}
    assert event(msh("ADT^A31"), PID, at("PD1", f12="N"), "PV1|1|O", held).flags == {Reason.PROTECTION_INDICATOR: True}


def test_a_result_without_a_number_holds_no_person_for_its_value(event) -> None:
    """OR-09: what is critical is the result; what restricts is the visit's."""
    told = event(msh("ORU^R01"), PID, VIP, "OBR|1||||||", at("OBX", f1="1", f2="NM", f3="GLU", f8="HH", f11="F"))
    assert (told.kind, told.flags) == (EventKind.PATIENT_UPDATED, {Reason.CONFIDENTIAL_VISIT: True})


def test_the_same_words_with_and_without_a_visit_are_two_things_to_know(event) -> None:
    """X-06: what one of them told last does not make the other one old."""
    with_arv = (at("PV1", f2="O", f16="X"), "ARV|1|A|HIV")
    numbered = event(msh("ADT^A08"), PID + at("", f15="ACC7"), *with_arv)
    alone = event(msh("ADT^A31"), PID + at("", f15="ACC7"), *with_arv)
    assert numbered.occurrence is not None
    assert numbered.person.flags_key != alone.person.flags_key


@pytest.mark.parametrize("trigger", ["S13", "S14", "S15", "S16", "S17", "S26"])
def test_what_befalls_an_appointment_needs_no_patient(event, trigger) -> None:
    """SI-20: the number of the appointment says whose it is."""
    told = event(msh(f"SIU^{trigger}"), SCH)
    assert (told.identifiers, told.by_reference, told.person.key) == ((), True, b"")
    assert told.occurrence.key == event(msh(f"SIU^{trigger}"), SCH, PID).occurrence.key
    assert (dict(told.flags), told.demographics.telecom) == ({}, ())


def test_an_occurrence_of_a_series_needs_no_patient_to_be_known_as_such(event) -> None:
    """SI-21, SI-22: the series it belongs to is the same."""
    nth = at("SCH", f2="F1^EHR", f3="2", f11="^^30^202603200900")
    alone, whole = event(msh("SIU^S13"), nth).occurrence, event(msh("SIU^S13"), nth, PID).occurrence
    assert (alone.key, alone.parent) == (whole.key, whole.parent)


@pytest.mark.parametrize("type_", ["SIU^S12", "SIU^S27", "SIU^S23", "RDE^O11", "ORU^R01"])
def test_what_would_begin_with_nobody_is_ignored(read, type_) -> None:
    """SI-20, SI-08: nobody can be told of it."""
    assert read(msh(type_), SCH).events == ()
    assert read(msh(type_), SCH).ignored


def test_without_a_number_or_where_each_participant_has_their_own_nothing_is_known(read, tmp_path: Path) -> None:
    """SI-20, SI-21."""
    assert read(msh("SIU^S15"), at("SCH", f11="^^30^202603200900")).ignored == "no patient in the message"
    (tmp_path / "hl7v2").mkdir()
    (tmp_path / "hl7v2" / "site.yaml").write_text("mapping: appointments\nparticipant: always\n")
    reader = Hl7v2Reader(load_pack([ROOT / "mappings", tmp_path]), FEED)
    raw = RawMessage(source="f", format=Format.HL7V2, body=message(msh("SIU^S15"), SCH), received=RECEIVED)
    assert reader(raw).ignored == "no patient in the message"


def test_a_merged_number_whose_time_is_over_is_merged(event) -> None:
    """AD-18, PI-02: CX.8 of MRG-1 is when it died; of PID-3 it still ends an identifier."""
    told = event(msh("ADT^A40"), PID, "MRG|5678^^^LAKESIDE^MR^^20200101^20250101")
    assert [one.value for one in told.merged_from] == ["5678"]


@pytest.mark.parametrize("trigger", ["A01", "A04"])
def test_a_visit_that_is_over_as_it_begins_tells_the_death(event, trigger) -> None:
    """AD-03, AD-35: disposition 20."""
    assert event(msh(f"ADT^{trigger}"), PID, at("PV1", f2="I", f19="V1", f36="20")).demographics.deceased is True
