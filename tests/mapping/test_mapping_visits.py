"""What the gateway concludes from ADT messages about visits (conformance 1.16)."""

from __future__ import annotations

import pytest
from mapping_messages import at, message, msh

from gateway.mapping.feed import Feed
from gateway.model.event import EventKind, Severity
from gateway.model.when import Precision

PID = "PID|1||1234^^^LAKESIDE^MR"
VISIT = at("PV1", f1="1", f2="I", f3="MED", f19="V77^^^LAKESIDE^VN")


@pytest.mark.parametrize(
    ("trigger", "kind", "status"),
    [
        ("A01", EventKind.ENCOUNTER_ADMITTED, "in-progress"),
        ("A03", EventKind.ENCOUNTER_DISCHARGED, "finished"),
        ("A04", EventKind.ENCOUNTER_REGISTERED, "arrived"),
        ("A08", EventKind.ENCOUNTER_UPDATED, None),
        ("A11", EventKind.ENCOUNTER_ADMISSION_CANCELLED, "cancelled"),
        ("A13", EventKind.ENCOUNTER_DISCHARGE_CANCELLED, "in-progress"),
    ],
)
def test_each_visit_event_says_what_became_of_the_visit(event, trigger, kind, status) -> None:
    """AD-01, AD-03, AD-04, AD-07, AD-08, AD-10: one visit by its number, the status the trigger implies."""
    told = event(msh(f"ADT^{trigger}"), PID, VISIT)
    assert (told.kind, told.occurrence.key, told.occurrence.status) == (kind, "visit|V77|LAKESIDE", status)


def test_the_same_visit_number_at_two_authorities_is_two_visits(event) -> None:
    """AD-01: the key holds the assigning authority."""
    here = event(msh("ADT^A01"), PID, VISIT)
    there = event(msh("ADT^A01"), PID, VISIT.replace("LAKESIDE", "NORTH"))
    assert here.occurrence.key != there.occurrence.key


def test_a_visit_without_number_is_known_by_the_account(event) -> None:
    """AD-01, fallback: PID-18 within the feed's authority."""
    told = event(msh("ADT^A01"), at("PID", f3="1234^^^LAKESIDE^MR", f18="A9"), at("PV1", f2="O"))
    assert told.occurrence.key == "account|A9|LAKESIDE"


def test_a_truncated_visit_number_is_no_number(read) -> None:
    """P-14: a value cut off is never compared."""
    header = msh("ADT^A01").replace("^~\\&", "^~\\&#")
    told = read(header, PID, at("PV1", f2="I", f19="V123456#"))
    assert told.events[0].kind is EventKind.PATIENT_UPDATED


def test_a_visit_that_nothing_names_only_updates_the_person(read) -> None:
    """A visit without a key could never be cancelled: no occurrence, a warning."""
    told = read(msh("ADT^A01"), PID, at("PV1", f2="I"))
    assert told.events[0].kind is EventKind.PATIENT_UPDATED
    assert told.events[0].occurrence is None
    assert [str(fault.place) for fault in told.faults] == ["PV1^1^19"]


@pytest.mark.parametrize("visit", [None, "PV1", "PV1|1|N", "PV1|1|N|CARD||||||||||||||||V1"])
def test_an_update_of_a_person_opens_no_visit(read, visit) -> None:
    """AD-15: PV1 absent, or a placeholder with PV1-2 = N."""
    for trigger in ("A08", "A31", "A28"):
        told = read(msh(f"ADT^{trigger}"), PID, *([visit] if visit and visit != "PV1" else []))
        assert told.events[0].occurrence is None
        assert told.events[0].kind in (EventKind.PATIENT_UPDATED, EventKind.PATIENT_ADDED)
        assert told.faults == ()


def test_an_admission_without_a_visit_is_warned_of(read) -> None:
    """AD-15: A01 with a placeholder updates the person."""
    told = read(msh("ADT^A01"), PID, "PV1|1|N")
    assert told.events[0].kind is EventKind.PATIENT_UPDATED
    assert [fault.severity for fault in told.faults] == [Severity.WARNING]


@pytest.mark.parametrize(
    ("trigger", "status"),
    [("A01", "finished"), ("A04", "finished"), ("A08", "finished"), ("A11", "cancelled"), ("A13", "in-progress")],
)
def test_a_time_of_discharge_finishes_the_visit_unless_it_was_taken_back(event, trigger, status) -> None:
    """AD-35: PV1-45 in any event; in A11 and A13 it is what was cancelled."""
    told = event(msh(f"ADT^{trigger}"), PID, at("PV1", f2="I", f19="V1", f45="20260301"))
    assert told.occurrence.status == status


