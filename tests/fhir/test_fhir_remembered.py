"""What several processes know of the subscriptions of one source is kept in one place, and none takes from it what another owes."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from fhir_site import MemoryNotes, MemoryRepair

from connectors.sources.fhir.keeping import Keeper
from connectors.sources.fhir.notices import Kind, Notice
from connectors.sources.fhir.options import FhirOptions
from connectors.sources.fhir.subscriptions import Subscriptions
from connectors.sources.tally import Tally
from gateway.ports import SetClock

_NOW = 1_772_463_600_000


def _process(notes: MemoryNotes, clock: SetClock) -> Subscriptions:
    known = Subscriptions(clock)
    known.remember(notes)
    known.load()
    return known


def test_what_two_processes_owe_for_two_subscriptions_is_known_to_the_next():
    """Neither has seen the other's when it notes its own."""
    notes, clock = MemoryNotes(), SetClock(_NOW)
    one, other = _process(notes, clock), _process(notes, clock)
    for process, name in ((one, "visits"), (other, "labs")):
        found = process.of(name)
        assert found is not None
        process.owe(found)
    assert {it.id: it.owed for it in _process(notes, clock).all()} == {"visits": _NOW, "labs": _NOW}


def test_a_debt_of_the_whole_is_not_lost_behind_the_smaller_one_of_another_process():
    """S-05, S-20: who pays after both are gone searches from the earlier beginning; who was first has paid for the other."""
    notes, clock = MemoryNotes(), SetClock(_NOW)
    one, other = _process(notes, clock), _process(notes, clock)
    mine, theirs = one.of("visits"), other.of("visits")
    assert mine is not None
    assert theirs is not None
    theirs.numbers.whole = _NOW - 5
    one.owe(mine, all_of_it=True)
    clock.set(_NOW + 10)
    other.owe(theirs)
    assert theirs.since is None
    (next_,) = _process(notes, clock).all()
    assert (next_.owed, next_.since) == (_NOW + 10, None)
    other.paid(theirs, _NOW + 11, 0, theirs.numbers.epoch)
    (after,) = _process(notes, clock).all()
    assert after.owed is None


def _hears(process: Subscriptions, *numbers: int) -> tuple[int, int] | None:
    """A call of these events, committed; what is missing then."""
    one = process.of("visits")
    assert one is not None
    _, epoch = process.hear(one, Notice(kind=Kind.EVENTS, numbers=numbers, count=max(numbers)))
    process.settle(one, numbers, epoch)
    return one.numbers.missing


async def _kept(keeper: Keeper, seconds: float) -> None:
    async def take(_name: str, _bundle: bytes) -> bool:
        return True

    with suppress(TimeoutError):
        await asyncio.wait_for(keeper.run(take), seconds)


def test_what_another_process_committed_is_not_asked_for():
    """S-19: two gateways behind one balancer each hear half of it; only what neither heard is missing."""
    notes, clock = MemoryNotes(), SetClock(_NOW)
    one, other = _process(notes, clock), _process(notes, clock)
    assert _hears(one, 1, 2, 3, 4, 5) is None
    one.flush()
    assert _hears(other, 6) == (1, 5)
    keeper = Keeper(FhirOptions(gap_wait=0), clock, other, Tally("ehr"), every=0.01)
    keeper.repair = repair = MemoryRepair()
    asyncio.run(_kept(keeper, 0.3))
    assert (repair.asked, repair.searched) == ([], [])
    assert _hears(other, 8) == (7, 7)


def test_no_process_takes_back_what_another_noted():
    """Whoever is behind notes nothing lower."""
    notes, clock = MemoryNotes(), SetClock(_NOW)
    one, other = _process(notes, clock), _process(notes, clock)
    _hears(one, 1, 2, 3)
    _hears(other, 1)
    one.flush()
    other.flush()
    assert _hears(_process(notes, clock), 4) is None


def test_after_a_restore_a_subscription_asks_from_the_number_it_noted():
    """S-19: what is owed of all of them makes no number heard that was not."""
    notes, clock = MemoryNotes(), SetClock(_NOW)
    before = _process(notes, clock)
    _hears(before, 1, 2, 3)
    before.flush()
    after = _process(notes, clock)
    every = after.of("")
    assert every is not None
    after.owe_since(every, _NOW - 5)
    assert (every.owed, every.since) == (_NOW, _NOW - 5)
    clock.set(_NOW + 10)
    after.paid(every, _NOW + 5, 0, every.numbers.epoch)
    assert _hears(after, 9) == (4, 8)
