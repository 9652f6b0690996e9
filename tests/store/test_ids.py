"""Ids only go up: over restarts, clock steps, threads and writers; and no writer commits below a sealed head."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from gateway.model.errors import StoreUnavailable
from gateway.model.when import DAY, HOUR, MINUTE, SECOND
from gateway.ports import SetClock
from gateway.store import ids, tables
from gateway.store.engine import Store
from gateway.store.keyring import Keyring
from gateway.store.migrations import migrate
from gateway.store.session import LeaseLost
from gateway.store.statement import Statement
from tests.conftest import INSTANT
from tests.store.conftest import add_source, sources

ROWS = Statement("rows", sa.select(tables.lease.c.name, tables.lease.c.until, tables.lease.c.floor))


def one_id(store: Store) -> int:
    """An id that was committed in an audit row."""
    with store.begin("test") as unit:
        made = unit.audit([("x",)])
        unit.commit()
    return made


def test_an_id_tells_its_time_and_writer(store: Store) -> None:
    """41 bits of milliseconds since 2024, 8 of writer number, 14 of sequence."""
    made = one_id(store)
    assert INSTANT <= ids.time_of(made) <= INSTANT + 2  # above the migration's own audit row
    assert 0 < made < 1 << 63
    assert ids.compose(INSTANT, 3, 5) == ((INSTANT - ids.EPOCH) << 22) | (3 << 14) | 5


def test_ids_increase_when_the_clock_stands_jumps_or_steps_back(store: Store, clock: SetClock) -> None:
    """The demo jumps days forward; NTP steps back; both end in a larger id."""
    made = []
    for step in (0, 0, 1, 5 * DAY, -3 * DAY, 0, -400 * DAY, 30 * DAY):
        clock.set(clock.now() + step)
        made.append(one_id(store))
    assert made == sorted(set(made))


def test_ids_increase_over_a_restart_with_an_earlier_clock(open_store: Callable[..., Store]) -> None:
    """The next process starts above everything that was ever used, closed properly or not."""
    first = open_store("one", at=SetClock(INSTANT + DAY))
    before = one_id(first)
    crashed = open_store("two", at=SetClock(INSTANT))
    between = one_id(crashed)
    first.close()
    after = one_id(open_store("three", at=SetClock(INSTANT - DAY)))
    assert before < between < after


def test_a_full_millisecond_runs_on_into_the_next(clock: SetClock) -> None:
    """16,384 ids fit one; more never collide."""
    source = ids.IdSource(clock, "test")
    source.become(ids.Writer(number=7, fence=1), ids.compose(0, 7), INSTANT)
    made = [source.next(INSTANT) for _ in range(40_000)]
    assert made == sorted(set(made))
    assert {(number >> 14) & 255 for number in made} == {7}
    assert ids.time_of(made[-1]) == INSTANT + 2


def test_threads_never_get_the_same_id(clock: SetClock) -> None:
    """One source serves all threads of a process."""
    source = ids.IdSource(clock, "test")
    source.become(ids.Writer(number=0, fence=1), 0, INSTANT)
    made: list[list[int]] = [[] for _ in range(4)]

    def run(mine: list[int]) -> None:
        mine.extend(source.next(INSTANT) for _ in range(5_000))

    threads = [threading.Thread(target=run, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({number for mine in made for number in mine}) == 20_000
    assert all(mine == sorted(mine) for mine in made)


def test_two_open_stores_have_different_writer_numbers(open_store: Callable[..., Store]) -> None:
    """So their ids never meet, whatever their clocks say."""
    one, two = open_store("one"), open_store("two")
    assert one.ids.writer is not None
    assert two.ids.writer is not None
    assert one.ids.writer.number != two.ids.writer.number


def test_a_closed_store_gives_its_number_back(open_store: Callable[..., Store]) -> None:
    """Its floor stays: the next holder starts above it."""
    one = open_store("one")
    assert one.ids.writer is not None
    number, last = one.ids.writer.number, one_id(one)
    one.close()
    two = open_store("two")
    assert two.ids.writer is not None
    assert two.ids.writer.number == number
    assert one_id(two) > last


def test_an_expired_number_is_taken_over_above_its_lease_end(open_store: Callable[..., Store], clock: SetClock) -> None:
    """The dead holder may have used ids up to the end of its lease; none is used twice."""
    dead = open_store("dead")
    assert dead.ids.writer is not None
    clock.set(clock.now() + ids.LEASE + SECOND)
    heir = open_store("heir")
    assert heir.ids.writer is not None
    assert heir.ids.writer.number == dead.ids.writer.number
    assert one_id(heir) > ids.compose(INSTANT + ids.LEASE, heir.ids.writer.number)


def test_a_writer_whose_number_was_taken_leases_another_before_it_writes(
    open_store: Callable[..., Store], clock: SetClock
) -> None:
    """It had slept through its lease; its next unit runs under a fresh one."""
    sleeper = open_store("sleeper")
    clock.set(clock.now() + ids.LEASE + SECOND)
    heir = open_store("heir")
    made = add_source(sleeper, "adt")
    assert sources(sleeper) == 1
    assert made > ids.compose(INSTANT + ids.LEASE, 0)
    assert sleeper.ids.writer is not None
    assert heir.ids.writer is not None
    assert sleeper.ids.writer.number != heir.ids.writer.number


def test_a_unit_refuses_to_commit_when_its_lease_was_lost(store: Store) -> None:
    """Whatever it wrote is undone, and the next unit is well again."""
    assert store.ids.writer is not None
    stale = ids.Writer(number=store.ids.writer.number, fence=store.ids.writer.fence - 1)
    with pytest.raises(StoreUnavailable, match="lease was lost"), store.begin("test") as unit:
        unit.insert(tables.source, ("id", "name"), [(unit.new_id(), "adt")])
        unit.audit([("x",)])
        ids.IdSource.confirm(unit.session, stale)
        unit.commit()
    assert sources(store) == 0
    add_source(store, "siu")
    assert sources(store) == 1


def test_a_fenced_writer_is_recognised_inside_its_transaction(open_store: Callable[..., Store]) -> None:
    """Fencing (rotation, sealing) makes every other process lease anew; it goes on without an error or retries."""
    rotating, other = open_store("rotating"), open_store("other")
    assert rotating.ids.writer is not None
    with rotating.begin("test") as unit:
        ids.fence_others(unit.session, rotating.ids.writer)
        unit.commit()
    for attempt in range(2):
        try:
            add_source(other, "adt")
            break
        except LeaseLost:
            assert attempt == 0, "the retry runs under a new lease"
    assert sources(other) == 1


def test_no_more_than_255_writers_at_once(store: Store) -> None:
    """Number 255 belongs to migrations."""
    rows = [(f"writer:{number}", "x", INSTANT + HOUR, 1, 0) for number in range(ids.WRITERS)]
    with store.begin("test") as unit:
        unit.insert_missing(tables.lease, ("name", "holder", "until", "fence", "floor"), rows)
        unit.commit()
    with pytest.raises(StoreUnavailable, match="255"), store.begin("test") as unit:
        store.ids.take(unit.session, unit.now)


def test_the_floor_follows_the_lowest_open_unit(clock: SetClock) -> None:
    """A unit is open from before its first id until after its end."""
    source = ids.IdSource(clock, "test")
    source.become(ids.Writer(number=0, fence=1), 0, INSTANT)
    first = source.register()
    low = source.next(INSTANT)
    second = source.register()
    source.next(INSTANT)
    assert source.floor() <= low
    source.forget(first)
    assert source.floor() == low + 1
    source.forget(second)
    assert source.floor() == low + 2


def test_a_busy_writer_publishes_its_floor_and_renews_its_lease(store: Store, clock: SetClock) -> None:
    """Inside a unit that commits anyway: no thread, no extra commit."""
    last = one_id(store)
    clock.set(clock.now() + 30 * SECOND)
    one_id(store)
    with store.read() as reader:
        rows = {name: (until, floor) for name, until, floor in reader.all(ROWS)}
    assert store.ids.writer is not None
    until, floor = rows[store.ids.writer.name]
    assert until == INSTANT + 30 * SECOND + ids.LEASE
    assert floor > last


def test_an_open_unit_of_a_silent_writer_is_never_counted_out(
    postgres_url: str, keyring: Keyring, clock: SetClock
) -> None:
    """Its lease may run out while it works: while the transaction is open its ids stay above the watermark.

    (On SQLite the write lock says the same: nothing is sealed while a unit is open.)
    """
    migrate(postgres_url, clock=clock)
    slow, sealer = (Store.open(postgres_url, keyring, clock, holder=holder) for holder in ("slow", "sealer"))
    with slow.begin("test") as unit:
        low = unit.audit([("x",)])
        unit.lookup(tables.source, ("id",), "id", [1])
        clock.set(clock.now() + 10 * MINUTE)
        with sealer.begin("test") as other:
            other.session.claim(ids.ALL_WRITERS, wait=True)
            sealer.ids.publish(other.session, other.writer, other.now)
            mark = ids.watermark(other.session, other.writer, other.now)
            other.commit()
        assert mark <= low
        unit.commit()
    for store in (slow, sealer):
        store.close()
