"""Two processes and a person at one extract: whoever is late finds that it went on, and undoes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from extract_site import Audience, members, row

from gateway.model.errors import Conflict, GuardError, StoreUnavailable
from gateway.pipeline.extracting import extracts, moving
from gateway.ports import ExtractMode, ExtractState, SetClock
from gateway.store import tables
from gateway.store.engine import Store


@pytest.fixture
def audience(store: Store, tmp_path: Path) -> Audience:
    """An audience whose first extract was empty, of six patients."""
    made = Audience(store, tmp_path / "rules")
    made.knows("A", "B", "C", "D", "E", "F")
    made.pulls({})
    return made


def state(audience: Audience) -> str:
    """Where its newest extract stands."""
    with audience.store.read() as unit:
        return extracts.latest(unit, audience.entry.id, 1)[0].state


def taken(audience: Audience) -> ExtractState:
    """A snapshot with one row, not finished."""
    begun = audience.book.begin(ExtractMode.SNAPSHOT)
    return audience.book.take(begun, [row("A|a", {"mrn": "A", "status": "in"})], "1")


def given_up(audience: Audience, extract: ExtractState) -> None:
    """By a person, whom no process asked."""
    with audience.store.begin("test") as uow:
        going = extracts.of_id(uow, extract.id)
        assert going is not None
        moving.give_up(uow, audience.entry, going, "by a person", "ticket 12")
        uow.commit()


def test_what_a_person_gave_up_is_not_finished_by_who_had_it_in_hand(
    audience: Audience, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SN-11: the last step of an extract, like every other, is taken only from where its caller believes it to be."""
    extract = taken(audience)

    def meanwhile(found: ExtractState) -> ExtractState:
        given_up(audience, found)
        return found

    monkeypatch.setattr(audience.book, "_leave", meanwhile)
    with pytest.raises(StoreUnavailable):
        audience.book.finish(extract)
    assert state(audience) == "given-up"


def test_what_a_person_gave_up_is_not_stopped_by_a_guard_that_was_late(
    audience: Audience, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SN-03: it would wait for a person beside the next one, and there is one of a source at most."""
    extract = taken(audience)

    def meanwhile(*_: object) -> None:
        given_up(audience, extract)
        raise GuardError("shrunk", "too few")

    monkeypatch.setattr(audience.book, "_whole", meanwhile)
    with pytest.raises(Conflict):
        audience.book.finish(extract)
    assert state(audience) == "given-up"


def test_of_two_people_one_answers_a_guard(audience: Audience) -> None:
    """SN-03: who gives up what another believes a moment before hears that it went on."""
    extract = taken(audience)
    with audience.store.begin("test") as uow:
        going = extracts.of_id(uow, extract.id)
        assert going is not None
        moving.stop(uow, audience.entry, going, "shrunk")
        uow.commit()
    with audience.store.read() as unit:
        seen = extracts.of_id(unit, extract.id)
    assert seen is not None
    with audience.store.begin("test") as uow:
        moving.believe(uow, audience.entry, seen, why="ticket 12")
        uow.commit()
    with audience.store.begin("test") as uow, pytest.raises(Conflict):
        moving.give_up(uow, audience.entry, seen, "by a person", "ticket 13")
    assert state(audience) == "open"


def test_what_a_row_ended_is_counted_though_the_first_try_met_another(
    audience: Audience, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SN-03: what is undone and tried again tells the guards the same."""
    audience.pulls(members("A", "B"))
    move, tries = moving.move, []

    def once_late(*told: object) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise Conflict("another was quicker")
        move(*told)  # type: ignore[arg-type]

    begun = audience.book.begin(ExtractMode.CHANGES)
    monkeypatch.setattr(moving, "move", once_late)
    after = audience.book.take(begun, [row("A|a", {"mrn": "A", "status": "left"})], "1")
    assert (len(tries), after.counts["ended"]) == (2, 1)


def test_who_is_missing_leaves_though_another_machines_clock_was_ahead(audience: Audience, clock: SetClock) -> None:
    """SN-03: an extract's number tells its time; rows that were seen under a higher one are missing all the same."""
    audience.pulls(members("A", "B"))
    with audience.store.begin("test") as uow:
        keys = [key for (key,) in uow.lookup(tables.table_row, ("key",), "source", [audience.entry.id])]
        uow.update(tables.table_row, ("key",), ("extract",), [(1 << 62, key) for key in keys])
        uow.audit([("test",)])
        uow.commit()
    clock.set(clock.now() + 3_600_000)
    assert audience.pulls(members("A")).counts["left"] == 1
