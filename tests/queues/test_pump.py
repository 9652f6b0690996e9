"""A queue is settled behind our commit and nothing else, in order, whatever the broker and the database do meanwhile."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

import pytest

from connectors.sources.queues import Delivery, QueueOptions, Waiting
from connectors.sources.queues.payload import Payload
from connectors.sources.queues.pump import Pump
from connectors.sources.tally import Tally
from gateway.model.errors import Denied, Missing, Unusable
from gateway.model.event import AckCode, Format, Outcome, RawMessage, Result
from gateway.ports import ReplyTo, SystemClock

STORED = Outcome(result=Result.ACCEPTED, ack=AckCode.AA)
FAILED = Outcome(result=Result.FAILED, ack=AckCode.AR)


class Broker:
    """A queue in memory, by its protocol: what is not settled when a link closes is given out again."""

    def __init__(self, count: int) -> None:
        self.ready = deque(range(count))
        self.settled: list[int] = []
        self.links: list[Link] = []
        self.cut_after: int | None = None
        self.away: Exception | None = None

    def link(self) -> Link:
        self.links.append(Link(self))
        return self.links[-1]


class Link:
    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.held: list[int] = []

    def open(self) -> None:
        if self.broker.away is not None:
            raise self.broker.away

    def take(self, most: int, seconds: float) -> Sequence[Delivery]:
        if self.broker.cut_after is not None and len(self.broker.settled) >= self.broker.cut_after:
            self.broker.cut_after = None
            raise Unusable("cut")
        found = [self.broker.ready.popleft() for _ in range(min(most, len(self.broker.ready)))]
        self.held += found
        if not found:
            time.sleep(min(seconds, 0.01))
        return [Delivery(tag=one, body=b"MSH|^~\\&|%d\r" % one) for one in found]

    def settle(self, deliveries: Sequence[Delivery]) -> None:
        for one in deliveries:
            assert isinstance(one.tag, int)
            self.held.remove(one.tag)
            self.broker.settled.append(one.tag)

    def idle(self, seconds: float) -> None:
        pass

    def waiting(self) -> Waiting:
        return Waiting(messages=len(self.broker.ready))

    def close(self) -> None:
        self.broker.ready.extendleft(reversed(self.held))


class Intake:
    """Answers from a thread, in the order of the offers; `outcome` decides."""

    def __init__(self, outcome: Callable[[RawMessage], Outcome | None] = lambda _: STORED) -> None:
        self.outcome = outcome
        self.seen: list[bytes] = []
        self.heard_of = 0

    def offer(self, message: RawMessage, ticket: object, reply_to: ReplyTo) -> bool:
        told = self.outcome(message)
        if told is None:
            return False
        self.seen.append(message.body)
        threading.Thread(target=reply_to.answered, args=([(ticket, told)],)).start()
        return True

    def witness(self, *_: object) -> None: ...

    def heard(self, _: str) -> None:
        self.heard_of += 1


@pytest.fixture
def pumped():
    running: list[tuple[Pump, threading.Thread]] = []

    def start(broker: Broker, intake: Intake, **told: object) -> Pump:
        clock = SystemClock()
        options = QueueOptions.model_validate({"reconnect": 0.1, "stop_timeout": 1, **told})
        payload = Payload("q", Format.HL7V2, clock, limit=1 << 20)
        pump = Pump("q", broker.link, options, payload, intake, clock=clock, tally=Tally("q"))  # type: ignore[arg-type]
        thread = threading.Thread(target=pump.run)
        thread.start()
        running.append((pump, thread))
        return pump

    yield start
    for pump, thread in running:
        pump.stop()
        thread.join(5)
        assert not thread.is_alive()


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not what():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_what_is_committed_is_settled_in_order(pumped):
    """Law 1: all of it, once, in the order of the queue."""
    broker, intake = Broker(100), Intake()
    pump = pumped(broker, intake, batch=7, prefetch=20)
    until(lambda: len(broker.settled) == 100)
    assert broker.settled == list(range(100))
    assert pump.queue.taken == 100


def test_while_the_database_is_away_nothing_is_settled_and_little_is_taken(pumped):
    """Then all of it is, in order."""
    away = threading.Event()
    away.set()
    broker = Broker(50)
    intake = Intake(lambda _: FAILED if away.is_set() else STORED)
    pumped(broker, intake, batch=5, prefetch=10)
    until(lambda: len(intake.seen) >= 20)
    assert not broker.settled
    assert len(broker.ready) == 40
    away.clear()
    until(lambda: len(broker.settled) == 50)
    assert broker.settled == list(range(50))


def test_a_connection_that_is_cut_is_made_again_and_what_was_not_settled_comes_again(pumped):
    """Nothing is lost; what was stored comes twice, for the store to tell."""
    broker, intake = Broker(60), Intake()
    broker.cut_after = 12
    pumped(broker, intake, batch=6, prefetch=12)
    until(lambda: len(broker.settled) == 60)
    assert sorted(set(broker.settled)) == list(range(60))
    assert len(broker.links) == 2


def test_a_full_intake_is_waited_for(pumped):
    """Nothing is dropped and nothing settled meanwhile."""
    turns = iter([None] * 5)
    broker, intake = Broker(3), Intake(lambda _: next(turns, STORED))
    pumped(broker, intake)
    until(lambda: broker.settled == [0, 1, 2])


def test_a_message_that_holds_nothing_is_a_sign_of_life(pumped):
    """S-17: it is settled, and the feed is not silent."""
    broker, intake = Broker(1), Intake()
    broker.link = lambda: Blank(broker)  # type: ignore[method-assign]
    pumped(broker, intake)
    until(lambda: broker.settled == [0])
    assert intake.heard_of == 1
    assert not intake.seen


class Blank(Link):
    def take(self, most: int, seconds: float) -> Sequence[Delivery]:
        return [Delivery(tag=one.tag, body=b" \r\n") for one in super().take(most, seconds)]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Missing("the queue is not there"), "the queue is not there"),
        (Denied("not believed"), "not believed"),
        (KeyError("MSH|^~"), "a fault of ours (KeyError): look at the log"),  # its words may be a patient's
    ],
)
def test_why_a_queue_is_away_is_known_until_it_is_back(pumped, error, said):
    """A-08. In words of ours, or none."""
    broker = Broker(0)
    broker.away = error
    pump = pumped(broker, Intake())
    until(lambda: pump.queue.said)
    assert (pump.queue.connected, pump.queue.said) == (False, said)
    broker.away = None
    until(lambda: pump.queue.connected)
    assert pump.queue.said == ""