def test_a_discharge_that_is_deleted_is_cleared(event) -> None:
    """N-01: `""` in PV1-45 removes the end."""
    told = event(msh("ADT^A08"), PID, at("PV1", f2="I", f19="V1", f45='""'))
    assert told.occurrence.status is None
    assert told.cleared == frozenset({"encounter.end"})
    assert "encounter.end" not in told.facts


def test_a_discharge_time_that_is_no_time_is_warned_of(read) -> None:
    """T-08: treated as absent."""
    told = read(msh("ADT^A03"), PID, at("PV1", f2="I", f19="V1", f45="00000000"))
    assert told.events[0].occurrence.end is None
    assert [(fault.code, str(fault.place)) for fault in told.faults] == [(102, "PV1^1^45")]


@pytest.mark.parametrize(
    ("evn", "occurred", "recorded"),
    [
        ("EVN||20260302080000||||20260301070000", 1_772_370_000_000, 1_772_460_000_000),
        ("EVN||20260302080000", 1_772_460_000_000, 1_772_460_000_000),
        ("EVN|A01", 1_772_463_600_000, 1_772_463_600_000),
        ('EVN||""', 1_772_463_600_000, 1_772_463_600_000),
        ("EVN||nonsense||||20260301070000^S", 1_772_370_000_000, 1_772_463_600_000),
        ("EVN||20260302", 1_772_431_200_000, 1_772_463_600_000),
        ("EVN||20260301", 1_772_344_800_000, 1_772_431_199_999),
        ("EVN||2026030208", 1_772_460_000_000, 1_772_463_599_999),
        ("EVN||20260303", 1_772_517_600_000, 1_772_517_600_000),
        ("EVN||2026", 1_767_247_200_000, 1_772_463_600_000),
    ],
)
def test_what_happened_and_when_it_was_written_down_are_told_apart(event, evn, occurred, recorded) -> None:
    """AD-36, N-06, T-01: EVN-6, else EVN-2, else MSH-7; and EVN-2, as late within its precision as MSH-7 allows, else MSH-7."""
    told = event(msh("ADT^A01"), evn, PID, VISIT)
    assert (told.occurred, told.recorded) == (occurred, recorded)


def test_a_day_told_by_a_message_without_its_time_is_its_start(event) -> None:
    """N-06: nothing tells how late within the day."""
    told = event(msh("ADT^A01").replace("20260302090000", ""), "EVN||20260302", PID, VISIT)
    assert told.recorded == 1_772_431_200_000


def test_the_trigger_in_msh_9_decides_whatever_evn_1_says(event) -> None:
    """AD-37."""
    assert event(msh("ADT^A03"), "EVN|A01", PID, VISIT).kind is EventKind.ENCOUNTER_DISCHARGED


@pytest.mark.parametrize("code", ["20", "40", "41", "42"])
def test_a_discharge_as_expired_is_a_death(event, code) -> None:
    """AD-03, PI-12: disposition (table 0112) tells the death; in A13 it is what was cancelled."""
    visit = at("PV1", f2="I", f19="V1", f36=code)
    assert event(msh("ADT^A03"), PID, visit).demographics.deceased is True
    assert event(msh("ADT^A08"), PID, visit).demographics.deceased is True
    assert event(msh("ADT^A13"), PID, visit).demographics.deceased is None
    assert event(msh("ADT^A03"), PID, visit.replace(f"|{code}", "|01")).demographics.deceased is None


@pytest.mark.parametrize(
    ("losers", "merged"),
    [
        ("5678^^^LAKESIDE^MR", ["LAKESIDE|MR|5678"]),
        ("5678", ["LAKESIDE|MR|5678"]),
        ("5678^^^LAKESIDE^MR~9^^^EMPI^PI", ["LAKESIDE|MR|5678", "EMPI|PI|9"]),
        ("5678^^^ELSEWHERE", ["ELSEWHERE||5678"]),
    ],
)
def test_the_merged_number_dies_into_the_surviving_one(event, losers, merged) -> None:
    """AD-18, AD-30: MRG-1 into PID-3, never the reverse; a missing type is that of PID-3."""
    told = event(msh("ADT^A40"), PID, f"MRG|{losers}")
    assert told.kind is EventKind.PATIENT_MERGED
    assert [f"{one.system}|{one.type}|{one.value}" for one in told.identifiers] == ["LAKESIDE|MR|1234"]
    assert [f"{one.system}|{one.type}|{one.value}" for one in told.merged_from] == merged


