"""What became of a patient's text at the provider: handed over, refused, not taken, or nobody knows."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from sms_parts import (
    ACCOUNT,
    MARISOL,
    NOW,
    OURS,
    TEXT,
    WORDS,
    Box,
    Failure,
    channel,
    envelope,
    logged,
    provider,
    to,
)

from connectors.channels.sms import rests
from gateway.model.comingback import ReceiptStatus
from gateway.model.consent import ChannelKind
from gateway.model.errors import ClearanceError, DeliveryError, Refused, StoreUnavailable, Unavailable, Unknown
from gateway.model.party import ContactPoint, ContactSystem
from gateway.model.when import SECOND
from gateway.ports import Channel, Hears, LooksUp, Recognises, Serves, SetClock


def test_a_reminder_arrives_as_it_was_cleared() -> None:
    """SM-01, SM-17, SM-19: the very words, no other links, not kept into the night; the provider's id is kept."""
    with provider() as there, channel(there.port) as sms:
        handover = sms.send(envelope())
    (form,) = there.asked
    assert handover.provider_id == there.stored[0]["sid"]
    assert form == {
        "To": MARISOL,
        "From": OURS,
        "Body": TEXT,
        "StatusCallback": "https://gateway.lakeside.example/sms/sms/status?c=7",
        "ValidityPeriod": "3600",
        "SmartEncoded": "false",
        "ShortenUrls": "false",
    }


@pytest.mark.parametrize(("left", "seconds"), [(600, "600"), (7200, "3600"), (1, "5"), (-60, "5")])
def test_the_provider_drops_a_text_before_the_night_begins(left: int, seconds: str) -> None:
    """SM-17: it may be held no longer than it may ring; a few seconds, so that it is tried at all."""
    clock = SetClock(1_772_463_600_000)
    with provider() as there, channel(there.port, clock=clock) as sms:
        sms.send(envelope(until=clock.now() + left * SECOND))
    assert there.asked[0]["ValidityPeriod"] == seconds


def test_the_channel_keeps_its_promises() -> None:
    """It sends, serves webhooks, hears, looks up."""
    with channel(9) as sms:
        assert isinstance(sms, Hears)
        assert isinstance(sms, LooksUp)
        assert isinstance(sms, Recognises)
        assert isinstance(sms, Serves)
        kept: Channel = sms
        assert kept.kind is ChannelKind.SMS


def test_other_bytes_than_the_cleared_ones_do_not_leave() -> None:
    """Law 3."""
    with provider() as there, channel(there.port) as sms, pytest.raises(ClearanceError):
        sms.send(envelope(digest=b"other"))
    assert there.asked == []


def test_an_organization_writes_from_its_own_number_or_service() -> None:
    """SM-16: the sender belongs to the organization, told apart by the address its mail comes from."""
    service = "MG0123456789abcdef0123456789abcdef"
    others = {"north@lakeside.example": service}
    with provider(senders={OURS, service}) as there, channel(there.port, senders=others) as sms:
        sms.send(envelope())
        sms.send(envelope(communication=8, sender_address="north@lakeside.example"))
    assert [form.get("From") for form in there.asked] == [OURS, None]
    assert there.asked[1]["MessagingServiceSid"] == service


def test_an_api_key_is_shown_instead_of_the_account_s_token() -> None:
    """The token then only signs webhooks."""
    with (
        provider() as there,
        channel(there.port, api_key="SK1", api_secret="s" * 32) as sms,
        pytest.raises(Unavailable),
    ):
        sms.send(envelope())  # the emulator knows no such key: it was shown
    assert there.stored == []


@pytest.mark.parametrize(
    "number",
    [
        "3122012345",
        "+1 312 201 2345",
        "+13125550",
        "+1312",
        "tel:+13122012345",
        "+442071838750",
        "+18002345678",
        "",
        "STOP",
    ],
)
def test_only_a_number_that_can_take_texts_leaves(number: str) -> None:
    """SM-01: E.164, valid, no landline where the plan tells them apart, no toll-free line."""
    with provider() as there, channel(there.port) as sms, pytest.raises(Refused) as refused:
        sms.send(envelope(to=to(number)))
    assert there.asked == []
    assert number not in str(refused.value) or not number


@pytest.mark.parametrize("number", ["+13122012345", "+447911123456", "+5215512345678", "+4915123456789"])
def test_mobiles_of_other_countries_leave(number: str) -> None:
    """SM-01. A Mexican number is told without the 1 that it had until 2019."""
    with provider() as there, channel(there.port) as sms:
        if number.startswith("+521"):
            number = "+52" + number[4:]
        sms.send(envelope(to=to(number)))
    assert there.asked[0]["To"] == number


