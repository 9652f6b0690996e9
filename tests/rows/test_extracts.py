"""An extract of a table: what each row comes to, once, whatever is told again, and nobody made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from extract_site import Audience, members, read, row, summed

from gateway.model.errors import StoreUnavailable
from gateway.model.event import RawMessage, Reading
from gateway.pipeline.extracting import RowBook, extracts
from gateway.ports import ExtractMode, SetClock
from gateway.store.engine import Store
from gateway.store.rotate import rotate

HOUR = 3_600_000


@pytest.fixture
def audience(store: Store, tmp_path: Path) -> Audience:
    """An audience whose first extract was empty, of six patients."""
    made = Audience(store, tmp_path / "rules")
    made.knows("A", "B", "C", "D", "E", "F")
    made.pulls({})
    return made


def test_the_first_extract_is_the_baseline_and_plans_nothing(store: Store, tmp_path: Path) -> None:
    """SN-21: state alone, unless asked; what comes later is planned."""
    audience = Audience(store, tmp_path / "rules")
    audience.knows("A", "B", "C")
    first = audience.pulls(members("A", "B"))
    assert first.baseline
    assert (first.counts["taken"], audience.occurrences(), audience.requests()) == (2, ["active", "active"], {})
    second = audience.pulls(members("A", "B", "C"))
    assert not second.baseline
    assert (second.counts["taken"], second.counts["unchanged"], audience.requests()) == (1, 2, {"active": 1})


def test_a_first_extract_that_is_asked_to_plans(store: Store, tmp_path: Path) -> None:
    """SN-21."""
    audience = Audience(store, tmp_path / "rules")
    audience.knows("A")
    audience.pulls(members("A"), baseline=False)
    assert audience.requests() == {"active": 1}


def test_rows_that_say_nothing_new_cost_no_message(audience: Audience) -> None:
    """SN-11: key and content are compared; every row brought is counted once as what became of it."""
    audience.pulls(members("A", "B", "C", "D"))
    stored = audience.messages()
    again = audience.pulls(members("A", "B", "C", "D"))
    assert (again.counts["unchanged"], audience.messages()) == (4, stored)
    changed = audience.pulls({**members("A", "B", "C"), **members("D", note="x")})
    assert (changed.counts["unchanged"], changed.counts["taken"], audience.messages()) == (3, 1, stored + 1)
    assert summed(changed) == changed.counts["rows"] == 4
    assert audience.requests() == {"active": 4}


def test_a_row_of_somebody_unknown_is_a_stated_outcome_and_makes_no_patient(
    audience: Audience, clock: SetClock
) -> None:
    """SN-05: nobody is made or held; once they are known the next extract that brings the row takes it."""
    before = audience.patients()
    first = audience.pulls(members("A", "X"))
    assert (first.counts["no-patient"], audience.patients(), audience.requests()) == (1, before, {"active": 1})
    stored = audience.messages()
    clock.set(clock.now() + HOUR)
    assert audience.pulls(members("A", "X")).counts["no-patient"] == 1
    assert audience.messages() == stored
    audience.knows("X")
    clock.set(clock.now() + HOUR)
    taken = audience.pulls(members("A", "X"))
    assert (taken.counts["taken"], taken.counts["unchanged"]) == (1, 1)
    assert audience.requests() == {"active": 2}


def test_a_row_that_names_two_people_is_about_none_of_them(audience: Audience) -> None:
    """SN-05: several patients are an outcome, and nobody is held for it."""
    state = audience.pulls({"k": {"mrn": "A", "other": "B"}})
    assert (state.counts["several-patients"], audience.occurrences(), audience.requests()) == (1, [], {})
    with audience.store.read() as unit:
        from gateway.store import tables

        assert {hold for (hold,) in unit.lookup(tables.patient, ("hold",), "hold", [""])} == {""}
    assert audience.pulls({"k": {"mrn": "A", "other": "new"}}).counts["taken"] == 1


def test_who_is_missing_from_a_whole_table_has_left_and_may_come_back(audience: Audience, clock: SetClock) -> None:
    """SN-03: the end by key alone; the same row, back again, is no old news."""
    told = members("A", "B", at=clock.now() - HOUR)
    audience.pulls(told)
    clock.set(clock.now() + HOUR)
    left = audience.pulls(members("A", at=clock.now() - 2 * HOUR))
    assert (left.counts["left"], audience.occurrences(), audience.rows()) == (1, ["active", "inactive"], 1)
    assert audience.requests() == {"active": 1, "revoked cancelled": 1}
    clock.set(clock.now() + HOUR)
    back = audience.pulls(told)
    assert (back.counts["taken"], audience.occurrences()) == (1, ["active", "active"])


def test_what_changes_do_not_mention_stays(audience: Audience) -> None:
    """SN-10: of changes a missing row says nothing; one that its source says is gone has left."""
    changes = ExtractMode.CHANGES
    audience.pulls(members("A", "B"), mode=changes)
    state = audience.pulls({"A|a": None, "never|a": None}, mode=changes)
    assert (state.counts["gone"], state.counts["unknown"], summed(state)) == (1, 1, 2)
    assert (audience.occurrences(), audience.rows()) == (["active", "inactive"], 1)


def test_a_row_that_cannot_be_read_is_kept_apart_and_the_rest_is_taken(audience: Audience) -> None:
    """F-13: with its reason, once; a version that can be read settles it."""
    bad = {**members("A"), "bad": {"mrn": None}}
    state = audience.pulls(bad)
    assert (state.counts["unreadable"], state.counts["taken"]) == (1, 1)
    stored = audience.messages()
    assert audience.pulls(bad).counts["unreadable"] == 1
    assert audience.messages() == stored


def test_what_a_row_told_while_it_could_be_read_ends_when_it_goes(audience: Audience) -> None:
    """SN-03: a version that nobody understands takes nothing back; the row's end does."""
    audience.pulls(members("A", "B"))
    audience.pulls({**members("A"), "B|a": {"mrn": None}})
    assert audience.requests() == {"active": 2}
    assert audience.pulls(members("A")).counts["left"] == 1
    assert audience.requests() == {"active": 1, "revoked cancelled": 1}


