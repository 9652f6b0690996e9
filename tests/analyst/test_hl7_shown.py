"""A message field by field: what the mapping took of each, what no rule uses, and what is dropped."""

from __future__ import annotations

import pytest

from gateway.analyst.hl7v2.asking import Child
from gateway.analyst.hl7v2.lineage import ENVELOPE, Lineage, asks, spoken
from gateway.analyst.hl7v2.shown import Row, Showing, Shown, raw
from gateway.analyst.hl7v2.standard import Catalogue, Standard
from gateway.er7.reader import parse
from gateway.mapping.feed import Feed
from gateway.mapping.hl7v2 import Hl7v2Reader
from gateway.mapping.pack import Pack, load_pack
from gateway.mapping.trace import TracedReader
from gateway.packs import shipped

FEED = Feed(name="ehr", zone="America/Chicago", default_authority="LAKESIDE", locations={"CARD": "cardiology"})
USED = frozenset({"appointment.service", "appointment.start"})
MSH = "MSH|^~\\&|EHR|HOSP|GATE|HUB|20260302090000||{}|C1|P|2.5.1"
BOOKED = (
    MSH.format("SIU^S12"),
    "SCH|P1|F1^LAKE|||||||30|min|^^^20260320090000||||||||||||||Booked",
    "PID|1||1234^^^LAKESIDE^MR~999^^^USA^SS||Muster^Max||19700101|M|||1 Lake St^^Chicago^IL^60601||^PRN^CP^^^312^5550100~^NET^Internet^max@lake.example|^WPN^PH^^^312^5550111",
    "PV1|1|O|MED",
    "AIS|1|A|PCP",
    "AIS|2|D|CARD",
    "AIS|3|A|PCP",
    "AIL|1|A|CARD&Cardiology^201",
    "ZPV|1|a\\T\\b",
)


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack([shipped("mappings")])


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    with Child() as child:
        return Standard(child, tmp_path_factory.mktemp("tables")).catalogue("2.5.1")


@pytest.fixture(scope="module")
def shown(pack: Pack, catalogue: Catalogue):
    """Show a message given as segments."""
    showing = Showing(TracedReader(pack, FEED, facts=USED), TracedReader(pack, FEED))

    def show(*segments: str, deep: bool = False) -> Shown:
        body = "\r".join(segments).encode()
        message = parse(body, default_charset="UTF-8")
        type_ = message.header.message_code + "^" + message.header.trigger
        return showing.shown(body, message, catalogue, Lineage(pack, type_, USED), deep=deep)

    return show


def at(shown: Shown, place: str, sequence: int = 1) -> Row:
    return next(row for row in shown.rows if row.place == place and row.sequence == sequence)


def took(shown: Shown, place: str, sequence: int = 1) -> dict[str, str | None]:
    return {use.name: use.value for use in at(shown, place, sequence).took}


def test_every_valued_field_is_a_row_with_its_name(shown) -> None:
    """Each once, in the order of the message, under the name of the standard; empty ones are left out."""
    rows = shown(*BOOKED).rows
    assert [row.place for row in rows if row.segment == "SCH"] == [
        "SCH-1",
        "SCH-2",
        "SCH-9",
        "SCH-10",
        "SCH-11",
        "SCH-25",
    ]
    booked = shown(*BOOKED)
    assert (at(booked, "SCH-25").name, at(booked, "SCH-25").title) == (
        "Filler status code",
        "Scheduling activity information",
    )
    assert (at(booked, "ZPV-2").name, at(booked, "ZPV-2").title, at(booked, "ZPV-2").value) == ("local", "local", "a&b")
    assert at(booked, "MSH-2").value == "^~\\&"


def test_what_the_mapping_took_stands_at_the_field_it_was_taken_from(shown) -> None:
    """PI-01, SI-23, PI-06: identifiers without the social security number, name, start, telephone of each field."""
    booked = shown(*BOOKED)
    assert took(booked, "PID-3[1]") == {"patient.identifiers": "LAKESIDE|MR|1234"}
    assert took(booked, "PID-5") == {"patient.given_name": "Max", "patient.family_name": "Muster"}
    assert took(booked, "PID-11")["patient.state"] == "IL"
    assert took(booked, "PID-11")["patient.country"] == "US"  # left out: the source's own
    assert took(booked, "PID-13[1]") == {"patient.telecom": "home sms +13125550100, home email max@lake.example"}
    assert took(booked, "PID-14") == {"patient.telecom": "work phone +13125550111"}
    assert took(booked, "SCH-11") == {"appointment.start": "2026-03-20 09:00 America/Chicago"}
    assert took(booked, "MSH-9") == {"message type": ""}