@pytest.mark.parametrize(
    "changes",
    [
        {"channel": ChannelKind.EMAIL},
        {"to": ContactPoint(system=ContactSystem.PHONE, value=MARISOL)},
        {"text": "  \n"},
        {"text": "x" * 1601},
    ],
    ids=["for e-mail", "no mobile", "empty", "too long"],
)
def test_what_is_no_text_message_does_not_leave(changes: dict[str, object]) -> None:
    """Refused before anything is asked."""
    with provider() as there, channel(there.port) as sms, pytest.raises(Refused):
        sms.send(envelope(**changes))
    assert there.asked == []


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (Failure(400, 21610), Refused),
        (Failure(400, 21211), Refused),
        (Failure(400, 21614), Refused),
        (Failure(400, 21617), Refused),
        (Failure(400, 99999), Refused),
        (Failure(422), Refused),
        (Failure(400, 21606), Unavailable),
        (Failure(400, 21612), Unavailable),
        (Failure(400, 30034), Unavailable),
        (Failure(400, 21611), Unavailable),
        (Failure(401, 20003), Unavailable),
        (Failure(403), Unavailable),
        (Failure(404, 20404), Unavailable),
        (Failure(408), Unavailable),
        (Failure(429, 20429), Unavailable),
        (Failure(429), Unavailable),
        (Failure(503), Unavailable),
        (Failure(307, headers={"Location": "https://elsewhere.example/"}), Unavailable),
        (Failure(500), Unknown),
        (Failure(502), Unknown),
        (Failure(504), Unknown),
        (Failure(303), Unknown),
        (Failure(drops=True), Unknown),
        (Failure(drops=True, accepts=True), Unknown),
        (Failure(hangs=1.5, accepts=True), Unknown),
    ],
    ids=str,
)
def test_three_failures_are_told_apart(failure: Failure, kind: type[DeliveryError]) -> None:
    """SM-07, SM-08: only what was provably not taken is tried again; a gateway's 502 proves nothing."""
    with provider() as there, channel(there.port, timeout=1) as sms:
        there.will(failure)
        with pytest.raises(DeliveryError) as raised:
            sms.send(envelope())
        assert type(raised.value) is kind
        assert len(there.asked) == 1
    assert WORDS not in str(raised.value)
    assert MARISOL not in str(raised.value)
    assert raised.value.__cause__ is None


def test_an_answer_that_is_no_json_is_still_an_acceptance() -> None:
    """2xx is a promise; without an id the status callback tells it."""
    with provider() as there, channel(there.port) as sms:
        there.will(Failure(201, raw=b"[" * 50_000), Failure(201, raw=b'{"sid": "not an id: Marisol"}'))
        assert sms.send(envelope()).provider_id is None
        assert sms.send(envelope()).provider_id is None


def test_nobody_listens() -> None:
    """Connection refused: it never left."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        with channel(reserved.getsockname()[1]) as sms, pytest.raises(Unavailable, match="was not sent: no connection"):
            sms.send(envelope())


def test_a_provider_that_takes_the_connection_and_reads_nothing() -> None:
    """The request was written: nobody knows. Bounded as a whole."""
    with socket.create_server(("127.0.0.1", 0)) as listener, channel(listener.getsockname()[1], timeout=0.6) as sms:
        started = time.monotonic()
        with pytest.raises(Unknown):
            sms.send(envelope())
        assert time.monotonic() - started < 2


def test_an_answer_in_drops_does_not_hold_the_send_longer_than_it_may() -> None:
    """One byte at a time is always in time for a socket, never for the whole."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def play() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(65_536)
                try:
                    for _ in range(40):
                        sock.sendall(b"H")
                        time.sleep(0.1)
                except OSError:
                    return

        thread = threading.Thread(target=play, daemon=True)
        thread.start()
        with channel(listener.getsockname()[1], timeout=0.6) as sms:
            started = time.monotonic()
            with pytest.raises(Unknown):
                sms.send(envelope())
            assert time.monotonic() - started < 2
        thread.join(6)


def test_a_sender_does_not_wait_for_ever_for_a_connection() -> None:
    """All of them held by a provider that hangs: the next one was provably not sent."""
    with provider() as there, channel(there.port, connections=1, timeout=2) as sms:
        there.will(Failure(hangs=1.8))
        first = threading.Thread(target=sms.send, args=(envelope(),), daemon=True)
        first.start()
        while not there.asked:
            time.sleep(0.01)
        with pytest.raises(Unavailable, match="busy"):
            sms.send(envelope(communication=8))
        first.join(5)
    assert len(there.asked) == 1


