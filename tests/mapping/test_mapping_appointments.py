"""What the gateway concludes from SIU messages (conformance 1.19)."""

from __future__ import annotations

from pathlib import Path

import pytest
from mapping_messages import FEED, RECEIVED, ROOT, at, message, msh

from gateway.mapping.hl7v2 import Hl7v2Reader
from gateway.mapping.pack import load_pack
from gateway.model.event import EventKind, Format, RawMessage
from gateway.model.facts import UNMAPPED
from gateway.model.party import CLEARED
from gateway.model.verdict import Reason
from gateway.model.when import Precision

PID = "PID|1||1234^^^LAKESIDE^MR"
NINE = 1_774_015_200_000  # 2026-03-20 09:00 in Chicago


def sch(**fields: str) -> str:
    """SCH with a filler id and a start, unless told otherwise."""
    return at("SCH", **{"f2": "F1^EHR", "f11": "^^30^202603200900", **fields})


def booked(event, *segments: str, version: str = "2.5.1"):
    """The event of an S12."""
    return event(msh("SIU^S12", version=version), *segments)


@pytest.mark.parametrize(
    ("trigger", "kind", "status"),
    [
        ("S12", EventKind.APPOINTMENT_BOOKED, "booked"),
        ("S13", EventKind.APPOINTMENT_RESCHEDULED, "booked"),
        ("S14", EventKind.APPOINTMENT_MODIFIED, None),
        ("S15", EventKind.APPOINTMENT_CANCELLED, "cancelled"),
        ("S16", EventKind.APPOINTMENT_CANCELLED, "cancelled"),
        ("S17", EventKind.APPOINTMENT_DELETED, "entered-in-error"),
        ("S26", EventKind.APPOINTMENT_MISSED, "noshow"),
    ],
)
def test_each_scheduling_event_says_what_became_of_the_appointment(event, trigger, kind, status) -> None:
    """SI-01 to SI-06, SI-09."""
    told = event(msh(f"SIU^{trigger}"), sch(), PID)
    assert (told.kind, told.occurrence.key, told.occurrence.status) == (kind, "filler|F1|EHR|", status)


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"f1": "P1^EHR", "f2": "F1^EHR"}, "filler|F1|EHR|"),
        ({"f1": "P1^EHR", "f2": ""}, "placer|P1|EHR|"),
        ({"f1": "P1^EHR", "f2": '""'}, "placer|P1|EHR|"),
        ({"f2": "F1^^1.2.3^ISO"}, "filler|F1|1.2.3|"),
        ({"f2": "F1"}, "filler|F1||"),
        ({"f3": "4"}, "filler|F1|EHR|4"),
        ({"f3": '""'}, "filler|F1|EHR|"),
    ],
)
def test_an_appointment_is_known_by_filler_then_placer_and_its_occurrence(event, fields, key) -> None:
    """SI-21: entity id with namespace; SCH-3 for recurring ones."""
    assert booked(event, sch(**fields), PID).occurrence.key == key


def test_an_appointment_without_identity_is_refused(read) -> None:
    """SI-21: it could never be cancelled."""
    for fields in ({"f2": ""}, {"f2": '""'}, {"f2": "", "f3": "4"}):
        told = read(msh("SIU^S12"), sch(**fields), PID)
        assert (told.ack, [(f.code, str(f.place)) for f in told.faults]) == ("AE", [(101, "SCH^1^2")])


def test_a_group_visit_is_one_appointment_for_each_patient(read) -> None:
    """SI-20: several PATIENT groups share SCH and the resources; each has demographics of its own."""
    told = read(msh("SIU^S12"), sch(), PID, "PID|2||77^^^LAKESIDE^PI", "RGS|1", "AIL|1|A|CARD")
    assert [one.occurrence.key for one in told.events] == [
        "filler|F1|EHR||LAKESIDE|MR|1234",
        "filler|F1|EHR||LAKESIDE|PI|77",
    ]
    assert {one.facts["appointment.location"] for one in told.events} == {"cardiology"}


