"""What a FHIR source must still read is on disk before anybody is answered, is read by one, and is never lost between two."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from gateway.model.errors import StoreError
from gateway.model.when import DAY, MINUTE
from gateway.pipeline.fetching import FetchList, end, want
from gateway.pipeline.noting import NoteBook
from gateway.pipeline.site import SourceEntry
from gateway.ports import BASELINE, NOTIFIED, SetClock
from gateway.store import datakeys, tables
from gateway.store.engine import Store
from gateway.store.rotate import rotate

_EHR = SourceEntry(id=7, name="ehr", zone="UTC", organization="lakeside", base="https://ehr.example.org/r4")


@pytest.fixture
def fetches(store: Store) -> FetchList:
    """What the source must still read."""
    return FetchList(store, _EHR)


def _references(fetches: FetchList) -> list[str]:
    return [one.reference for one in fetches.take(10, MINUTE)]


def test_what_is_told_twice_is_read_once(fetches: FetchList) -> None:
    """A repeated id-only notification wants nothing more (S-02)."""
    fetches.want([("Appointment/1", "3"), ("Appointment/1", "3")], "notified")
    fetches.want([("Appointment/1", "3")], "notified")
    found = fetches.take(10, MINUTE)
    assert [(one.reference, one.version, one.why, one.tries) for one in found] == [
        ("Appointment/1", "3", "notified", 0)
    ]


def test_what_one_holds_no_other_gets_until_the_lease_is_over(fetches: FetchList, clock: SetClock) -> None:
    """Two processes fetch from one list; whoever is late ends nothing."""
    fetches.want([("Appointment/1", None)], "notified")
    (late,) = fetches.take(10, MINUTE)
    assert _references(fetches) == []
    clock.set(clock.now() + MINUTE)
    (now,) = fetches.take(10, MINUTE)
    fetches.done(late, "received")
    fetches.later(now, clock.now() + MINUTE)
    assert _references(fetches) == []
    clock.set(clock.now() + MINUTE)
    (again,) = fetches.take(10, MINUTE)
    assert again.tries == 1
    fetches.done(again, "received")
    clock.set(clock.now() + DAY)
    assert _references(fetches) == []


def test_a_change_told_while_it_is_being_read_is_read_again(fetches: FetchList) -> None:
    """Whoever holds it may have read the version before: that does not end the new wish."""
    fetches.want([("Appointment/1", "1")], "notified")
    (reading,) = fetches.take(10, MINUTE)
    fetches.want([("Appointment/1", "2")], "notified")
    fetches.done(reading, "received")
    assert _references(fetches) == ["Appointment/1"]


@pytest.mark.parametrize("held", [False, True])
def test_a_change_of_what_was_there_before_plans_what_it_asks_for(fetches: FetchList, *, held: bool) -> None:
    """The first load still has to read it when its server tells of a change: that it was there before us counts no more (K-16)."""
    fetches.want([("Appointment/1", None)], BASELINE)
    if held:
        fetches.take(10, MINUTE)
    fetches.want([("Appointment/1", "2")], NOTIFIED)
    fetches.want([("Appointment/1", None)], BASELINE)
    assert [(one.reference, one.why) for one in fetches.take(10, MINUTE)] == [("Appointment/1", NOTIFIED)]


def test_a_change_told_in_the_moment_its_reading_ends_is_read_again(store: Store, fetches: FetchList) -> None:
    """Two processes: what was read before the change was told ends, and the new wish is not laid on what has ended."""
    fetches.want([("Appointment/1", "1")], "notified")
    (reading,) = fetches.take(10, MINUTE)
    with ThreadPoolExecutor(1) as other:
        with store.begin("test") as uow:
            end(uow, reading.id, "received")
            told = other.submit(fetches.want, [("Appointment/1", "2")], "notified")
            with suppress(TimeoutError):
                told.result(0.5)  # it waits for the end, which it cannot see yet
            uow.commit()
        told.result(10)
    assert _references(fetches) == ["Appointment/1"]


def test_a_resource_waits_for_its_patient_whatever_becomes_of_them(store: Store, fetches: FetchList) -> None:
    """The patient goes first (law 1); a patient who cannot be read is no reason to wait for ever."""
    with store.begin("test") as uow:
        patient = want(uow, _EHR, ("Patient/1", None), "patient-unknown")
        want(uow, _EHR, ("Appointment/1", None), "patient-unknown", after=patient)
        uow.commit()
    (first,) = fetches.take(10, MINUTE)
    assert first.reference == "Patient/1"
    fetches.done(first, "gone")
    assert _references(fetches) == ["Appointment/1"]


def test_an_end_nobody_knows_is_refused(fetches: FetchList) -> None:
    """A fate is one of four."""
    fetches.want([("Appointment/1", None)], "notified")
    (one,) = fetches.take(10, MINUTE)
    with pytest.raises(StoreError):
        fetches.done(one, "lost")


def test_new_keys_change_nothing(store: Store, fetches: FetchList) -> None:
    """An open wish stays one, and is read, after the index key was rotated."""
    fetches.want([("Appointment/1", None)], "notified")
    rotate(store, index=True)
    fetches.want([("Appointment/1", None)], "notified")
    assert _references(fetches) == ["Appointment/1"]


@pytest.mark.parametrize("days", [40, 70])
def test_what_waited_longer_than_its_key_lives_is_ended_as_unreadable(
    store: Store, fetches: FetchList, clock: SetClock, days: int
) -> None:
    """The reference is sealed under the key of its feed's day; when that is destroyed nothing is left to ask for."""
    fetches.want([("Appointment/1", None)], "notified")
    clock.set(clock.now() + days * DAY)
    datakeys.purge(store, clock.now(), 30 * DAY)
    assert _references(fetches) == []
    with store.read() as unit:
        assert unit.lookup(tables.fetch, ("state",), "source", [7]) == [("unreadable",)]


def test_notes_outlive_the_process_and_are_of_one_source(open_store: Callable[..., Store]) -> None:
    """Watermarks and subscriptions; the same name at another source is another note."""
    store = open_store()
    notes = NoteBook(store, _EHR)
    notes.put("watermark", "2026-03-02T09:00:00Z")
    notes.put("watermark", "2026-03-02T10:00:00Z")
    assert NoteBook(store, _EHR).get("watermark") == "2026-03-02T10:00:00Z"
    assert NoteBook(store, _EHR).noted() == ["watermark"]
    assert NoteBook(store, SourceEntry(id=8, name="lab", zone="UTC", organization="lakeside")).get("watermark") is None


def test_of_two_processes_one_polls(store: Store, clock: SetClock) -> None:
    """The holder renews; when it lets go, or is late, the other takes over."""
    one, other = NoteBook(store, _EHR), NoteBook(store, _EHR)
    assert one.hold("poll", clock.now() + MINUTE)
    assert one.hold("poll", clock.now() + MINUTE)
    assert not other.hold("poll", clock.now() + MINUTE)
    clock.set(clock.now() + 2 * MINUTE)
    assert other.hold("poll", clock.now() + MINUTE)
    assert not one.hold("poll", clock.now() + MINUTE)
    assert other.hold("poll", clock.now())
    assert one.hold("poll", clock.now() + MINUTE)
