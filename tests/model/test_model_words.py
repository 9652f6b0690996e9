"""The words of the field: what they compute themselves, and what their texts must never show."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.audit import Action
from gateway.model.consent import ANY, Consent
from gateway.model.errors import CaregateError, ConfigError, Erased, KeyringError, Unreadable
from gateway.model.event import AckCode, EventKind, Fault, Occurrence, OccurrenceKind, Place, RawMessage
from gateway.model.event import Format as MessageFormat
from gateway.model.facts import VOCABULARY
from gateway.model.party import ContactPoint, ContactSystem, Demographics, Identifier
from gateway.model.request import Priority
from gateway.model.verdict import Reason
from gateway.model.when import DAY, Precision, When, age_at, to_datetime, to_millis, zone_of


def test_a_time_keeps_what_was_told_of_it() -> None:
    """T-01: instant, zone and precision stay together, also when packed."""
    told = When(1_772_000_000_000, "America/Chicago", Precision.MINUTE)
    assert When.unpack(told.pack()) == told
    assert told.local().tzinfo is zone_of("America/Chicago")
    with pytest.raises(ValueError):
        When.unpack("yesterday")


@pytest.mark.parametrize(("precision", "clock"), [(p, p in (Precision.MINUTE, Precision.SECOND)) for p in Precision])
def test_a_day_has_no_clock(precision: Precision, clock: bool) -> None:
    """T-07: what has no time of day shows none."""
    assert When(0, "UTC", precision).has_clock is clock


def test_zones_are_names_or_offsets() -> None:
    """What a message calls -0500 is -05:00 here; anything else is refused."""
    assert zone_of("-05:30") == timezone(-timedelta(hours=5, minutes=30))
    assert zone_of("+02") == timezone(timedelta(hours=2))
    for wrong in ("Mars/Olympus", "../etc/passwd", "America", ""):
        with pytest.raises(ValueError, match="no such time zone"):
            zone_of(wrong)


def test_an_instant_needs_a_zone() -> None:
    """A naive time is a programming error, not Greenwich."""
    with pytest.raises(ValueError, match="without a zone"):
        to_millis(datetime(2026, 1, 1))


@given(st.integers(0, 4_000_000_000_000), st.sampled_from(["UTC", "America/New_York", "-03:30"]))
def test_an_instant_survives_being_shown(millis: int, zone: str) -> None:
    """Millis to local time and back is the same instant, to the millisecond."""
    assert to_millis(to_datetime(millis, zone)) == millis


@pytest.mark.parametrize(
    ("birth", "today", "age"),
    [
        (date(2008, 3, 15), datetime(2026, 3, 14, 23, tzinfo=UTC), 17),
        (date(2008, 3, 15), datetime(2026, 3, 15, tzinfo=UTC), 18),
        (date(2008, 2, 29), datetime(2026, 2, 28, tzinfo=UTC), 17),
        (date(2008, 2, 29), datetime(2026, 3, 1, tzinfo=UTC), 18),
    ],
)
def test_age_is_counted_in_birthdays(birth: date, today: datetime, age: int) -> None:
    """PI-14: the later, stricter day for those born on 29 February."""
    assert age_at(birth, to_millis(today)) == age


def test_age_changes_at_midnight_of_the_zone() -> None:
    """In Chicago the birthday has not begun when it has in Greenwich."""
    now = to_millis(datetime(2026, 3, 15, 3, tzinfo=UTC))
    assert age_at(date(2008, 3, 15), now, "UTC") == 18
    assert age_at(date(2008, 3, 15), now, "America/Chicago") == 17


def test_an_update_leaves_the_status_as_it_was() -> None:
    """AD-07, SI-03: A08 and S14 change facts only; so do transfers, other numbers of a visit and changed orders."""
    assert {kind for kind in EventKind if kind.is_update} == {
        EventKind.APPOINTMENT_MODIFIED,
        EventKind.ENCOUNTER_UPDATED,
        EventKind.ENCOUNTER_TRANSFERRED,
        EventKind.ENCOUNTER_TRANSFER_CANCELLED,
        EventKind.ENCOUNTER_CLASS_CHANGED,
        EventKind.ENCOUNTER_MERGED,
        EventKind.ENCOUNTER_RENUMBERED,
        EventKind.ENCOUNTER_MOVED,
        EventKind.PRESCRIPTION_CHANGED,
    }


def test_a_place_is_written_as_the_standard_writes_it() -> None:
    """ERL, chapter 2A: components not told are empty, and none trail."""
    assert str(Place("PID", 1, 3, 2, 4)) == "PID^1^3^2^4"
    assert str(Place("PID", None, 5)) == "PID^^5"
    assert str(Place("MSH")) == "MSH"


def test_the_most_urgent_lane_comes_first() -> None:
    """Clinical before marketing."""
    assert sorted(Priority, key=lambda one: one.lane) == [Priority.CLINICAL, Priority.ROUTINE, Priority.MARKETING]


def test_errors_carry_what_is_needed_and_are_one_tree() -> None:
    """A caller that catches CaregateError catches them all."""
    fault = Fault(code=101, rule="MSH-10 is empty", place=Place("MSH", 1, 10))
    unreadable = Unreadable(fault, AckCode.AE)
    assert (str(unreadable), unreadable.fault, unreadable.ack) == ("MSH-10 is empty", fault, AckCode.AE)
    several = ConfigError("a:1:1: x", "b:2:2: y")
    assert (str(several), several.problems) == ("a:1:1: x\nb:2:2: y", ("a:1:1: x", "b:2:2: y"))
    assert issubclass(Erased, KeyringError)
    assert isinstance(several, CaregateError)


def test_nothing_about_a_person_shows_in_a_repr() -> None:
    """An address, a name or an identifier in a traceback would be PHI in a log (law 4)."""
    shown = repr(
        [
            Identifier("LAKESIDE", "MR", "CANARY"),
            ContactPoint(system=ContactSystem.EMAIL, value="CANARY"),
            Demographics(given_name="CANARY", family_name="CANARY", birth_date="CANARY", postal_code="CANARY"),
            Occurrence(kind=OccurrenceKind.APPOINTMENT, key="CANARY", status="booked"),
            RawMessage(source="main", format=MessageFormat.HL7V2, body=b"CANARY", received=0),
        ]
    )
    assert "CANARY" not in shown


def test_a_ledger_entry_covers_its_period_and_scope_only() -> None:
    """The end is exclusive; ANY does not narrow."""
    one = Consent(
        id=1,
        patient=1,
        address=None,
        purpose="TREAT",
        channel=ANY,
        topic=ANY,
        permit=True,
        valid_from=DAY,
        valid_until=2 * DAY,
        evidence="form",
        recorded=0,
    )
    asked = {"purpose": "TREAT", "channel": "email", "topic": "x"}
    assert [one.covers(**asked, now=now) for now in (DAY - 1, DAY, 2 * DAY - 1, 2 * DAY)] == [False, True, True, False]
    assert not one.covers(purpose="HPAYMT", channel="email", topic="x", now=DAY)


def test_closed_lists_are_in_one_style_and_without_repetition() -> None:
    """Actions are dotted past tense, reasons kebab-case; neither is renamed once shipped."""
    assert all(action.value.count(".") == 1 and action.value.islower() for action in Action)
    assert all(reason.value.replace("-", "").isalpha() and reason.value.islower() for reason in Reason)
    assert all(name == fact.name and fact.citation and fact.meaning for name, fact in VOCABULARY.items())


def test_people_who_differ_have_different_keys_and_a_repr_that_tells_nothing() -> None:
    """X-06, law 4: equal keys mean equal readings, so hidden fields must be in the key; and never in a repr."""
    from gateway.model.event import Person
    from gateway.model.party import Demographics
    from gateway.model.verdict import Reason

    ann, ben = (Person.of(Demographics(given_name=name)) for name in ("Ann", "Ben"))
    assert ann.key != ben.key
    assert ann.key == Person.of(Demographics(given_name="Ann")).key
    assert (ann.told.demographics.given_name, ann.faults, repr(ann)) == ("Ann", (), "Person(…)")
    flagged = Person.of(Demographics(), {Reason.IDENTITY_DOUBTFUL: True})
    assert (ann.flags_key, bool(flagged.flags_key)) == (b"", True)