def test_a_site_may_always_tell_participants_apart(tmp_path: Path) -> None:
    """SI-21: an overlay for feeds that send a group visit as one message for each patient."""
    (tmp_path / "hl7v2").mkdir()
    (tmp_path / "hl7v2" / "site.yaml").write_text("mapping: appointments\nparticipant: always\n")
    reader = Hl7v2Reader(load_pack([ROOT / "mappings", tmp_path]), FEED)
    raw = RawMessage(source="f", format=Format.HL7V2, body=message(msh("SIU^S12"), sch(), PID), received=RECEIVED)
    assert reader(raw).events[0].occurrence.key == "filler|F1|EHR||LAKESIDE|MR|1234"


def test_blocked_time_without_a_patient_is_ignored(read) -> None:
    """SI-20: no PATIENT group is no fault."""
    assert read(msh("SIU^S12"), sch()).ignored == "no patient in the message"


TQ1 = at("TQ1", f7="202603201000")
AIS = at("AIS", f3="CARD", f4="202603200845")


@pytest.mark.parametrize(
    ("version", "segments", "minutes", "warned"),
    [
        ("2.5.1", [sch()], 0, False),
        ("2.5.1", [sch(), TQ1], 0, True),
        ("2.7", [sch(), TQ1], 60, True),
        ("2.7", [sch()], 0, False),
        ("2.5.1", [sch(f11=""), TQ1], 60, False),
        ("2.5.1", [sch(f11=""), AIS], -15, False),
        ("2.5.1", [sch(), AIS], 0, True),
        ("2.5.1", [sch(), AIS + "|-15|MIN"], 0, False),
        ("2.5.1", [sch(f11=""), AIS + "|-15|MIN"], 0, False),
        ("2.5.1", [sch(f11=""), AIS + "|-15"], 0, False),
        ("2.5.1", [sch(f11=""), AIS + "|x|MIN"], -15, False),
        ("2.5.1", [sch(f11=""), 'AIS|1|A|X|""', at("AIL", f3="CARD", f6="202603200900")], 0, False),
        ("2.5.1", [sch(f11=""), at("AIG", f8="202603200900")], 0, False),
        ("2.5.1", [sch(f11=""), at("AIP", f6="202603200900^^x")], 0, False),
        ("2.5.1", [sch(), at("TQ1", f7="nonsense")], 0, False),
    ],
)
def test_the_start_is_the_appointments_own_before_a_resources(read, version, segments, minutes, warned) -> None:
    """SI-23: SCH-11.4 up to 2.6, TQ1-7 from 2.7, else AIS-4 and its like less the offset; disagreement warns."""
    head, *rest = segments
    told = read(msh("SIU^S12", version=version), head, PID, *rest)
    assert (told.events[0].occurrence.start.utc - NINE) // 60_000 == minutes
    assert bool(told.faults) is warned


def test_no_start_is_told_as_no_start(read) -> None:
    """SI-23: nothing, a deletion, and text that is no time."""
    assert read(msh("SIU^S12"), sch(f11=""), PID).events[0].occurrence.start is None
    deleted = read(msh("SIU^S12"), sch(f11='^^^""'), PID).events[0]
    assert deleted.cleared == {"appointment.start"}
    assert deleted.occurrence.start is None
    wrong = read(msh("SIU^S12"), sch(f11="^^^99991332"), PID)
    assert wrong.events[0].occurrence.start is None
    assert [fault.code for fault in wrong.faults] == [102]
    resource = read(msh("SIU^S12"), sch(f11=""), PID, at("AIS", f4="99991332"))
    assert resource.events[0].occurrence.start is None
    assert read(msh("SIU^S12"), sch(f11=""), PID, 'AIS|1|A|X|""').events[0].occurrence.start is None