def test_where_several_fields_could_tell_the_one_that_decided_is_named(shown) -> None:
    """SI-21, AIL-3 before PV1-3, the first of two equal services: the others were looked at only."""
    booked = shown(*BOOKED)
    assert took(booked, "SCH-2")["identity"] == "filler|F1|LAKE|"
    assert took(booked, "SCH-1")["identity"] is None
    assert took(booked, "AIL-3")["appointment.location"] == "cardiology"
    assert took(booked, "PV1-3") == {"appointment.location": None}
    assert took(booked, "AIS-3")["appointment.service"] == "primary-care"
    assert took(booked, "AIS-3", 3) == {"appointment.service": None}
    assert at(booked, "PV1-3").dropped
    assert not at(booked, "AIL-3").dropped


def test_what_no_rule_uses_is_named_and_dropped(shown) -> None:
    """Law 5: the duration could be taken, but nothing in force asks for it; the sex is asked for by nothing at all."""
    booked = shown(*BOOKED)
    assert at(booked, "SCH-9").unused == ("appointment.duration",)
    assert at(booked, "SCH-9").dropped
    assert at(booked, "PID-8").took == at(booked, "PID-8").unused == ()
    assert at(booked, "PID-8").dropped


def test_a_resource_that_was_taken_off_gave_nothing(shown) -> None:
    """N-05: its action code was looked at, its service was not."""
    booked = shown(*BOOKED)
    assert took(booked, "AIS-3", 2) == {}
    assert took(booked, "AIS-2", 2) == {"action of a resource": ""}


def test_repetitions_components_and_subcomponents_have_places_a_mapping_could_name(shown) -> None:
    """P-17, P-18: PID-3[2].4, AIL-3.1.2, each with its name."""
    deep = shown(*BOOKED, deep=True)
    assert (at(deep, "PID-3[2].5").value, at(deep, "PID-3[2].5").name) == ("SS", "Identifier type code")
    assert (at(deep, "AIL-3.1.2").value, at(deep, "AIL-3.2").value) == ("Cardiology", "201")
    assert at(deep, "PID-3[2].5").part
    assert at(deep, "PID-3[2]").repetition == 2
    assert all(row.part is False for row in shown(*BOOKED).rows)


def test_parts_are_shown_as_sent_and_texts_as_meant(shown) -> None:
    """P-07: what has delimiters is not un-escaped as a whole."""
    told = shown(MSH.format("ADT^A31"), "PID|1||1^^^A^MR||O\\T\\N^Max||||||\\F\\x", deep=True)
    assert at(told, "PID-5").value == "O\\T\\N^Max"
    assert at(told, "PID-5.1").value == "O&N"
    assert at(told, "PID-11").value == "|x"


def test_flags_merges_and_consents_are_told_in_words(shown) -> None:
    """PV-01, AD-18: what holds, what lifts, who is merged away."""
    told = shown(
        MSH.format("ADT^A01"), "PID|1||1^^^A^MR", "PV1|1|I|MED|" + "|" * 12 + "VIP|||V7", "PV2|" + "|" * 21 + "N"
    )
    assert took(told, "PV1-16") == {"hold confidential-visit": "holds"}
    assert took(told, "PV2-22") == {"hold protection-indicator": "lifts"}
    merged = shown(MSH.format("ADT^A40"), "PID|1||1^^^A^MR", "MRG|2^^^A^MR")
    assert took(merged, "MRG-1") == {"the person merged away": "A|MR|2"}
    removed = shown(MSH.format("ADT^A31"), 'PID|1||1^^^A^MR||||""||||||""')
    assert took(removed, "PID-7") == {"patient.birth_date": "removed"}
    assert took(removed, "PID-13") == {"patient.telecom": "removed"}


