"""A text nobody answered for is looked for at the provider, and sent again only when it provably never came (SM-07)."""

from __future__ import annotations

import pytest
from sms_parts import MARISOL, NOW, OURS, TEXT, Box, Failure, Provider, channel, envelope, mounted, provider, to

from connectors.channels.sms import SmsChannel
from gateway.model.errors import Refused, Unavailable, Unknown
from gateway.model.when import MINUTE
from gateway.ports import Door, SetClock

LATER = NOW + 16 * MINUTE  # the list is complete by then
SERVICE = "MG0123456789abcdef0123456789abcdef"


def lost(there: Provider, sms: SmsChannel, *, accepted: bool, **changes: object) -> None:
    """Send a reminder whose answer is lost."""
    there.will(Failure(drops=True, accepts=accepted))
    with pytest.raises(Unknown):
        sms.send(envelope(**changes))


def test_a_text_that_was_taken_is_found() -> None:
    """SM-07: by its number, sender, time and words; as soon as it is asked."""
    with provider() as there, channel(there.port) as sms:
        lost(there, sms, accepted=True)
        assert sms.look_up(7, NOW).provider_id == there.stored[0]["sid"]
        assert sms.look_up(7, NOW).provider_id == there.stored[0]["sid"]
        assert there.lookups == 1
    assert len(there.stored) == 1


def test_a_text_that_never_came_is_known_to_be_none_when_the_list_is_complete() -> None:
    """SM-07: not before, for it may still be on its way."""
    clock = SetClock(NOW)
    with provider(now=clock.now) as there, channel(there.port, clock) as sms:
        lost(there, sms, accepted=False)
        with pytest.raises(Unavailable, match="still unknown"):
            sms.look_up(7, NOW)
        clock.set(LATER)
        assert sms.look_up(7, NOW) is None


def test_a_text_that_came_late_is_found_and_not_sent_again() -> None:
    """SM-07: the request sat in a queue while we asked first."""
    clock = SetClock(NOW)
    with provider(now=clock.now) as there, channel(there.port, clock) as sms:
        lost(there, sms, accepted=False)
        with pytest.raises(Unavailable):
            sms.look_up(7, NOW)
        clock.set(NOW + 5 * MINUTE)
        there.accept(there.asked[0])
        clock.set(LATER)
        assert sms.look_up(7, NOW).provider_id == there.stored[0]["sid"]


def test_after_a_restart_it_is_recognised_by_what_was_sent() -> None:
    """SM-07: nothing is remembered; the recorded envelope tells enough."""
    clock = SetClock(LATER)
    with provider() as there:
        with channel(there.port) as before:
            lost(there, before, accepted=True)
        with channel(there.port, clock) as sms:
            with pytest.raises(Unavailable, match="not an attempt of this process"):
                sms.look_up(7, NOW)
            assert sms.recognise(envelope(), NOW).provider_id == there.stored[0]["sid"]
            assert sms.recognise(envelope(), NOW).provider_id == there.stored[0]["sid"]
            assert sms.recognise(envelope(communication=8, to=to("+13122019999")), NOW) is None


def test_what_is_refused_before_it_leaves_never_left() -> None:
    """A landline."""
    with channel(9) as sms:
        with pytest.raises(Refused):
            sms.send(envelope(to=to("+442071838750")))
        assert sms.recognise(envelope(to=to("+442071838750")), NOW) is None


def test_the_status_callback_tells_it_without_asking() -> None:
    """SM-07: our own id comes back with it."""
    with provider() as there, channel(there.port) as sms:
        sms.hear(Box())
        with mounted(list(sms.routes(Door(loopback=True)))) as port:
            lost(there, sms, accepted=True)
            assert there.call_back(there.stored[0], "sent", port=port) == 200
            assert sms.look_up(7, NOW).provider_id == there.stored[0]["sid"]
    assert there.lookups == 0


def test_two_that_are_alike_prove_nothing() -> None:
    """Nobody could say which of them it is."""
    with provider() as there, channel(there.port, SetClock(LATER)) as sms:
        lost(there, sms, accepted=True)
        there.accept(there.asked[0])
        with pytest.raises(Unavailable, match="still unknown"):
            sms.look_up(7, NOW)