def test_a_truncated_number_is_no_appointments_identity(read) -> None:
    """P-14: others begin alike; the placer's number stands in, and without one the appointment cannot be followed."""
    header = msh("SIU^S12").replace("^~\\&", "^~\\&#")
    told = read(header, sch(f1="P77^EHR", f2="F1234#^EHR"), PID)
    assert told.events[0].occurrence.key == "placer|P77|EHR|"
    assert told.events[0].occurrence.named == ()
    both = read(header, sch(f1="P77#^EHR", f2="F1234#^EHR"), PID)
    assert (both.ack, [(fault.code, str(fault.place)) for fault in both.faults]) == ("AE", [(101, "SCH^1^2")])
    assert read(header, sch(f1="P7^EHR", f2="F1^EHR", f24="F0#^EHR"), PID).events[0].occurrence.parent is None


def test_a_day_without_a_clock_stays_a_day(event) -> None:
    """T-07: no nine o'clock is made up."""
    assert booked(event, sch(f11="^^^20260320"), PID).occurrence.start.precision is Precision.DAY


@pytest.mark.parametrize(
    ("start", "uncertain"), [("202603080230", True), ("202603080130", False), ("202611010130", False)]
)
def test_a_time_that_summer_time_skips_waits_for_a_person(event, start, uncertain) -> None:
    """T-06: the gap is flagged and a later valid start lifts it; the fold means the first."""
    told = booked(event, sch(f11=f"^^^{start}"), PID)
    assert told.visit_flags == {Reason.TIME_UNCERTAIN: uncertain}


@pytest.mark.parametrize("start", ["20261332", "00000000", "99991231", "TBD", "20260320250000"])
def test_a_time_that_cannot_be_read_waits_for_a_person(read, start) -> None:
    """T-08: absent with a warning, and what was told before is in doubt; nothing told of it, or `""`, leaves no doubt."""
    wrong = read(msh("SIU^S13"), sch(f11=f"^^^{start}"), PID)
    assert wrong.events[0].occurrence.start is None
    assert wrong.events[0].visit_flags == {Reason.TIME_UNCERTAIN: True}
    assert [(fault.code, str(fault.place)) for fault in wrong.faults] == [(102, "SCH^1^11")]
    for trigger, told in (("S14", ""), ("S13", '^^^""')):
        assert read(msh(f"SIU^{trigger}"), sch(f11=told), PID).events[0].visit_flags == {}


def test_a_move_that_tells_no_time_is_one_from_the_time_that_was(read) -> None:
    """SI-02, N-01: no change of what is kept, and no reminder of it; the next message that tells the time frees it."""
    moved = read(msh("SIU^S13"), sch(f11=""), PID)
    assert moved.events[0].visit_flags == {Reason.TIME_UNCERTAIN: True}
    assert [(fault.code, str(fault.place)) for fault in moved.faults] == [(101, "SCH^1^11")]
    assert read(msh("SIU^S13"), sch(), PID).events[0].visit_flags == {Reason.TIME_UNCERTAIN: False}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("Pending", "pending"),
        ("WAITLIST", "waitlist"),
        ("booked", "booked"),
        ("Started", "checked-in"),
        ("Complete", "fulfilled"),
        ("Overbook", "booked"),
        ("BLOCKED", "proposed"),
    ],
)
def test_the_filler_status_decides_the_state_whatever_its_case(event, code, status) -> None:
    """SI-25 to SI-27."""
    told = booked(event, sch(f25=f"{code}^x^HL70278"), PID)
    assert told.occurrence.status == told.facts["appointment.status"] == status


@pytest.mark.parametrize(
    ("trigger", "code", "status", "warned"),
    [
        ("S12", "Cancelled", "cancelled", True),
        ("S15", "Booked", "cancelled", True),
        ("S15", "Cancelled", "cancelled", False),
        ("S14", "Noshow", "noshow", True),
        ("S26", "Deleted", "noshow", True),
    ],
)
def test_a_status_that_contradicts_the_trigger_is_flagged(read, trigger, code, status, warned) -> None:
    """SI-25: the trigger decides existence, the status decides state."""
    told = read(msh(f"SIU^{trigger}"), sch(f25=code), PID)
    assert told.events[0].occurrence.status == status
    assert bool(told.faults) is warned