def test_a_number_that_stands_on_both_sides_is_the_losers(event) -> None:
    """AD-30: PID-3 may still list what MRG-1 merges away."""
    told = event(msh("ADT^A40"), PID + "~5678^^^LAKESIDE^MR", "MRG|5678^^^LAKESIDE^MR")
    assert [one.value for one in told.identifiers] == ["1234"]


def test_a_merge_of_a_person_into_itself_merges_nobody(read) -> None:
    """AD-33: refused as a merge, with a warning."""
    told = read(msh("ADT^A40"), PID, "MRG|1234^^^LAKESIDE^MR")
    assert told.events[0].kind is EventKind.PATIENT_UPDATED
    assert [fault.code for fault in told.faults] == [199]


def test_several_merges_in_one_message_are_several_events(read) -> None:
    """AD-18: the PATIENT group repeats; a fault names the group."""
    told = read(msh("ADT^A40"), PID, "MRG|1", "PID|2||22^^^LAKESIDE^MR", "MRG|2")
    assert [[one.value for one in event.merged_from] for event in told.events] == [["1"], ["2"]]
    refused = read(msh("ADT^A40"), PID, "MRG|1", "PID|2||", "MRG|2")
    assert [(fault.code, str(fault.place)) for fault in refused.faults] == [(101, "PID^2^3")]


def test_a_birth_year_is_not_a_birthday_and_a_visit_keeps_its_precision(event) -> None:
    """T-01: precision is kept."""
    told = event(msh("ADT^A01"), PID + "||||1980", at("PV1", f2="I", f19="V1", f44="20260302"))
    assert told.demographics.birth_date == "1980"
    assert told.occurrence.start.precision is Precision.DAY


def test_only_the_first_repetition_of_a_time_counts(event) -> None:
    """P-18: PV1-44 does not repeat; a sender that repeats it means the first."""
    told = event(msh("ADT^A01"), PID, at("PV1", f2="I", f19="V1", f44="20260302~20260401"))
    assert told.occurrence.start.utc == 1_772_431_200_000


def test_a_place_is_matched_from_the_bed_to_the_house(event) -> None:
    """PL: the most specific configured spelling wins, and an unknown one is unmapped (PV-08)."""
    spellings = ["CARD^201^1^G", "CARD^201^^G", "CARD^^^G", "CARD^201^1", "CARD^201", "CARD", "^^^G", "G"]
    for count in range(len(spellings)):
        feed = Feed(name="f", zone="UTC", locations={code: code for code in spellings[count:]})
        told = event(msh("ADT^A01"), PID, at("PV1", f2="I", f3="CARD^201^1^G&1.2&ISO~X", f19="V1"), feed=feed)
        assert told.facts["encounter.location"] == told.occurrence.facility == spellings[count]
    house = Feed(name="f", zone="UTC", locations={"G": "house"})
    told = event(msh("ADT^A01"), PID, at("PV1", f2="I", f3="^^^G", f19="V1"), feed=house)
    assert told.facts["encounter.location"] == "house"
    empty = Feed(name="f", zone="UTC", organization="org")
    told = event(msh("ADT^A01"), PID, at("PV1", f2="I", f3="CARD", f19="V1"), feed=empty)
    assert (told.facts["encounter.location"], told.occurrence.facility) == ("unmapped", "org")
    told = event(msh("ADT^A01"), PID, at("PV1", f2="I", f3='""', f19="V1"), feed=empty)
    assert told.cleared == {"encounter.location"}


def test_only_wanted_facts_are_kept(read) -> None:
    """Law 5: what no rule names is not extracted; start, status and place stay with the occurrence."""
    told = read(msh("ADT^A01"), PID, VISIT, facts=frozenset({"encounter.class"})).events[0]
    assert told.facts == {"encounter.class": "inpatient"}
    assert (told.occurrence.status, told.occurrence.facility) == ("in-progress", "medicine")


def test_line_feeds_alone_end_segments_too(read) -> None:
    """P-05: LF and CRLF are tolerated."""
    for ending in ("\n", "\r\n"):
        assert read(message(msh("ADT^A01"), PID, VISIT, ending=ending)).events[0].occurrence.key == "visit|V77|LAKESIDE"
