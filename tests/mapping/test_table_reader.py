"""What a row of a table tells: one event of one known person, or a fault that names a column and never a value."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import rowjson
from gateway.mapping.feed import Feed
from gateway.mapping.pack import Pack, load_pack
from gateway.mapping.tables.family import shape_of
from gateway.mapping.tables.reader import TableReader
from gateway.mapping.tables.unknown import unknown
from gateway.model.errors import ConfigError
from gateway.model.event import AckCode, EventKind, Format, OccurrenceKind, RawMessage, Reading
from gateway.model.facts import ROW_KEY, UNMAPPED
from gateway.model.party import ContactSystem
from gateway.model.when import DAY, Precision, When
from gateway.packs import shipped
from gateway.rowjson import Cell

RECEIVED = 1_772_463_600_000  # 2026-03-02T15:00Z
MEMBER: dict[str, Cell] = {"patient_id": "1234", "audience": "wellness", "updated_at": "2026-03-02T07:00:00"}

Read = Callable[..., Reading]


@pytest.fixture(scope="module")
def pack() -> Pack:
    """The shipped mappings."""
    return load_pack([shipped("mappings")])


def feed(mapping: str, **more: Any) -> Feed:
    """A source of rows in Chicago."""
    return Feed(name="warehouse", zone="America/Chicago", default_authority="LAKESIDE", mapping=mapping, **more)


def raw(body: bytes, received: int = RECEIVED) -> RawMessage:
    """A row as it is received."""
    return RawMessage(source="warehouse", format=Format.TABLE, body=body, received=received)


@pytest.fixture(scope="module")
def read(pack: Pack) -> Read:
    """Read a row of a shipped mapping, by default of who is in which audience."""

    def reading(
        row: dict[str, Cell] | bytes, mapping: str = "audience-members", facts: Any = None, **more: Any
    ) -> Reading:
        body = row if isinstance(row, bytes) else rowjson.told("k1", row)
        return TableReader(pack, feed(mapping, **more), facts=facts)(raw(body))

    return reading


def test_a_row_makes_no_patient(read: Read) -> None:
    """SN-05: whoever it names is known already, or it is about nobody."""
    event = read(MEMBER).events[0]
    assert event.existing
    assert not event.by_reference
    assert event.occurrence is not None
    assert event.occurrence.kind is OccurrenceKind.GROUP


def test_only_wanted_facts_are_read_but_the_key_of_the_row_always_is(read: Read) -> None:
    """Law 5; SN-39: by the row's own key its end and what came of it are told."""
    row = {**MEMBER, "audience": "nobody_knows", "segment": None, "entered_at": "2026-02-01T08:30:00"}
    event = read(row, facts=frozenset({"audience.segment"})).events[0]
    assert dict(event.facts) == {ROW_KEY: "k1"}
    assert event.cleared == {"audience.segment"}
    whole = read(row).events[0]
    assert whole.facts["audience.name"] == UNMAPPED
    assert whole.facts["audience.status"] == "active"
    assert whole.occurrence is not None
    assert whole.occurrence.start == whole.facts["audience.entered"]


def test_times_without_an_offset_are_in_the_declared_zone_and_days_where_the_source_is(read: Read) -> None:
    """SN-13: three clocks, one instant; a day has no zone of its own."""
    told = {"ht_row_id": "r", "primary_key": "1", "audience_id": "hearing", "type": "enter", "split": None}
    stamps = ("2026-03-02T15:00:00", "2026-03-02T15:00:00Z", "2026-03-02T09:00:00-06:00")
    events = [read({**told, "timestamp": stamp}, "hightouch-audience").events[0] for stamp in stamps]
    assert {event.facts["audience.entered"] for event in events} == {
        When(RECEIVED, "America/Chicago", Precision.SECOND)
    }
    offer: dict[str, Cell] = {"offer_id": "O", "patient_id": "1", "product": "CGM-7", "campaign": "SPRING"}
    day = read({**offer, "starts_on": "2026-03-02", "ends_on": None}, "product-offers").events[0]
    midnight = When(RECEIVED - 9 * 3_600_000, "America/Chicago", Precision.DAY)
    assert day.facts["offer.starts"] == midnight
    whole = read({**told, "timestamp": "2026-03-02"}, "hightouch-audience").events[0]
    assert whole.facts["audience.entered"] == midnight