def test_a_key_that_a_chunk_tells_twice_is_one_row_in_its_newest_version(audience: Audience) -> None:
    """SN-11: the overlap of a watermark brings rows again."""
    state = audience.book.begin(ExtractMode.CHANGES)
    told = [row("k", {"mrn": "A", "status": "left"}, at=2), row("k", {"mrn": "A"}, at=1), row("k2", {"mrn": "B"})]
    state = audience.book.finish(audience.book.take(state, told, "1"))
    assert (state.counts["repeated"], state.counts["taken"], audience.occurrences()) == (1, 2, ["active", "inactive"])


def test_a_row_that_comes_to_be_about_somebody_else_is_theirs_alone(audience: Audience) -> None:
    """What was planned for the first is withdrawn; nobody is held."""
    audience.pulls({"k": {"mrn": "A"}})
    audience.pulls({"k": {"mrn": "B"}})
    assert audience.requests() == {"active": 1, "revoked superseded": 1}
    audience.pulls({"k": {"mrn": "unknown"}})
    assert audience.requests() == {"revoked no-patient": 1, "revoked superseded": 1}


def test_a_chunk_that_was_committed_unheard_is_not_taken_again(audience: Audience) -> None:
    """The connection broke while the database was committing: told again it is answered, and nothing is done twice."""
    begun = audience.book.begin(ExtractMode.SNAPSHOT)
    chunk = [row(key, one) for key, one in members("A", "B").items()]
    first = audience.book.take(begun, chunk, "2")
    assert audience.book.take(begun, chunk, "2") == first
    with pytest.raises(StoreUnavailable):
        audience.book.take(begun, chunk, "3")
    assert audience.book.open() == first
    assert audience.book.finish(first) == audience.book.finish(first)
    assert audience.requests() == {"active": 2}