def test_an_unknown_filler_status_is_unmapped(event) -> None:
    """SI-26: what nobody knows is not confirmed."""
    told = booked(event, sch(f25="SITE7"), PID)
    assert (told.occurrence.status, told.facts["appointment.status"]) == ("booked", UNMAPPED)


@pytest.mark.parametrize(
    ("segments", "minutes"),
    [
        ([sch(f9="30", f10="MIN")], 30),
        ([sch(f9="1", f10="HR^hours")], 60),
        ([sch(f9="1.5", f10="H")], 90),
        ([sch(f9="45")], 45),
        ([sch(f9="45", f10='""')], 45),
        ([sch(), at("AIS", f7="20", f8="MIN")], 20),
        ([sch(f9="30", f10="FORTNIGHT")], None),
        ([sch(f9="soon", f10="MIN")], None),
        ([sch(f10="MIN")], None),
    ],
)
def test_the_length_is_told_in_minutes_whatever_its_unit(event, segments, minutes) -> None:
    """SI-29: a missing unit is minutes, an unknown one is nothing."""
    head, *rest = segments
    assert booked(event, head, PID, *rest).facts.get("appointment.duration") == minutes


def test_a_deleted_length_is_cleared(event) -> None:
    """N-01."""
    assert booked(event, sch(f9='""'), PID).cleared == {"appointment.duration"}


@pytest.mark.parametrize(
    ("segments", "service"),
    [
        (["AIS|1|A|CARD"], "cardiology"),
        (["AIS|1|A|card ^x"], "cardiology"),
        (["AIS|1|A|99213^^CPT4", "PV1||O||||||||PSY"], "behavioral-health"),
        (["AIS|1|A|99213^^CPT4"], UNMAPPED),
        (["AIS|1|A|77^^LOCAL^CARD^^HL70069"], "cardiology"),
        (["AIS|1|A|^text only"], UNMAPPED),
        (["AIS|1|A|SECRET", "PV1||O||||||||CARD"], UNMAPPED),
        (["AIS|1|A|CARD", "AIS|2|A|HIV"], "hiv-care"),
        (["AIS|1|A|CARD", "AIS|2|A|SECRET"], UNMAPPED),
        (["AIS|1|A|", "AIS|2|A|CARD"], "cardiology"),
        (["AIS|1|A|CARD~PSY"], "behavioral-health"),
        (["AIS|1|A|99213&x^^CPT4", "PV1||O||||||||CARD"], "cardiology"),
        (["AIS|1|A|CARD", "PV1||O||||||||SUD"], "substance-use"),
        (["AIS|1|A|HIV", "PV1||O||||||||SUD"], "hiv-care"),
        (["AIS|1|A|CARD", "PV1||O||||||||SECRET"], "cardiology"),
        (["AIS|1|A|CARD", 'PV1||O||||||||""'], "cardiology"),
        ([], None),
    ],
)
def test_the_most_telling_service_decides(event, segments, service) -> None:
    """PV-08: of several the most sensitive, and what is unknown is of the highest; a ward that is protected goes before a clinic."""
    visit = [one for one in segments if one.startswith("PV1")]
    rest = [one for one in segments if not one.startswith("PV1")]
    assert booked(event, sch(), PID, *visit, *rest).facts.get("appointment.service") == service


@pytest.mark.parametrize(
    ("segments", "service"),
    [
        (["RGS|1|D", "AIS|1||CARD"], CLEARED),
        (["RGS|1|D", "AIS|1||CARD", "RGS|2|A", "AIS|1|A|PCP"], "primary-care"),
        (["RGS|1|D", "AIS|1||CARD", "RGS|2", "AIS|1||PCP"], "primary-care"),
        (["RGS|1|D", "AIS|1|A|CARD"], "cardiology"),
        (["RGS|1|U", "AIS|1|D|CARD", "AIS|2||PCP"], "primary-care"),
    ],
)
def test_a_deleted_group_takes_its_resources_with_it(event, segments, service) -> None:
    """N-05: RGS-2 holds for resources that tell no action of their own (C10 RGS, AIS)."""
    told = booked(event, sch(), PID, *segments)
    assert told.facts.get("appointment.service", CLEARED) == service
    assert ("appointment.service" in told.cleared) is (service is CLEARED)


