"""Other people's messages come to the same through a queue as through `caregate load`, file by file."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from rabbit_parts import options

from connectors.sources.amqp.link import AmqpLink
from connectors.sources.amqp.options import AmqpOptions
from connectors.sources.kafka.link import KafkaLink
from connectors.sources.kafka.options import KafkaOptions
from connectors.sources.queues import Delivery, Link, QueueOptions, Waiting
from connectors.sources.queues.payload import Payload
from connectors.sources.queues.pump import Pump
from connectors.sources.redis_stream.link import StreamLink
from connectors.sources.redis_stream.options import RedisStreamOptions
from connectors.sources.redis_stream.turn import Turn
from connectors.sources.tally import Tally
from gateway import cli, telemetry
from gateway.app import Gateway, assemble
from gateway.app.assembly import intake_of
from gateway.cli.unpack import files_under
from gateway.model.event import Format, Outcome, RawMessage, Result
from gateway.ports import Intake, ReplyTo, SystemClock
from gateway.settings import load
from tests.queues.kafka_there import kafka as mock_kafka
from tests.queues.redis_there import GROUP, STREAM, valkey

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("CAREGATE_TESTDATA", ROOT.parent / "shared" / "testdata")) / "hl7v2"
Told = tuple[Any, ...]
WORDS = ("outcome", "ack", "type", "control_id", "events", "reason", "rules")
UNTAKEN: Told = ()
Connect = Callable[[], Link]
Broker = Callable[[Sequence[bytes], pytest.FixtureRequest], AbstractContextManager[Connect]]
"""Has these messages in a queue, in this order, and gives connections to it; fixtures tell where the broker is."""


class MemoryLink:
    """Gives out what it was given, in order."""

    def __init__(self, bodies: Sequence[bytes]) -> None:
        self._left = [Delivery(tag=at, body=body) for at, body in enumerate(bodies)]
        self.settled: list[Delivery] = []

    def open(self) -> None: ...

    def take(self, most: int, seconds: float) -> Sequence[Delivery]:
        found, self._left = self._left[:most], self._left[most:]
        if not found:
            time.sleep(min(seconds, 0.01))
        return found

    def settle(self, deliveries: Sequence[Delivery]) -> None:
        self.settled += deliveries

    def idle(self, seconds: float) -> None: ...

    def waiting(self) -> Waiting | None:
        return None

    def close(self) -> None: ...


@contextmanager
def memory(bodies: Sequence[bytes], _request: pytest.FixtureRequest) -> Iterator[Connect]:
    """The protocol alone."""
    link = MemoryLink(bodies)
    yield lambda: link
    assert [one.tag for one in link.settled] == list(range(len(bodies)))


@contextmanager
def amqp(bodies: Sequence[bytes], request: pytest.FixtureRequest) -> Iterator[Connect]:
    """RabbitMQ."""
    url, queues = request.getfixturevalue("amqp_url"), request.getfixturevalue("rabbit")
    told = AmqpOptions.model_validate({**options(url), "queue": queues.make()})
    queues.put(told.queue, bodies)
    yield lambda: AmqpLink("ehr", told)
    assert queues.left(told.queue) == 0


@contextmanager
def kafka(bodies: Sequence[bytes], _request: pytest.FixtureRequest) -> Iterator[Connect]:
    """One partition of Kafka."""
    with mock_kafka() as broker:
        broker.topic("adt")
        broker.gets("adt", *bodies)
        told = KafkaOptions(servers=(broker.address,), topics=("adt",), group="caregate", session_timeout=1)
        yield lambda: KafkaLink("ehr", told, Tally("ehr"), {})
        assert broker.committed("caregate", "adt") == [len(bodies)]


@contextmanager
def redis_stream(bodies: Sequence[bytes], request: pytest.FixtureRequest) -> Iterator[Connect]:
    """A stream of Valkey."""
    with valkey(request.getfixturevalue("tmp_path") / "valkey") as server:
        server.client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        server.puts(*bodies)
        told = RedisStreamOptions.model_validate({"url": server.url, "streams": STREAM})
        yield lambda: StreamLink("ehr", told, Turn(None, SystemClock(), told.lease), Tally("ehr"))
        assert server.left() == 0


BROKERS: dict[str, tuple[Broker, int]] = {
    "memory": (memory, 1),
    "amqp": (amqp, 20),
    "kafka": (kafka, 20),
    "redis-stream": (redis_stream, 20),
}
"""By name; of so many files one is put through, for a real one is slower and the messages are the same."""


class Files(Payload):
    """Remembers which messages each delivery held."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__("ehr", Format.HL7V2, gateway.clock, limit=QueueOptions().max_message)
        self.held: list[list[RawMessage]] = []

    def messages(self, one: Delivery) -> list[RawMessage]:
        self.held.append(super().messages(one))
        return self.held[-1]


