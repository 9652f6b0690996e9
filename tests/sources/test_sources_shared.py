"""What sources share: a batch that came before is recognised, and nobody waits for an outcome on a loop that has ended."""

from __future__ import annotations

import asyncio

import pytest

from connectors.durations import duration
from connectors.networks import admits, networks
from connectors.sources import deliveries
from connectors.sources.deliveries import Deliveries, Delivery, all_repeated
from connectors.sources.offering import Offering
from connectors.sources.options import size
from connectors.sources.refusals import TOO_LARGE, TROUBLE, not_taken, refused
from gateway.model.event import AckCode, Format, Outcome, RawMessage, Result


def test_only_so_many_batches_are_remembered(monkeypatch):
    """B-05: a hint, bounded in memory."""
    monkeypatch.setattr(deliveries, "_MOST", 2)
    known = Deliveries()
    for number in range(3):
        known.remember(b"%d" % number, ("LAB", "HOSP", str(number)))
    assert known.known(b"0", None) is Delivery.NEW
    assert known.known(b"2", None) is Delivery.REPEATED
    assert known.known(b"x", ("LAB", "HOSP", "2")) is Delivery.REUSED
    assert known.known(b"x", ("LAB", "HOSP", "0")) is Delivery.NEW
    assert known.known(b"x", ("OTHER", "HOSP", "2")) is Delivery.NEW


def test_nothing_at_all_is_no_repetition():
    """B-05: an empty batch came never or always."""
    duplicate = Outcome(result=Result.DUPLICATE, ack=AckCode.AA)
    assert not all_repeated([])
    assert all_repeated([duplicate, duplicate])
    assert not all_repeated([duplicate, TROUBLE])


def test_an_outcome_for_a_loop_that_has_ended_is_dropped():
    """D-02: it is committed, and who asks again is told so."""

    async def offered():
        return Offering("lab", _Intake())

    offering = asyncio.run(offered())
    offering.answered([(object(), TROUBLE)])


def test_an_outcome_nobody_waits_for_any_more_is_dropped():
    """A caller was cancelled meanwhile."""

    async def cancelled():
        intake = _Intake()
        offering = Offering("lab", intake)
        message = RawMessage(source="lab", format=Format.HL7V2, body=b"", received=0)
        waiting = asyncio.create_task(offering.one(message))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0)
        offering.answered([(intake.ticket, TROUBLE)])
        await asyncio.sleep(0)
        return waiting.cancelled()

    assert asyncio.run(cancelled())


class _Intake:
    """Takes one message and never answers."""

    ticket: object = None

    def offer(self, message, ticket, reply_to):
        self.ticket = ticket
        return True

    def witness(self, source, failure, host):
        raise AssertionError


def test_a_refusal_says_why_nothing_was_stored():
    """A-04, F-11: only trouble of ours may be sent again as it is."""
    assert refused(TROUBLE)
    assert refused(TOO_LARGE)
    assert not_taken("message-too-long") is TOO_LARGE
    assert "frame" in not_taken("frame-not-ended").faults[0].rule
    assert "more messages" in not_taken("too-many-parts").faults[0].rule


def test_durations_sizes_and_addresses_are_written_alike():
    """In every source."""
    assert [duration(one) for one in ("500ms", "2m", "1.5", 3)] == [0.5, 120.0, 1.5, 3.0]
    assert [size(one) for one in ("1KiB", "2 MiB", 7)] == [1024, 2 << 20, 7]
    assert admits(networks("10.0.0.0/8"), "::ffff:10.1.2.3")
    assert not admits(networks(["10.0.0.1"]), "nonsense")
    assert admits((), "nonsense")
    for wrong in (lambda: duration("soon"), lambda: size("big"), lambda: networks("there")):
        with pytest.raises(ValueError, match="write"):
            wrong()
