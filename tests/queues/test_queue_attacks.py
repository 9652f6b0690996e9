"""Whoever may write into a queue can neither stop it nor fill our memory: every message becomes few, small, refused ones, or what it says."""

from __future__ import annotations

import gzip
import json
import threading

import pytest
from test_pump import Broker, Intake, Link, until

from connectors.sources.queues import Delivery, QueueOptions, Waiting
from connectors.sources.queues.payload import Payload
from connectors.sources.queues.pump import Pump
from connectors.sources.tally import Tally
from gateway.model.event import Format
from gateway.ports import SystemClock, TableShape

SHAPE = TableShape(mapping="m", columns={"id": "text", "at": "datetime", "a.b": "text"}, key=("id",), at="at")


def payload(format_: Format = Format.HL7V2, limit: int = 16 << 20) -> Payload:
    shape = SHAPE if format_ is Format.TABLE else None
    return Payload("q", format_, SystemClock(), limit=limit, shape=shape)


def bodies(told: bytes, format_: Format = Format.HL7V2, encoding: str = "") -> list[bytes]:
    found = payload(format_).messages(Delivery(tag=1, body=told, encoding=encoding))
    return [one.body for one in found]


@pytest.mark.parametrize("kind", [["event-notification"], {"a": 1}, 7])
@pytest.mark.parametrize("word", ["valueCode", "valueString"])
def test_a_notification_whose_type_is_no_word_stops_no_queue(word: str, kind: object) -> None:
    """Law 1: what made the reader fall would come again for ever, and everything behind it would wait."""
    status = {"resourceType": "Parameters", "parameter": [{"name": "type", word: kind}]}
    told = {"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}]}
    bodies(json.dumps(told).encode(), Format.FHIR)


def test_what_is_nested_as_deep_as_it_can_be_read_stops_no_queue() -> None:
    """Read within the interpreter's depth and written again a little deeper: whichever gives up, it is one refused row."""
    for depth in range(900, 1_000):
        nested = b"[" * depth + b"]" * depth
        assert len(bodies(b'{"id":"1","a":{"b":%s}}' % nested, Format.TABLE)) == 1
        assert len(bodies(b'{"id":%s}' % nested, Format.TABLE)) == 1
        assert len(bodies(b"[%s]" % nested, Format.TABLE)) == 1


@pytest.mark.parametrize(
    ("format_", "told"),
    [
        (Format.HL7V2, b"MSH\r" * 100_000),
        (Format.FHIR, b"x\n" * 100_000),
        (Format.TABLE, b"[" + b"0," * 100_000 + b"0]"),
        (Format.TABLE, b"x\n" * 100_000),
    ],
)
def test_a_message_of_very_many_is_one_for_a_person(format_: Format, told: bytes) -> None:
    """B-01: in two bytes each, a message of 16 MB would be eight million, each with a copy of what it came in."""
    (only,) = bodies(told, format_)
    assert len(only) < 200_000


def test_a_row_that_is_none_shows_itself_and_not_all_around_it() -> None:
    """SN-10 in spirit: ten thousand of them would otherwise keep ten thousand copies of the message."""
    found = bodies(json.dumps([0, "x" * 50_000, {"id": "1"}] + [[1]] * 10_000).encode(), Format.TABLE)
    assert len(found) == 10_003
    assert sum(map(len, found)) < 3_000_000


def test_nothing_that_was_packed_vanishes() -> None:
    """RFC 1952 §2.2: a file of gzip is a series of members; what follows the first is part of what was sent."""
    first, second = b"MSH|^~\\&|1\r", b"MSH|^~\\&|2\r"
    assert bodies(gzip.compress(first) + gzip.compress(second), encoding="gzip") == [first, second]
    (refused,) = bodies(gzip.compress(first) + b"and more", encoding="gzip")
    assert refused.startswith(b"(packed in a way")
    (cut,) = bodies(gzip.compress(first * 9)[:-6], encoding="gzip")
    assert cut.startswith(b"(packed in a way")


def test_a_bomb_is_unpacked_no_further_than_a_message_may_be_long() -> None:
    """Also in twenty thousand members of nothing."""
    (refused,) = bodies(gzip.compress(b"MSH|" + bytes(40 << 20)), encoding="gzip")
    assert refused.startswith(b"(longer than")
    assert bodies(gzip.compress(b"") * 20_000, encoding="gzip") == []


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "identity", "iso-8859-1", "us-ascii", "GZIP"])
def test_a_character_set_told_as_an_encoding_packs_nothing(encoding: str) -> None:
    """RFC 9110 §8.4.1; senders of AMQP tell the character set there, and whole feeds would be in quarantine."""
    told = b"MSH|^~\\&|1\r"
    assert bodies(gzip.compress(told) if encoding == "GZIP" else told, encoding=encoding) == [told]


class Future(Link):
    """A sender made the id of an entry, or the time of a message, itself."""

    told = 0

    def waiting(self) -> Waiting:
        return Waiting(messages=7, since=self.told)


@pytest.mark.parametrize("told", [(1 << 64) - 1, 9_999_999_999_999, -1, -(1 << 63)])
def test_a_time_that_a_sender_made_up_hides_no_queue_that_stands(told: int) -> None:
    """It would be no alarm until then, nor fit the database, where with it the looks at every other queue are lost."""
    broker = Broker(0)
    link = type("Told", (Future,), {"told": told})(broker)
    clock = SystemClock()
    options = QueueOptions.model_validate({"stop_timeout": 1})
    pump = Pump("q", lambda: link, options, payload(), Intake(), clock=clock, tally=Tally("q"))  # type: ignore[arg-type]
    thread = threading.Thread(target=pump.run)
    thread.start()
    try:
        until(lambda: pump.queue.waiting is not None)
        assert (pump.queue.waiting, pump.queue.since) == (7, None)
    finally:
        pump.stop()
        thread.join(5)