def test_a_deleted_service_is_cleared(event) -> None:
    """N-01: `""` is never a code."""
    assert booked(event, sch(), PID, 'AIS|1|A|""').cleared == {"appointment.service"}


@pytest.mark.parametrize(
    ("person", "name"),
    [
        ("1^Quincy^Robert^^^Dr", "Dr Robert Quincy"),
        ("1^O\\T\\Neil^Ann", "Ann O&Neil"),
        ("4711", None),
        ('1^Quincy^""', "Quincy"),
    ],
)
def test_the_practitioner_has_a_name_or_none(event, person, name) -> None:
    """SI-24: AIP-3, un-escaped (P-07)."""
    assert booked(event, sch(), PID, f"AIP|1|A|{person}").facts.get("appointment.practitioner") == name


@pytest.mark.parametrize("status", ["Cancelled", "CANCELED^^HL70278", "Dc", "Deleted"])
def test_of_several_places_the_one_called_off_is_not_where_to_go(event, status) -> None:
    """SI-24: AIL-12; another kind of resource that is called off has no say."""
    off, on = at("AIL", f1="1", f2="U", f3="CARD", f12=status), at("AIL", f1="2", f2="A", f3="MED")
    told = booked(event, sch(), PID, "AIS|1|A|CARD", off, on, at("AIP", f1="1", f2="A", f3="9^Doe", f12=status))
    assert told.facts["appointment.location"] == "medicine"
    assert told.facts["appointment.practitioner"] == "Doe"


@pytest.mark.parametrize("other", [[], ["AIL|2|D|MED"], [at("AIL", f1="2", f2="A", f3="CARD", f12="Cancelled")]])
def test_an_appointment_whose_places_are_all_called_off_keeps_what_was_told(event, other) -> None:
    """SI-24, SI-04: a cancellation still says where it would have been."""
    off = at("AIL", f1="1", f2="U", f3="CARD", f12="Cancelled")
    assert booked(event, sch(), PID, "AIS|1|A|CARD", off, *other).facts["appointment.location"] == "cardiology"


def test_a_deleted_practitioner_is_cleared(event) -> None:
    """N-01."""
    assert booked(event, sch(), PID, 'AIP|1|A|""').cleared == {"appointment.practitioner"}


def test_a_message_of_january_about_july_is_in_summer_time(event) -> None:
    """T-02: MSH-7's offset confirms the feed's zone, and then the zone holds; another offset holds itself."""
    body = sch(f11="^^^202607010900"), PID
    for offset, start in (("-0600", 1_782_914_400_000), ("-0700", 1_782_921_600_000), ("+0000", 1_782_896_400_000)):
        told = event(msh("SIU^S12", sent=f"20260110090000{offset}"), *body)
        assert told.occurrence.start.utc == start
    assert event(msh("SIU^S12", sent="2026x-0600"), *body).occurrence.start.utc == 1_782_914_400_000
    assert event(msh("SIU^S12", sent="20260110^D"), *body).occurrence.start.utc == 1_782_914_400_000


