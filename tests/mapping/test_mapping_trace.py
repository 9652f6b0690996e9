"""A traced reading is the real one: the same events, and every value with the fields it was taken from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from mapping_messages import FEED, RECEIVED, at, message, msh

from gateway.mapping.codes import CodeTable, Word
from gateway.mapping.hl7v2 import Hl7v2Reader
from gateway.mapping.pack import Pack
from gateway.mapping.trace import Spot, Take, Traced, TracedReader
from gateway.model.event import Format, RawMessage, Reading
from gateway.model.party import CLEARED

Trace = Callable[..., Traced]

SIU = (
    msh("SIU^S12", version="2.9") + "|||||||||||||||||",
    at("SCH", f1="P1", f2="F1^LAKE", f9="30", f10="min", f11="^^^20260320090000^20260320093000", f25="Booked"),
    at("PID", f3="1^^^LAKESIDE^MR", f5="Muster^Max", f7="19700101", f13="^PRN^CP^^^312^5550100"),
    at("PV1", f2="O", f3="MED"),
    at("AIS", f1="1", f2="A", f3="PCP"),
    at("AIS", f1="2", f2="D", f3="XRAY"),
    at("AIL", f1="1", f2="A", f3="CARD"),
)


def raw(*segments: str) -> RawMessage:
    return RawMessage(source="ehr", format=Format.HL7V2, body=message(*segments), received=RECEIVED)


@pytest.fixture(scope="module")
def trace(pack: Pack) -> Trace:
    """Trace a message given as segments."""
    every = TracedReader(pack, FEED)

    def traced(*segments: str, facts: frozenset[str] | None = None) -> Traced:
        return (every if facts is None else TracedReader(pack, FEED, facts=facts)).trace(raw(*segments))

    return traced


def taken(traced: Traced) -> dict[str, Take]:
    return {take.name: take for take in traced.takes}


def told(reading: Reading) -> object:
    """Everything a reading says."""
    return [
        (
            event.kind,
            event.identifiers,
            event.demographics,
            event.flags,
            event.facts,
            event.occurrence,
            event.visit_flags,
        )
        for event in reading.events
    ], reading.faults


ORU = (
    msh("ORU^R01"),
    at("PID", f3="1^^^LAKESIDE^MR", f5="Muster^Max"),
    at("OBR", f1="1", f3="77^LAB", f4="CBC", f25="F"),
    at("OBX", f1="1", f3="A", f8="N", f11="F"),
    at("OBX", f1="2", f3="B", f8="HH", f11="F"),
    at("OBR", f1="2", f3="77^LAB", f4="LIPID", f25="P"),
    at("OBX", f1="1", f3="C", f11="P"),
)
MERGE = (msh("ADT^A40"), at("PID", f3="1^^^LAKESIDE^MR", f5="Muster^Max"), "MRG|2^^^LAKESIDE^MR")
CONSENT = (
    msh("ADT^A08", version="2.6"),
    at("PID", f3="1^^^LAKESIDE^MR"),
    at("ARV", f2="A", f3="VIP"),
    at("PV1", f2="I", f3="MED", f19="V1"),
    at("ARV", f2="A", f3="OPT"),
    at("CON", f1="1", f2="other-type", f11="P"),
    at("CON", f1="2", f2="other-type", f11="A", f16="N"),
)
RENUMBERED = (
    msh("ADT^A50"),
    at("PID", f3="1^^^LAKESIDE^MR"),
    at("MRG", f1="1^^^LAKESIDE^MR", f5="V0"),
    at("PV1", f2="I", f19="V1"),
)


@pytest.mark.parametrize(
    "segments",
    [SIU, ORU, MERGE, CONSENT, RENUMBERED, (msh("ADT^A20"), "PID|1"), ("MSX|^~",)],
    ids=["appointment", "results", "merge", "consent", "another number", "ignored", "no message"],
)
def test_watching_changes_nothing_of_what_is_read(pack: Pack, trace: Trace, segments: tuple[str, ...]) -> None:
    """Law 5: what is shown is what is received."""
    reading = Hl7v2Reader(pack, FEED)(raw(*segments))
    traced = trace(*segments).reading
    assert told(traced) == told(reading)
    assert (traced.ignored, traced.ack, traced.type) == (reading.ignored, reading.ack, reading.type)


def test_every_value_of_an_appointment_names_its_field(trace: Trace) -> None:
    """SI-21, SI-23: identity from SCH-2, start from SCH-11, telephone from PID-13, and nothing for what was not told."""
    takes = taken(trace(*SIU))
    assert takes["key"].value == "filler|F1|LAKE|"
    assert Spot(1, 2) in takes["key"].spots
    assert takes["appointment.start"].spots == (Spot(1, 11),)
    assert takes["person.given_name"].value == "Max"
    assert takes["person.given_name"].spots == takes["person.family_name"].spots == (Spot(2, 5),)
    assert takes["person.telecom"].spots == (Spot(2, 13),)
    assert takes["identifiers"].spots == (Spot(2, 3),)
    assert "person.language" not in takes
    assert "merged_from" not in takes


def test_a_resource_that_was_taken_off_is_not_looked_at(trace: Trace) -> None:
    """N-05: of two services the deleted one is no place the service came from."""
    assert taken(trace(*SIU))["appointment.service"].spots == (Spot(4, 3),)


def test_a_fact_that_no_rule_uses_is_not_looked_at(trace: Trace) -> None:
    """Law 5: with the facts in use, what feeds the others is not touched."""
    every = taken(trace(*SIU))
    some = taken(trace(*SIU, facts=frozenset({"appointment.service"})))
    assert every["appointment.duration"].value == 30
    assert "appointment.duration" not in some
    assert some["appointment.service"] == every["appointment.service"]
    assert "appointment.start" in some  # structural


def test_each_order_of_a_message_has_its_own_places(trace: Trace) -> None:
    """OR-02, OR-07: the status of the second report is not taken from the first."""
    decided = [(take.value, take.spots) for take in trace(*ORU).takes if take.name == "decide"]
    assert decided == [
        ("final", (Spot(2, 25), Spot(3, 11), Spot(4, 11))),
        ("preliminary", (Spot(5, 25), Spot(6, 11))),
    ]
    flags = {take.name: take.value for take in trace(*ORU).takes if take.name.startswith("visit_flags.")}
    assert flags["visit_flags.critical-result"] is True


def test_a_merge_tells_both_sides(trace: Trace) -> None:
    """AD-18: PID-3 and MRG-1."""
    takes = taken(trace(*MERGE))
    assert takes["merged_from"].spots == (Spot(2, 1),)
    assert takes["identifiers"].spots == (Spot(1, 3),)
    assert "key" not in takes


def test_restrictions_and_consents_are_seen_in_whichever_segment_they_stand(trace: Trace) -> None:
    """PV-04, PV-06: ARV before PV1 is the person's, after it the visit's; every CON is looked at, active or not."""
    takes = taken(trace(*CONSENT))
    assert takes["flags.access-restriction"].value is True
    assert Spot(2, 3) in takes["flags.access-restriction"].spots
    assert Spot(4, 3) in takes["visit_flags.access-restriction"].spots
    assert "consents" not in takes  # neither of them is a statement


def test_what_a_con_segment_permits_is_a_take_of_its_own(pack: Pack) -> None:
    """PV-06: the statement, and the fields of the CON it was read from."""
    table = CodeTable("consent", {"TREAT/email/*": Word()}, {"MAIL": "TREAT/email/*"})
    reader = TracedReader(replace(pack, tables={**pack.tables, "consent": table}), FEED)
    takes = taken(reader.trace(raw(*CONSENT[:-1], at("CON", f1="2", f2="MAIL", f11="A"))))
    (statement,) = takes["consents"].value
    assert statement.permit
    assert {Spot(6, 2), Spot(6, 11)} <= set(takes["consents"].spots)


def test_a_visit_that_takes_another_number_tells_which_it_replaces(trace: Trace) -> None:
    """AD-19: MRG-5 is what is replaced."""
    assert taken(trace(*RENUMBERED))["replaces"].spots == (Spot(2, 5),)


def test_what_is_deleted_is_a_take_too(trace: Trace) -> None:
    """N-01: two double quotes say to remove what we hold, and that is shown."""
    takes = taken(trace(msh("ADT^A08"), at("PID", f3="1^^^LAKESIDE^MR", f7='""'), at("PV1", f2="I", f19="V1")))
    assert takes["person.birth_date"].value is CLEARED


def test_one_message_after_the_other_is_traced_by_itself(pack: Pack) -> None:
    """The second message has nothing of the first."""
    reader = TracedReader(pack, FEED)
    reader.trace(raw(*SIU))
    assert {take.name for take in reader.trace(raw(*MERGE)).takes} == {
        "identifiers",
        "merged_from",
        "person.given_name",
        "person.family_name",
    }


def test_a_take_does_not_show_its_value_by_accident(trace: Trace) -> None:
    """Law 4: a repr in a log or a traceback hides what was read."""
    assert "Max" not in repr(trace(*SIU).takes)
    assert "5550100" not in repr(trace(*SIU).takes)