def test_a_message_nothing_is_read_of_is_shown_all_the_same(shown) -> None:
    """A-06: of an ignored type everything but the header is dropped."""
    told = shown(MSH.format("ADT^A20"), "NPU|BED1|U")
    assert told.reading.ignored == "the state of a bed is about no patient"
    assert at(told, "NPU-1").dropped
    assert shown(MSH.format("ZZZ^Z01"), "ZZZ|1").reading.ack == "AR"


def test_a_value_that_many_fields_decide_is_told_at_each(shown) -> None:
    """A report of thirty values: no field is asked about alone, and it does not take long."""
    segments = [f"OBX|{number}|NM|X||1|||HH|||F" for number in range(1, 40)]
    told = shown(MSH.format("ORU^R01"), "PID|1||1^^^A^MR", "OBR|1||7^L|CBC" + "|" * 21 + "F", *segments)
    assert took(told, "OBX-8", 1)["hold critical-result"] == took(told, "OBX-8", 39)["hold critical-result"] == "holds"


def test_what_the_reader_looks_at_in_the_header_is_looked_at(pack: Pack) -> None:
    """The list of what is read beside the mappings is not a guess: another value there is another reading."""
    reader = Hl7v2Reader(pack, FEED)
    segments = [
        MSH.format("ADT^A08") + "|||AL|NE||UNICODE UTF-8",
        "EVN|A08|20260302080000|||X|20260302070000",
        "PID|1||1^^^A^MR",
        "PV1|1|I||||||||||||||||V1",
    ]

    def read(*changed: tuple[str, int, str]):
        lines = [line.split("|") for line in segments]
        for segment, field, value in changed:
            line = next(line for line in lines if line[0] == segment)
            line[field - (segment == "MSH")] = value
        reading = reader(raw("\r".join("|".join(line) for line in lines).encode()))
        event = reading.events[0] if reading.events else None
        return (
            (event.recorded, event.occurred, event.production) if event else None,
            (reading.control_key, reading.type, reading.ack, reading.noticed),
        )

    usual = read()
    for segment, field, value in (
        ("MSH", 3, "OTHER"),
        ("MSH", 4, "OTHER"),
        ("MSH", 9, "ADT^A11"),
        ("MSH", 10, "C2"),
        ("MSH", 11, "T"),
        ("MSH", 12, "7"),
        ("MSH", 18, "KLINGON"),
        ("EVN", 2, "20260301080000"),
        ("EVN", 6, "20260301070000"),
    ):
        assert (segment, field) in ENVELOPE
        assert read((segment, field, value)) != usual, (segment, field)
    assert read(("MSH", 7, "20250101"), ("EVN", 2, "")) != read(("EVN", 2, ""))
    assert read(("MSH", 8, "x")) == usual
    assert ("MSH", 8) not in ENVELOPE


def test_who_reads_a_place_is_known_without_a_message(pack: Pack) -> None:
    """SCH-11.4 is the start, used; SCH-9 is the duration, unused; nothing reads of a type that is not mapped."""
    lineage = Lineage(pack, "SIU^S12", USED)
    assert lineage.readers("SCH", 11, 4) == {"appointment.start": True}
    assert lineage.readers("SCH", 11, 7) == {}
    assert lineage.readers("SCH", 9) == {"appointment.duration": False}
    assert lineage.readers("CON", 11) == {"consents": True}
    assert "appointment.location" in lineage.readers("AIL")
    assert Lineage(pack, "SIU^S23", USED).asks == asks(pack, "ZZZ^Z01", None) == ()
    assert any(one.name == "replaces" for one in asks(pack, "ADT^A50", None))
    assert any(one.name == "decide" for one in asks(pack, "ORU^R01", None))


def test_names_are_words_of_the_house() -> None:
    """What an analyst calls it."""
    assert spoken("person.birth_date") == "patient.birth_date"
    assert spoken("visit_flags.confidential-visit") == "hold confidential-visit"
    assert spoken("appointment.start") == "appointment.start"
    assert spoken("identifiers") == "patient.identifiers"
    assert spoken("consents") == "consents"


def test_a_row_does_not_show_its_value_by_accident(shown) -> None:
    """Law 4."""
    assert "Muster" not in repr(shown(*BOOKED).rows)
