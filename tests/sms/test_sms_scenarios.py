"""Texts to many patients through a provider that loses, doubles and delays: each arrives at most once, and STOP holds.

The deliverer here is the smallest that keeps the rules: it tries again only what was provably not taken, asks about
what is unknown, and sends nothing to a number that opted out.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest
from sms_parts import MARISOL, NOW, OURS, TEXT, Box, Failure, Provider, channel, envelope, mounted, provider, to

from connectors.channels.sms import SmsChannel
from gateway.model.comingback import ReceiptStatus
from gateway.model.errors import Refused, Unavailable, Unknown
from gateway.model.when import MINUTE
from gateway.policy.replies import ReplyMeaning, meaning
from gateway.ports import Door, SetClock

FAILURES = (
    None, None, Failure(503), Failure(429), Failure(500), Failure(502, accepts=True), Failure(drops=True),
    Failure(drops=True, accepts=True), Failure(201, accepts=True, raw=b"not json"), Failure(400, 21611),
)  # fmt: skip


def delivered(sms: SmsChannel, clock: SetClock, communication: int, number: str, text: str) -> str | None:
    """Deliver one text by the rules; the provider's id, or None when it was refused or nobody could tell."""
    for _ in range(40):
        since = clock.now()
        one = envelope(communication=communication, to=to(number), text=text)
        try:
            return sms.send(one).provider_id
        except Refused:
            return None
        except Unavailable:
            clock.set(clock.now() + 2 * MINUTE)
            continue
        except Unknown:
            found = asked(sms, clock, communication, since)
            if found != "never":
                return found
    raise AssertionError("never got through")


def asked(sms: SmsChannel, clock: SetClock, communication: int, since: int) -> str | None:
    """What the look-up says in the end: an id, "never", or None for still unknown."""
    for _ in range(4):
        try:
            found = sms.look_up(communication, since)
        except Unavailable:
            clock.set(clock.now() + 10 * MINUTE)
            continue
        return found.provider_id if found else "never"
    return None


@pytest.mark.parametrize("seed", range(3))
def test_each_text_arrives_at_most_once_whatever_fails(seed: int) -> None:
    """SM-07, SM-08: forty patients, half of the answers wrong; the provider has no text twice."""
    chance = random.Random(seed)
    clock = SetClock(NOW)
    with provider(now=clock.now) as there, channel(there.port, clock, timeout=2) as sms:
        arrived = 0
        for number in range(1, 41):
            for _ in range(chance.randrange(3)):
                failure = chance.choice(FAILURES)
                if failure is not None:
                    there.will(failure)
            arrived += delivered(sms, clock, number, f"+1312201{number:04d}", f"{TEXT} {number}") is not None
        told = Counter(one["to"] for one in there.stored)
    assert max(told.values()) == 1
    assert len(told) == 40
    assert arrived >= 30


def test_callbacks_lost_late_doubled_and_out_of_order_leave_one_truth() -> None:
    """SM-06, EM-28: whatever the order, each event once, and our own id in each."""
    chance = random.Random(7)
    with provider() as there, channel(there.port) as sms:
        sms.hear(box := Box())
        with mounted(list(sms.routes(Door(loopback=True)))) as port:
            for number in range(1, 13):
                sms.send(envelope(communication=number))
            calls = [(one, word) for one in there.stored for word in ("queued", "sent", "delivered") for _ in range(2)]
            chance.shuffle(calls)
            lost = {(there.stored[0]["sid"], "sent"), (there.stored[1]["sid"], "delivered")}
            for message, word in calls:
                if (message["sid"], word) not in lost:
                    assert there.call_back(message, word, port=port) == 200
    assert len(box.receipts) == 12 * 3 - 2
    finals = [one for one in box.receipts.values() if one.status is ReceiptStatus.DELIVERED]
    assert sorted(one.communication or 0 for one in finals) == [1, *range(3, 13)]
    ids = {one.provider_id: one.communication for one in box.receipts.values()}
    assert ids == {one["sid"]: number for number, one in enumerate(there.stored, 1)}


def stopped(there: Provider, port: int) -> None:
    """Marisol writes STOP."""
    url = "https://gateway.lakeside.example/sms/sms/inbound"
    assert there.write(MARISOL, "Stop", url=url, port=port, sid="SMstop") == 200


def test_stop_holds_at_the_provider_and_here() -> None:
    """SM-09, SM-14: her word arrives, the provider's refusal is recorded, another patient is not concerned."""
    with provider() as there, channel(there.port) as sms:
        sms.hear(box := Box())
        with mounted(list(sms.routes(Door(loopback=True)))) as port:
            sms.send(envelope())
            stopped(there, port)
            with pytest.raises(Refused):
                sms.send(envelope(communication=8))
            sms.send(envelope(communication=9, to=to("+13122019999")))
    (reply,) = box.replies.values()
    assert (meaning(reply.text), reply.provider_opt_out) == (ReplyMeaning.STOP, ReplyMeaning.STOP)
    assert (reply.sender, reply.to) == (MARISOL, OURS)
    (receipt,) = [one for one in box.receipts.values() if one.opted_out]
    assert receipt.communication == 8
    assert [one["to"] for one in there.stored] == [MARISOL, "+13122019999"]
