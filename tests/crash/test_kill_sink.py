"""kill -9 while others are told: whoever goes on tells the same events, byte for byte, and leaves none out."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from crash_parts import House

from connectors.sinks.events import event_of
from gateway.model.when import MINUTE
from gateway.pipeline.outcomes.gathering import gather
from gateway.store import seal

pytestmark = pytest.mark.slow

SINK = """\
sinks:
  back:
    kind: parquet
    path: told
    sources: ehr
    kinds: [event, planned, held, withheld, withdrawn]
    facts: appointment.start
    every: 1s
    agreement: {none_needed: a test}
"""
POINTS = ["before-telling", "after-telling", "before-noting-commit", "after-noting-commit"]


@pytest.fixture
def house(make_house: Callable[..., House], store_url: str) -> House:
    """A site that tells what happened."""
    made = make_house(store_url, more=SINK)
    (made.folder / "told").mkdir()
    return made


def told(house: House) -> list[bytes]:
    """Every event the other side has, as often as it has it."""
    path = house.folder / "told" / "lines"
    return path.read_bytes().splitlines() if path.exists() else []


def to_tell(house: House) -> set[bytes]:
    """Every event there is."""
    gateway = house.gateway
    entry, below = gateway.site.sinks["back"], seal.watermark(gateway.store)
    found = gather(gateway.store, gateway.site, entry, gateway.rules.current(), after=0, below=below)
    assert not found.more
    return {event_of(row) for row in found.rows}


@pytest.mark.parametrize("point", POINTS)
def test_a_gateway_that_is_killed_while_it_tells_leaves_nothing_out(house: House, point: str) -> None:
    """SN-39: at least once here, once by id there: told twice only where nobody had noted that it was told."""
    first = house.starts()
    first.ask(kill=point)
    assert house.sends(house.booking("Ann", "2026-03-20 09:30"), first) == "AA"
    house.goes_to(house.now + 10 * MINUTE, first, quiet=False)
    assert first.gone() == -signal.SIGKILL
    before = told(house)
    assert bool(before) == (point != "before-telling")
    second = house.starts()
    assert house.sends(house.booking("Ben", "2026-03-20 10:30"), second) == "AA"
    house.goes_to(house.now + 10 * MINUTE, second, quiet=False)  # leases of who died are over
    house.waits(lambda: len(set(told(house))) >= 6)
    every = to_tell(house)
    assert set(told(house)) == every
    assert len(every) == 6, "of each a booking and two reminders"
    twice = {one for one in told(house) if told(house).count(one) > 1}
    assert twice == (set(before) if point in ("after-telling", "before-noting-commit") else set())
    second.terminate()
    assert second.gone() == 0, second.log()
