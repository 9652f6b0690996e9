"""Values made fast are as frozen, comparable and copyable as any dataclass."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, field, fields, replace

import pytest

from gateway.model.event import Person, Told
from gateway.model.frozen import value
from gateway.model.party import Demographics


@value
class Visit:
    """A made-up value with every kind of default."""

    number: int
    ward: str = "4W"
    notes: list[str] = field(default_factory=list, repr=False)


@value
class Stay(Visit):
    """What adds to a value: first all that the other has."""

    nights: int
    room: str = "12"


@pytest.mark.parametrize("visit", [Visit(number=1), Stay(number=1, nights=2)], ids=["visit", "stay"])
def test_a_visit_once_made_cannot_be_changed(visit: Visit) -> None:
    """Nobody changes a fact behind another's back."""
    with pytest.raises(FrozenInstanceError):
        visit.ward = "5E"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del visit.number
    with pytest.raises((AttributeError, TypeError)):
        visit.other = 1  # type: ignore[attr-defined]


def test_a_visit_takes_its_defaults_and_shares_no_list() -> None:
    """A default made by a factory is made anew each time, unless it is given."""
    one, two = Visit(number=1), Visit(number=1)
    assert (one.ward, one.notes) == ("4W", [])
    assert one.notes is not two.notes
    given = ["fall"]
    assert Visit(number=1, ward="5E", notes=given).notes is given


def test_a_visit_is_made_by_names_and_by_all_it_needs() -> None:
    """What is missing, unknown or only placed is refused, as by any function."""
    for wrong in (Visit, lambda: Visit(1), lambda: Visit(number=1, bed=2)):  # type: ignore[call-arg,misc]
        with pytest.raises(TypeError):
            wrong()


def test_equal_visits_are_equal_and_are_still_visits() -> None:
    """Comparison, repr, replace, copies and pickles see a plain frozen dataclass."""
    visit = Visit(number=1)
    assert visit == Visit(number=1) != Visit(number=2)
    assert type(visit) is Visit
    assert repr(visit) == "Visit(number=1, ward='4W')"
    assert [one.name for one in fields(visit)] == ["number", "ward", "notes"]  # type: ignore[arg-type]
    assert replace(visit, ward="5E").ward == "5E"  # type: ignore[type-var]
    for copied in (copy.copy(visit), copy.deepcopy(visit), pickle.loads(pickle.dumps(visit))):
        assert copied == visit
        assert type(copied) is Visit


def test_a_stay_has_all_that_a_visit_has() -> None:
    """A value that is based on another is made, compared and copied as a whole."""
    stay = Stay(number=1, nights=2)
    assert [one.name for one in fields(stay)] == ["number", "ward", "notes", "nights", "room"]  # type: ignore[arg-type]
    assert (stay.number, stay.ward, stay.notes, stay.nights, stay.room) == (1, "4W", [], 2, "12")
    assert stay == Stay(number=1, nights=2) != Stay(number=2, nights=2)
    assert stay != Visit(number=1)
    assert isinstance(stay, Visit)
    for copied in (copy.copy(stay), replace(stay), pickle.loads(pickle.dumps(stay))):  # type: ignore[type-var]
        assert copied == stay
        assert type(copied) is Stay


def test_a_person_goes_to_another_process_with_what_was_read() -> None:
    """What reads them cannot go: it is read before."""
    person = Person(b"key", b"flags", lambda: Told(Demographics(), {}), passing=True)
    there = pickle.loads(pickle.dumps(person))
    assert (there.key, there.flags_key, there.passing, there.told) == (b"key", b"flags", True, person.told)