@pytest.mark.parametrize(
    ("at", "recorded", "warned"),
    [
        ("2026-03-01T07:00:00", RECEIVED - 26 * 3_600_000, []),
        (None, RECEIVED, []),
        ("soon", RECEIVED, ["updated_at"]),
        (7, RECEIVED, ["updated_at"]),
        ("2999-12-31T23:59:59", RECEIVED, ["updated_at"]),
    ],
)
def test_a_row_without_a_time_that_can_be_is_as_new_as_its_reading(
    read: Read, at: Cell, recorded: int, warned: list[str]
) -> None:
    """SN-12: a stamp of the year 2999 would win over every later one."""
    reading = read({**MEMBER, "updated_at": at})
    assert reading.events[0].recorded == recorded
    assert reading.events[0].occurred == recorded
    assert [str(fault.place) for fault in reading.faults] == warned


def test_who_is_missing_has_left_and_when_it_was_noticed(read: Read) -> None:
    """SN-03: of a row that is gone only the key is told; whose it was its occurrence knows."""
    event = read(rowjson.gone("k1")).events[0]
    assert (event.kind, event.identifiers, event.recorded) == (EventKind.AUDIENCE_LEFT, (), RECEIVED)
    assert event.occurrence is not None
    assert event.occurrence.key == "audience-members|k1"
    assert event.occurrence.end == When(RECEIVED, "America/Chicago", Precision.SECOND)
    assert dict(event.facts) == {ROW_KEY: "k1", "audience.status": "inactive"}
    assert event.cleared == frozenset()


def test_a_deleted_row_ends_what_it_told_whatever_its_event_is(read: Read) -> None:
    """A mark of deletion goes before the word of the event, and its own facts are still read."""
    row: dict[str, Cell] = {"offer_id": "O", "patient_id": "1", "product": "CGM-7", "is_deleted": True}
    event = read(row, "product-offers").events[0]
    assert event.kind is EventKind.OFFER_WITHDRAWN
    assert event.facts["offer.status"] == "cancelled"
    assert event.facts["offer.product"] == "glucose-sensor"


def test_what_is_no_event_is_ignored_for_a_reason(read: Read) -> None:
    """A word that means nothing to us, and a contact that is no longer told, change nothing."""
    still: dict[str, Cell] = {"ht_row_id": "r", "primary_key": "1", "type": "still_in"}
    assert read(still, "hightouch-audience").ignored == "the row tells no event of ours"
    assert read(rowjson.gone("C1"), "contacts").ignored == "a contact that is no longer told stays as it is"


@pytest.mark.parametrize(
    ("number", "warned"),
    [
        (None, []),
        ("alma@example.org", ["patient_id"]),
        ("+1 312 555 0142", ["patient_id"]),
        ("9" * 201, ["patient_id"]),
    ],
)
def test_addresses_identify_nobody(read: Read, number: Cell, warned: list[str]) -> None:
    """SN-05: people share addresses; the row is refused, and its fault has no value in it."""
    reading = read({**MEMBER, "patient_id": number})
    assert (reading.events, reading.ack) == ((), AckCode.AE)
    assert [str(fault.place) for fault in reading.faults] == [*warned, "patient_id"]
    assert number is None or str(number) not in repr(reading)


def test_whole_numbers_and_other_authorities_name_people_too(tmp_path: Path) -> None:
    """Every number that is told must name the same person; the mapping says whose it is."""
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "two.yaml").write_text(
        "mapping: two\ncolumns: {id: integer, plan: integer, mail: text}\nkey: [id]\nevent: patient.updated\n"
        "identity: [{column: id, authority: CRM}, {column: plan, type: MB}]\ncontact: {email: mail}\n"
        "gone: {column: mail, values: [none@example.org]}\n",
        "utf-8",
    )
    pack = load_pack([shipped("mappings"), tmp_path])
    reader = TableReader(pack, feed("two"))
    event = reader(raw(rowjson.told("7", {"id": 7, "plan": 2**60, "mail": None}))).events[0]
    assert [(one.system, one.type, one.value) for one in event.identifiers] == [
        ("CRM", "", "7"),
        ("LAKESIDE", "MB", str(2**60)),
    ]
    assert event.occurrence is None
    assert event.person.key == b""
    assert shape_of(pack.rows["two"]).gone == ("mail", frozenset({"none@example.org"}))
    gone = reader(raw(rowjson.told("7", {"id": 7, "plan": None, "mail": "None@example.org"})))
    assert gone.ignored == "a contact that is no longer told stays as it is"


