"""A named lease has one holder, and a late holder can be told from the present one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gateway.model.when import MINUTE
from gateway.ports import SetClock
from gateway.store import leases
from gateway.store.engine import Store
from gateway.store.leases import Lease


def take(store: Store, holder: str = "one") -> Lease | None:
    """The poll's lease, in a unit of its own."""
    with store.begin("test") as unit:
        lease = leases.take(unit, "poll:ehr", holder=holder, span=MINUTE)
        unit.commit()
    return lease


def test_a_held_lease_is_not_given_twice(store: Store) -> None:
    """Not even to the same holder: two threads of a process poll once."""
    assert take(store) is not None
    assert take(store) is None
    assert take(store, "two") is None


def test_an_expired_lease_goes_to_the_next_with_a_higher_fence(store: Store, clock: SetClock) -> None:
    """The late holder can neither renew nor release it."""
    first = take(store)
    assert first is not None
    clock.set(clock.now() + MINUTE)
    second = take(store, "two")
    assert second is not None
    assert second.fence > first.fence
    with store.begin("test") as unit:
        assert leases.renew(unit, first, span=MINUTE) is None
        assert not leases.release(unit, first)
        unit.commit()
    assert take(store, "three") is None


def test_a_renewed_lease_lasts_longer(store: Store, clock: SetClock) -> None:
    """Counted from the renewal."""
    lease = take(store)
    assert lease is not None
    clock.set(clock.now() + MINUTE // 2)
    with store.begin("test") as unit:
        assert leases.renew(unit, lease, span=MINUTE) is not None
        unit.commit()
    clock.set(clock.now() + MINUTE - 1)
    assert take(store, "two") is None


def test_a_released_lease_is_free_at_once(store: Store) -> None:
    """The fence still goes up."""
    first = take(store)
    assert first is not None
    with store.begin("test") as unit:
        assert leases.release(unit, first)
        unit.commit()
    second = take(store)
    assert second is not None
    assert second.fence == first.fence + 1


def test_of_many_that_ask_at_once_one_gets_it(open_store: Callable[..., Store]) -> None:
    """Compare-and-swap, from several processes' stores and their threads."""
    stores = [open_store(f"store {number}") for number in range(2)]
    won: list[Lease] = []
    start = threading.Barrier(6)

    def run(store: Store) -> None:
        start.wait()
        for _ in range(5):
            lease = take(store)
            if lease is not None:
                won.append(lease)

    threads = [threading.Thread(target=run, args=(stores[number % 2],)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