def test_the_same_words_of_another_attempt_are_not_taken_for_it() -> None:
    """Two children, one mother's number, one reminder each: the answered one is not the lost one."""
    clock = SetClock(NOW)
    with provider(now=clock.now) as there, channel(there.port, clock) as sms:
        sms.send(envelope(communication=6))
        lost(there, sms, accepted=False)
        clock.set(LATER)
        assert sms.look_up(7, NOW) is None
        there.stored.clear()
        sms.send(envelope(communication=9))
        lost(there, sms, accepted=True, communication=10)
        assert sms.look_up(10, LATER).provider_id == there.stored[1]["sid"]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"body": "other words"}, "unknown"),
        ({"body": ""}, "unknown"),
        ({"body": None}, "unknown"),
        ({"date_created": "not a date"}, "it"),
        ({"date_created": None}, "it"),
        ({"body": f" {TEXT}\n"}, "it"),
        ({"date_created": "Tue, 03 Mar 2026 19:20:00 +0000"}, "none"),
        ({"date_created": "Tue, 03 Mar 2026 20:20:00 +0000"}, "none"),
        ({"from": "+13125550111"}, "none"),
        ({"direction": "inbound"}, "none"),
        ({"sid": "not an id: Marisol"}, "unknown"),
    ],
    ids=["rewritten", "removed", "no words", "no date", "no date told", "blanks", "earlier", "later", "front desk", "inbound", "no id"],
)  # fmt: skip
def test_only_what_is_proven_counts(changes: dict[str, object], found: str) -> None:
    """SM-07: what might be ours, rewritten or with its words removed, waits for a person."""
    with provider() as there, channel(there.port, SetClock(LATER)) as sms:
        lost(there, sms, accepted=True)
        there.stored[0] |= changes
        if found == "unknown":
            with pytest.raises(Unavailable):
                sms.look_up(7, NOW)
        else:
            assert (sms.look_up(7, NOW) is None) == (found == "none")


def test_a_messaging_service_writes_from_any_of_its_numbers() -> None:
    """SM-16: the service tells, not the number."""
    with (
        provider(senders={SERVICE}) as there,
        channel(there.port, SetClock(LATER), sender=SERVICE) as sms,
    ):
        lost(there, sms, accepted=True)
        there.stored[0]["from"] = "+13125550777"
        assert sms.look_up(7, NOW).provider_id == there.stored[0]["sid"]
        lost(there, sms, accepted=True, communication=8, to=to("+13122019999"))
        there.stored[1]["messaging_service_sid"] = "MGother0000000000"
        assert sms.look_up(8, NOW) is None


def test_a_long_list_is_read_to_its_end_and_an_endless_one_is_given_up() -> None:
    """Pages are followed on the same host; who has had a thousand texts waits for a person."""
    with provider(page=2) as there, channel(there.port, SetClock(LATER)) as sms:
        lost(there, sms, accepted=True)
        for _ in range(7):
            there.accept({"To": MARISOL, "From": OURS, "Body": "new"})["date_created"] = (
                "Tue, 03 Mar 2026 23:00:00 +0000"
            )
        assert sms.look_up(7, NOW).provider_id == there.stored[0]["sid"]
        assert there.lookups == 4
        lost(there, sms, accepted=True, communication=8)
        for _ in range(7):
            there.accept({"To": MARISOL, "From": OURS, "Body": "new"})["date_created"] = (
                "Tue, 03 Mar 2026 23:00:00 +0000"
            )
        with pytest.raises(Unavailable, match="too long"):
            sms.look_up(8, NOW)


@pytest.mark.parametrize("failure", [Failure(500), Failure(429), Failure(hangs=2), Failure(401)], ids=str)
def test_a_provider_that_cannot_be_asked_leaves_it_unknown(failure: Failure) -> None:
    """Never taken for none."""
    with provider() as there, channel(there.port, SetClock(LATER), timeout=1) as sms:
        lost(there, sms, accepted=False)
        there.will(failure)
        with pytest.raises(Unavailable):
            sms.look_up(7, NOW)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"messages": "none"},
        {"messages": [1]},
        {"messages": [], "next_page_uri": "https://evil.example/"},
        {"messages": [], "next_page_uri": "//evil.example/"},
    ],
    ids=str,
)
def test_an_answer_that_makes_no_sense_proves_nothing(
    answer: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a page on another host is not fetched: it would be told the number."""
    with provider() as there, channel(there.port, SetClock(LATER)) as sms:
        lost(there, sms, accepted=False)
        monkeypatch.setattr(there, "listed", answer)
        with pytest.raises(Unavailable):
            sms.look_up(7, NOW)


def test_what_a_gateway_s_502_hides_is_looked_up_too() -> None:
    """SM-07: accepted behind a proxy that gave up."""
    with provider() as there, channel(there.port) as sms:
        there.will(Failure(502, accepts=True))
        with pytest.raises(Unknown):
            sms.send(envelope())
        assert sms.look_up(7, NOW).provider_id == there.stored[0]["sid"]