class Listening:
    """An intake that remembers what became of each message."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self.outcomes: dict[int, Outcome] = {}

    def offer(self, message: RawMessage, ticket: object, reply_to: ReplyTo) -> bool:
        return self._intake.offer(message, (message, ticket, reply_to), self)

    def answered(self, outcomes: Sequence[tuple[Any, Outcome]]) -> None:
        for (message, ticket, reply_to), outcome in outcomes:
            self.outcomes[id(message)] = outcome
            reply_to.answered([(ticket, outcome)])

    def witness(self, *_: Any) -> None: ...

    def heard(self, _: str) -> None: ...


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """The corpus, in the order in which a folder is loaded."""
    if not FOLDER.is_dir():
        pytest.skip(f"no HL7 v2 test data at {FOLDER}: set CAREGATE_TESTDATA")
    return files_under([FOLDER])


def site(folder: Path) -> Path:
    """A fresh one."""
    assert cli.invoke(["init", str(folder)]) == 0
    telemetry.reset()
    return folder / "caregate.yaml"


def loaded(files: Sequence[Path], config: Path, out: Callable[[], str]) -> dict[str, list[Told]]:
    """By file what `caregate load` made of each message."""
    out()
    cli.invoke(["load", "--config", str(config), "--json", *map(str, files)])
    telemetry.reset()
    found: dict[str, list[Told]] = {str(one): [] for one in files}
    for line in map(json.loads, out().splitlines()):
        if "summary" not in line:
            line["reason"] = line["reason"] if line["outcome"] != "duplicate" else ""
            found[line["file"]].append(tuple(line[one] for one in WORDS) if line["message"] else UNTAKEN)
    return found


def queued(
    files: Sequence[Path], config: Path, broker: Callable[[Sequence[bytes]], AbstractContextManager[Connect]]
) -> dict[str, list[Told]]:
    """By file what became of each message of it that came through a queue."""
    gateway = assemble(load(config), activates=True)
    intake, payload = intake_of(gateway), Files(gateway)
    listening = Listening(intake)
    intake.start()
    try:
        with broker([one.read_bytes() for one in files]) as connect:
            pump = Pump(
                "ehr", connect, QueueOptions(), payload, listening, clock=gateway.clock, tally=Tally("ehr")
            )  # fmt: skip
            thread = threading.Thread(target=pump.run)
            thread.start()
            _until(lambda: len(payload.held) == len(files))
            _until(lambda: len(listening.outcomes) == sum(map(len, payload.held)))
            pump.stop()
            thread.join(30)
    finally:
        intake.close()
        gateway.close()
    made = [[_told(listening.outcomes[id(one)]) for one in held] for held in payload.held]
    return dict(zip(map(str, files), made, strict=True))


def _told(one: Outcome) -> Told:
    reason = one.reason if one.result is not Result.DUPLICATE else ""  # it tells the first one's id
    return (
        one.result.value,
        one.ack.value,
        one.type,
        one.control_id,
        list(one.events),
        reason and str(reason),
        list(one.rules),
    )


def _alike(here: Sequence[Told], there: Sequence[Told]) -> bool:
    """What cannot even be taken out of its file is told to whoever loads it; a queue has nobody to tell, and keeps it."""
    return len(here) == len(there) and all(
        one == other or (one == UNTAKEN and other[0] == "quarantined") for one, other in zip(here, there, strict=True)
    )


def _until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 240
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("name", BROKERS)
def test_the_corpus_comes_to_the_same_through_a_queue(
    name: str, files: list[Path], tmp_path: Path, capfd: Any, request: pytest.FixtureRequest
) -> None:
    """P-15, B-01: result, acknowledgement, events, reason and rules of every message."""
    broker, every = BROKERS[name]
    some = files[::every]
    expected = loaded(some, site(tmp_path / "loaded"), lambda: capfd.readouterr().out)
    found = queued(some, site(tmp_path / "queued"), lambda bodies: broker(bodies, request))
    other = [one for one in expected if not _alike(expected[one], found[one])]
    assert {Path(one).name: (expected[one][:9], found[one][:9]) for one in other} == {}
    assert sum(map(len, found.values())) > len(some)
