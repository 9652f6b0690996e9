"""The big red button with two real gateways on one database: nothing leaves by either from that moment on, and later each once."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from crash_parts import House, wall

from gateway.model.when import MINUTE, SECOND
from gateway.pipeline import brakes
from gateway.pipeline.brakes import Scope, Stop
from gateway.store import tables
from gateway.store.migrations import migrate

pytestmark = pytest.mark.slow
VISIT, REMINDED = "2026-03-20 09:30", wall("2026-03-13 09:30") + SECOND
PATIENTS = 30
EVERYTHING = Stop(scope=Scope.EVERYTHING)


def test_nothing_leaves_by_any_worker_once_it_is_pressed(
    postgres_url: str, redis_url: str, make_house: Callable[..., House]
) -> None:
    """Pressed while both are sending: a second later neither sends; let go, the rest leaves, each once."""
    migrate(postgres_url)
    house = make_house(postgres_url, broker=redis_url)
    first, second = house.starts(), house.starts()
    for number in range(PATIENTS):
        assert house.sends(house.booking(f"P{number}", VISIT), (first, second)[number % 2]) == "AA"
    house.goes_to(REMINDED, first, second, quiet=False)
    brakes.stop(house.gateway.store, EVERYTHING, why="drill", account="os:operator")
    time.sleep(1)
    sent = len(house.office.taken)
    time.sleep(2)
    assert len(house.office.taken) == sent
    house.goes_to(REMINDED + 2 * MINUTE, first, second)
    assert len(house.office.taken) == sent
    held = [one for one in house.every(tables.request, "state", "reason", "step") if one["step"] == "7d"]
    assert sum(one["reason"] == "stopped" for one in held) == PATIENTS - sent
    told = brakes.resume(house.gateway.store, house.gateway.site, EVERYTHING, why="drill", account="os:operator")
    assert told == (PATIENTS - sent, 0)
    house.goes_to(REMINDED + 4 * MINUTE, first, second)
    assert len(house.mails()) == PATIENTS
    assert set(house.mails().values()) == {1}
    for child in (first, second):
        child.terminate()
        assert child.gone() == 0, child.log()
    assert house.verified().ok