@pytest.mark.parametrize(
    ("fields", "parent"),
    [
        ({}, None),
        ({"f24": "F9^EHR"}, "filler|F9|EHR|"),
        ({"f23": "P9^EHR", "f24": "F9^EHR"}, "filler|F9|EHR|"),
        ({"f23": "P9^EHR", "f24": '""'}, "placer|P9|EHR|"),
        ({"f24": "F9^EHR~F8^EHR", "f3": "2"}, "filler|F9|EHR|"),
        ({"f3": "2"}, "series:filler|F1|EHR|"),
        ({"f3": "2", "f2": "", "f1": "P1^EHR"}, "series:placer|P1|EHR|"),
        ({"f3": "2", "f24": "F1^EHR"}, "series:filler|F1|EHR|"),
        ({"f3": '""'}, None),
    ],
)
def test_a_part_names_what_it_is_a_part_of(event, fields, parent) -> None:
    """SI-21, SI-22: SCH-24 before SCH-23; SCH-3 alone tells an occurrence of a series."""
    assert event(msh("SIU^S12"), sch(**fields), PID).occurrence.parent == parent


@pytest.mark.parametrize(
    ("trigger", "fields", "named"),
    [
        ("S12", {"f1": "P1^EHR"}, ()),
        ("S14", {"f1": "P1^EHR"}, ()),
        ("S26", {"f1": "P1^EHR"}, ()),
        (
            "S15",
            {"f1": "P1^EHR"},
            ("filler|F1|EHR|", "placer|P1|EHR|", "series:filler|F1|EHR|", "series:placer|P1|EHR|"),
        ),
        ("S17", {"f1": ""}, ("filler|F1|EHR|", "series:filler|F1|EHR|")),
        ("S15", {"f3": "2"}, ("filler|F1|EHR|",)),
        ("S14", {"f25": "Cancelled"}, ("filler|F1|EHR|", "series:filler|F1|EHR|")),
    ],
)
def test_what_ends_tells_how_its_parts_may_call_it(event, trigger, fields, named) -> None:
    """SI-22: filler and placer id; a series only where no occurrence of it is told."""
    assert event(msh(f"SIU^{trigger}"), sch(**fields), PID).occurrence.named == named


def test_in_a_group_visit_told_apart_everybody_has_parts_of_their_own(tmp_path: Path) -> None:
    """SI-21, SI-22: with `participant: always` a cancellation concerns one participant and their parts."""
    (tmp_path / "hl7v2").mkdir()
    (tmp_path / "hl7v2" / "ours.yaml").write_text("mapping: appointments\nparticipant: always\n")
    reader = Hl7v2Reader(load_pack([ROOT / "mappings", tmp_path]), FEED)

    def told(trigger: str, **fields: str):
        body = message(msh(f"SIU^{trigger}"), sch(**fields), PID)
        raw = RawMessage(source="ehr", format=Format.HL7V2, body=body, received=RECEIVED)
        return reader(raw).events[0].occurrence

    mine = "|LAKESIDE|MR|1234"
    assert told("S12", f24="F9^EHR").parent == f"filler|F9|EHR|{mine}"
    assert told("S12", f3="2").parent == f"series:filler|F1|EHR|{mine}"
    assert told("S15").named == (f"filler|F1|EHR|{mine}", f"series:filler|F1|EHR|{mine}")


@pytest.mark.parametrize(("version", "end"), [("2.5.1", "2026-03-20T09:30:00"), ("2.7", "2026-03-20T10:00:00")])
def test_the_end_is_read_where_the_version_tells_the_start(event, version, end) -> None:
    """SI-23: SCH-11.5 up to 2.6, TQ1-8 from 2.7 on; an end before its start would come of mixing them."""
    own = sch(f11="^^^20260320090000^20260320093000")
    told = event(msh("SIU^S12", version=version), own, "TQ1|||||||20260320093000|20260320100000", PID)
    assert f"{told.occurrence.end.local():%Y-%m-%dT%H:%M:%S}" == end


def test_an_end_that_is_none_is_warned_of_and_one_that_is_deleted_is_removed(read) -> None:
    """T-08, N-01."""

    def told(end: str):
        return read(msh("SIU^S12"), sch(f11=f"^^^20260320090000^{end}"), PID)

    wrong = told("20261332")
    assert "appointment.end" not in wrong.events[0].facts
    assert [(fault.code, str(fault.place)) for fault in wrong.faults] == [(102, "SCH^1^11")]
    assert "appointment.end" in told('""').events[0].cleared
