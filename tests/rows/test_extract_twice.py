"""A key that a table tells twice: nobody leaves and comes back with every extract, to be written to again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from extract_site import Audience, members, row, summed

from gateway.ports import ExtractMode, ExtractState, Row, SetClock
from gateway.store.engine import Store

HOUR = 3_600_000


@pytest.fixture
def audience(store: Store, tmp_path: Path) -> Audience:
    """An audience whose first extract was empty, of four patients."""
    made = Audience(store, tmp_path / "rules")
    made.knows("A", "B", "C", "D")
    made.pulls({})
    return made


def _pull(audience: Audience, told: Sequence[Row], mode: ExtractMode = ExtractMode.SNAPSHOT) -> ExtractState:
    """Two rows a chunk."""
    state = audience.book.begin(mode)
    for at in range(0, len(told), 2):
        some = told[at : at + 2]
        state = audience.book.take(state, some, str(at + len(some)))
    return audience.book.finish(state, rows=len(told))


def _told(*statuses: str, **more: int) -> list[Row]:
    """The row of A with each of these, and other people's in between."""
    others = [row(key, one) for key, one in members("B", "C", "D").items()]
    (key, told) = next(iter(members("A", **more).items()))
    first, last = ({**told, "status": one} for one in statuses)
    return [row(key, first), *others, row(key, last)]


@pytest.mark.parametrize(("statuses", "planned"), [(("left", "in"), 3), (("in", "left"), 4)])
def test_of_a_whole_table_a_key_told_twice_is_one_row(
    audience: Audience, clock: SetClock, statuses: tuple[str, str], planned: int
) -> None:
    """SN-11: in and out of the audience in one file, and so in each of them, is planned once at most and never again."""
    first = _pull(audience, _told(*statuses))
    assert (first.counts["repeated"], summed(first)) == (1, 5)
    assert audience.requests() == {"active": planned}
    stored = audience.messages()
    for _ in range(3):
        clock.set(clock.now() + HOUR)
        _pull(audience, _told(*statuses))
        assert (audience.requests(), audience.messages()) == ({"active": planned}, stored)


def test_versions_that_say_when_they_were_written_are_all_looked_at(audience: Audience, clock: SetClock) -> None:
    """SN-11: a table that is only ever added to is a whole table too, and its newest version counts wherever it stands."""
    others = [row(key, one) for key, one in members("B", "C", "D", at=1).items()]
    (key, told) = next(iter(members("A").items()))
    older, newer = {**told, "status": "left", "at": 1}, {**told, "at": 2}
    for _ in range(2):
        _pull(audience, [row(key, older), *others, row(key, newer)])
        assert audience.occurrences() == ["active"] * 4
        clock.set(clock.now() + HOUR)


def test_of_changes_the_last_word_counts(audience: Audience) -> None:
    """They are told in their order."""
    _pull(audience, _told("in", "left"), ExtractMode.CHANGES)
    assert audience.requests() == {"active": 3, "revoked cancelled": 1}