def test_what_was_given_up_before_it_left_does_not_leave_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is up while a name is looked up: nothing may be sent when it is found at last."""
    found = threading.Event()
    looking = socket.getaddrinfo

    def slow(*told: object, **more: object) -> object:
        found.wait(5)
        return looking(*told, **more)  # type: ignore[arg-type]

    with provider() as there, channel(there.port, timeout=0.5) as sms:
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        with pytest.raises(Unavailable, match="not sent"):
            sms.send(envelope())
        found.set()
        time.sleep(0.5)
        assert there.asked == []


def test_an_opt_out_at_the_provider_is_recorded_at_once_and_not_retried() -> None:
    """SM-08, SM-14: 21610; regulation 37."""
    with provider(opted_out={(MARISOL, OURS)}) as there, channel(there.port) as sms:
        sms.hear(box := Box())
        with pytest.raises(Refused):
            sms.send(envelope())
    (receipt,) = box.receipts.values()
    assert receipt.opted_out
    assert not receipt.address_bad
    assert (receipt.communication, receipt.code, receipt.status) == (7, "21610", ReceiptStatus.FAILED)
    assert there.stored == []


@pytest.mark.parametrize("code", [21211, 21614])
def test_a_number_that_cannot_take_texts_is_marked(code: int) -> None:
    """SM-01: written to no more."""
    with provider() as there, channel(there.port) as sms:
        sms.hear(box := Box())
        there.will(Failure(400, code))
        with pytest.raises(Refused):
            sms.send(envelope())
    (receipt,) = box.receipts.values()
    assert receipt.address_bad
    assert not receipt.opted_out


def test_an_opt_out_that_cannot_be_recorded_is_met_again() -> None:
    """The database is away: the send is refused all the same, and the next one is too."""
    with provider(opted_out={(MARISOL, OURS)}) as there, channel(there.port) as sms:
        sms.hear(box := Box())
        box.fails = StoreUnavailable("the database is away")
        with pytest.raises(Refused):
            sms.send(envelope())
        box.fails = None
        with pytest.raises(Refused):
            sms.send(envelope(communication=8))
    assert [one.communication for one in box.receipts.values()] == [8]


def test_a_sender_that_is_not_registered_stops(capsys: pytest.CaptureFixture[str]) -> None:
    """SM-08, SM-16; regulation 45: told once, not asked again for a while, and then again."""
    clock = SetClock(NOW)
    with provider() as there, channel(there.port, clock) as sms:
        there.will(Failure(400, 30034))
        for _ in range(3):
            with pytest.raises(Unavailable):
                sms.send(envelope())
        assert len(there.asked) == 1
        clock.set(NOW + rests.STOPPED + 1)
        sms.send(envelope())
    (line,) = [one for one in logged(capsys) if one["event"] == "sms.sender-stopped"]
    assert (line["level"], line["channel"], line["name"], line["code"]) == ("error", "sms", "sms", 30034)


def test_another_sender_goes_on_while_one_is_stopped() -> None:
    """SM-16."""
    other = "+13125550199"
    with (
        provider(senders={OURS, other}) as there,
        channel(there.port, senders={"north@lakeside.example": other}) as sms,
    ):
        there.will(Failure(400, 21606))
        with pytest.raises(Unavailable):
            sms.send(envelope())
        sms.send(envelope(communication=8, sender_address="north@lakeside.example"))
    assert len(there.stored) == 1


def test_a_provider_that_asks_for_a_pause_gets_it() -> None:
    """SM-08: 429 with Retry-After; nothing is asked meanwhile, and then all goes on."""
    clock = SetClock(NOW)
    with provider() as there, channel(there.port, clock) as sms:
        there.will(Failure(429, 20429, headers={"Retry-After": "7"}))
        for _ in range(3):
            with pytest.raises(Unavailable):
                sms.send(envelope())
        assert len(there.asked) == 1
        clock.set(NOW + 7_001)
        sms.send(envelope())
        there.will(Failure(429, 20429, headers={"Retry-After": "999999"}))
        with pytest.raises(Unavailable):
            sms.send(envelope())
        clock.set(NOW + 7_001 + 60_001)  # never longer than a minute, whatever is asked
        sms.send(envelope())


def test_many_threads_share_few_connections() -> None:
    """Thread-safe and bounded."""
    with provider() as there, channel(there.port, connections=3, timeout=20) as sms:
        threads = [threading.Thread(target=sms.send, args=(envelope(communication=number),)) for number in range(1, 25)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(int(one["StatusCallback"].rpartition("=")[2]) for one in there.asked) == list(range(1, 25))


def test_nothing_of_a_patient_is_in_any_log(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Law 4: also not in the HTTP library's, whose URLs hold a number when something is looked up."""
    with caplog.at_level(0), provider() as there, channel(there.port, timeout=1) as sms:
        sms.send(envelope())
        there.will(Failure(400, 21614), Failure(400, 21606))
        for _ in range(2):
            with pytest.raises(DeliveryError):
                sms.send(envelope(communication=8))
        with pytest.raises(Unavailable):
            sms.recognise(envelope(communication=9), NOW)
    everything = caplog.text + str(capfd.readouterr()) + repr(sms) + repr(envelope())
    for secret in (MARISOL, MARISOL[1:], WORDS, ACCOUNT):
        assert secret not in everything