def test_a_row_that_makes_our_own_code_stumble_waits_for_a_person_and_stops_no_other(
    audience: Audience, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A-08: the others are on disk with their states, the cursor beside them; told again, nobody is taken twice."""

    def breaking(message: RawMessage) -> Reading:
        reading = read(message)
        if b'"B|a"' in message.body:  # what cannot be stored
            return replace(reading, events=(replace(reading.events[0], facts={"audience.status": object()}),))  # type: ignore[dict-item]
        return reading

    monkeypatch.setattr(audience, "read", breaking)
    begun = audience.book.begin(ExtractMode.SNAPSHOT)
    chunk = [row(key, one) for key, one in members("A", "B", "C").items()]
    state = audience.book.take(begun, chunk, "3")
    assert (state.cursor, state.counts["taken"], state.counts["unreadable"]) == ("3", 2, 1)
    assert audience.requests() == {"active": 2}
    again = audience.book.take(state, chunk, "6")
    assert (again.counts["taken"], again.counts["unreadable"], again.counts["unchanged"]) == (2, 2, 2)
    assert audience.requests() == {"active": 2}


def test_an_extract_is_given_up_and_the_next_begins_where_the_last_finished_ended(audience: Audience) -> None:
    """SN-11: the cursor of what was not finished counts for nothing."""
    assert audience.book.cursor() == ""
    begun = audience.book.begin(ExtractMode.CHANGES)
    audience.book.take(begun, [row(key, one) for key, one in members("A").items()], "7")
    audience.book.give_up(audience.book.open() or begun, "a test")
    assert (audience.book.open(), audience.book.cursor()) == (None, "")
    audience.book.begin(ExtractMode.CHANGES)
    second = audience.book.begin(ExtractMode.CHANGES)
    assert audience.book.open() == second


def test_rows_are_found_again_while_and_after_keys_are_rotated(audience: Audience) -> None:
    """PI-01: both generations are looked up."""
    told = members("A", "B")
    audience.pulls(told)
    rotate(audience.store, index=True)
    again = audience.pulls(told)
    assert (again.counts["unchanged"], audience.rows()) == (2, 2)
    rotate(audience.store, index=True)
    assert audience.pulls({**told, **members("C")}).counts == {
        "before": 2,
        "known": 2,
        "rows": 3,
        "unchanged": 2,
        "taken": 1,
        "entered": 1,
    }


def test_rows_are_found_between_two_generations(audience: Audience, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotation that has not come to the rows yet: they are known under the old key, and written there."""
    from gateway.store import rotate as rotating

    told = members("A", "B")
    audience.pulls(told)
    monkeypatch.setattr(rotating, "INDEXED", tuple(one for one in rotating.INDEXED if one.table.name != "table_row"))
    rotate(audience.store, index=True)
    state = audience.pulls({**members("A"), **members("B", note="x")})
    assert (state.counts["unchanged"], state.counts["taken"], audience.rows()) == (1, 1, 2)


@pytest.fixture
def opened(open_store: Callable[..., Store], tmp_path: Path) -> Callable[[], Audience]:
    """A process more, on the same database."""
    return lambda: Audience(open_store(), tmp_path / "rules")


def test_of_two_processes_one_moves_an_extract(opened: Callable[[], Audience]) -> None:
    """Whoever is late is told that it went on elsewhere."""
    one, two = opened(), opened()
    one.knows("A", "B")
    begun = one.book.begin(ExtractMode.SNAPSHOT)
    assert two.book.open() == begun
    two.book.take(begun, [row(key, told) for key, told in members("A").items()], "1")
    with pytest.raises(StoreUnavailable):
        one.book.take(begun, [row(key, told) for key, told in members("B").items()], "x")
    assert one.rows() == 1


def test_what_says_nothing_new_is_taken_again_when_asked(store: Store, audience: Audience, clock: SetClock) -> None:
    """A mapping that changed: every row is read under it, and nobody is planned twice; who left before does not leave again."""
    told = {**members("A", "B", "C"), **members("D", status="left")}
    audience.pulls(told)
    planned, stored = audience.requests(), audience.messages()
    clock.set(clock.now() + HOUR)
    audience.book = RowBook(store, audience.entry, audience.receiver, audience.read, audience.guards, again=True)
    assert audience.book.cursor() is None
    state = audience.pulls(told)
    assert (state.counts["taken"], state.counts.get("unchanged"), state.counts.get("ended")) == (4, None, None)
    assert (audience.messages(), audience.requests()) == (stored + 4, planned)


def test_all_that_is_read_again_goes_on_so_after_a_stop_whoever_goes_on(store: Store, audience: Audience) -> None:
    """SN-11: another process goes on with it, and takes the rest too; an extract of another kind is not gone on with."""
    told = [row(key, one) for key, one in members("A", "B").items()]
    audience.pulls(members("A", "B"))
    again = RowBook(store, audience.entry, audience.receiver, audience.read, audience.guards, again=True)
    audience.book.begin(ExtractMode.CHANGES)
    assert again.open() is None
    state = again.take(again.begin(ExtractMode.CHANGES), told[:1], "1")
    assert (again.open(), audience.book.open()) == (state, state)
    assert audience.book.finish(audience.book.take(state, told[1:], "2")).counts["taken"] == 2


def test_rows_are_as_of_the_mapping_that_took_all_of_them(store: Store, audience: Audience) -> None:
    """An extract of what is new alone says nothing of the others."""
    meaning = "one"

    def book(*, again: bool = False) -> RowBook:
        return RowBook(
            store,
            audience.entry,
            audience.receiver,
            audience.read,
            audience.guards,
            meaning=lambda: meaning,
            again=again,
        )

    def stands() -> str:
        audience.pulls(members("A"))
        with store.read() as unit:
            last = extracts.finished(unit, audience.entry.id)
        assert last is not None
        return last.meaning

    audience.book = book(again=True)
    assert stands() == "one"
    meaning, audience.book = "two", book()
    assert stands() == "one"
    audience.book = book(again=True)
    assert stands() == "two"
    audience.book = book()
    assert stands() == "two"