def test_a_contact_is_added_under_the_name_of_its_column(read: Read) -> None:
    """N-03: what the record tells stays, for it came from another field; what is no address is never written to."""
    person = read({**MEMBER, "email": "no address", "mobile": "312-555-0143", "phone": None}).events[0].person
    told = {field: points[0] for field, points in person.told.demographics.telecom if isinstance(points, tuple)}
    assert told["audience-members.email"].system is ContactSystem.OTHER
    assert told["audience-members.mobile"].value == "+13125550143"
    assert set(told) == {"audience-members.email", "audience-members.mobile"}
    assert person.key != read({**MEMBER, "mobile": "312-555-0143"}).events[0].person.key


def test_a_row_told_twice_is_one_and_told_again_later_is_news(pack: Pack) -> None:
    """Somebody who left and is back, as they were before, has entered again."""
    reader = TableReader(pack, feed("audience-members"))
    once, twice = (reader(raw(rowjson.told("k1", MEMBER))) for _ in range(2))
    later = reader(raw(rowjson.told("k1", MEMBER), RECEIVED + DAY))
    assert (once.control_key, once.body_key) == (twice.control_key, twice.body_key)
    assert once.control_key == later.control_key
    assert once.body_key != later.body_key


def test_a_known_test_patient_is_not_production(read: Read) -> None:
    """X-05."""
    assert read(MEMBER).events[0].production
    assert not read(MEMBER, test_identifiers=frozenset({"LAKESIDE|1234"})).events[0].production
    assert not read(MEMBER, test_identifiers=frozenset({"1234"})).events[0].production


def test_a_source_whose_mapping_is_nowhere_does_not_start(pack: Pack) -> None:
    """The names of the mappings there are help."""
    with pytest.raises(ConfigError, match="did you mean `product-offers`"):
        TableReader(pack, feed("product-offer"))


def test_another_mapping_or_fact_means_something_else_by_the_same_row(pack: Pack) -> None:
    """What `caregate tables status` compares; the name of a source, or a fact of other mappings, is no difference."""

    def meaning(facts: frozenset[str] | None = None, **more: Any) -> str:
        return TableReader(pack, replace(feed("audience-members"), **more), facts=facts).meaning

    assert meaning() == meaning()
    assert meaning() != meaning(default_authority="RIVER")
    assert meaning(frozenset()) != meaning(frozenset({"audience.name"})) != meaning()
    assert meaning(frozenset()) == meaning(frozenset({"appointment.start"}))


def test_the_codes_that_no_table_knows_are_told_to_whoever_asks(pack: Pack) -> None:
    """`caregate codes`: fact, column and code; of what cannot be read or is not wanted, nothing."""
    wanted = frozenset({"audience.name"})
    row = {**MEMBER, "audience": "new_one", "segment": "other", "entered_at": None}
    here = feed("audience-members")
    assert list(unknown(pack, here, rowjson.told("k", row), wanted)) == [("audience.name", "audience", "new_one")]
    assert list(unknown(pack, here, rowjson.told("k", MEMBER), wanted)) == []
    assert list(unknown(pack, here, rowjson.told("k", {**MEMBER, "audience": None}), wanted)) == []
    assert list(unknown(pack, here, b"{", wanted)) == []
    assert list(unknown(pack, here, rowjson.gone("k"), wanted)) == []
    assert pack.rows["audience-members"].facts["audience.name"].every_path == ("audience",)
    assert list(unknown(pack, feed("nothing"), rowjson.told("k", row), wanted)) == []


_CELLS = st.none() | st.booleans() | st.integers() | st.text(max_size=300)


@given(data=st.data(), mapping=st.sampled_from(["audience-members", "segment-audience", "product-offers", "contacts"]))
def test_no_row_is_a_reason_to_raise(pack: Pack, data: st.DataObject, mapping: str) -> None:
    """Whatever a cell holds, the row is read, ignored or refused, and its fault says none of it."""
    names = sorted(pack.rows[mapping].columns)
    row = data.draw(st.dictionaries(st.sampled_from(names), _CELLS))
    reading = TableReader(pack, feed(mapping))(raw(json.dumps({"key": "k", "row": row}).encode()))
    assert bool(reading.events) + (reading.ignored is not None) + (reading.ack is not AckCode.AA) == 1
    assert all(str(fault.place) in names for fault in reading.faults)
    assert all(event.person.told.faults == () for event in reading.events)


@given(body=st.binary(max_size=200))
def test_no_bytes_are_a_reason_to_raise(pack: Pack, body: bytes) -> None:
    """What is no row is refused."""
    reading = TableReader(pack, feed("audience-members"))(raw(body))
    assert reading.ack is AckCode.AE or reading.events
