"""What the provider tells the gateway: read only when signed, answered only when kept, harmless however it is told."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
from sms_parts import (
    ACCOUNT,
    MARISOL,
    NOW,
    OURS,
    TOKEN,
    WORDS,
    Box,
    channel,
    envelope,
    logged,
    mounted,
    options,
    post,
    provider,
    sign,
    signed_post,
)

from connectors.channels.sms import SmsChannel, webhooks
from gateway.model.comingback import ReceiptStatus, Reply, ReplyMeaning
from gateway.model.errors import ConfigError, StoreUnavailable, Unavailable
from gateway.ports import Door, SetClock

PUBLIC = "https://gateway.lakeside.example"
STATUS, INBOUND = f"{PUBLIC}/sms/sms/status", f"{PUBLIC}/sms/sms/inbound"
FORM = {"MessageSid": "SM1", "From": MARISOL, "To": OURS, "Body": f"{WORDS} ¿qué?", "AccountSid": ACCOUNT, "Neu": ""}


@dataclass
class Here:
    """A gateway's door with one channel behind it."""

    port: int
    box: Box
    sms: SmsChannel


@pytest.fixture
def here() -> Iterator[Here]:
    """The webhooks on a real server, an inbox behind them."""
    with channel(9) as sms:
        sms.hear(box := Box())
        with mounted(list(sms.routes(Door(loopback=True)))) as port:
            yield Here(port, box, sms)


def status(here: Here, word: str, *, sid: str = "SM1", query: str = "?c=7", **more: str) -> int:
    """A status callback's answer."""
    form = {"MessageSid": sid, "MessageStatus": word, "To": MARISOL, "From": OURS, **more}
    return signed_post(STATUS + query, form, port=here.port)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("accepted", ReceiptStatus.QUEUED),
        ("queued", ReceiptStatus.QUEUED),
        ("sending", ReceiptStatus.QUEUED),
        ("sent", ReceiptStatus.HANDED_OVER),
        ("delivered", ReceiptStatus.DELIVERED),
        ("undelivered", ReceiptStatus.UNDELIVERED),
        ("failed", ReceiptStatus.FAILED),
        ("canceled", ReceiptStatus.FAILED),
    ],
)
def test_a_status_is_kept_as_what_it_means(here: Here, word: str, expected: ReceiptStatus) -> None:
    """SM-06: sent is no delivery. Our own id, signed with the URL, finds the attempt."""
    assert status(here, word) == 200
    (receipt,) = here.box.receipts.values()
    assert (receipt.status, receipt.communication, receipt.provider_id, receipt.at) == (expected, 7, "SM1", NOW)


@pytest.mark.parametrize(
    ("code", "bad", "opted_out"),
    [
        ("30003", False, False),
        ("30005", False, False),
        ("30006", True, False),
        ("30007", False, False),
        ("21610", False, True),
    ],
)
def test_a_failure_says_whose_it_is(here: Here, code: str, bad: bool, opted_out: bool) -> None:
    """SM-01, SM-08, SM-14: a landline is written to no more; unreachable today and filtered are not its fault."""
    assert status(here, "undelivered", ErrorCode=code) == 200
    (receipt,) = here.box.receipts.values()
    assert (receipt.code, receipt.address_bad, receipt.opted_out) == (code, bad, opted_out)


def test_doubled_and_disordered_callbacks_are_one_event_each(here: Here) -> None:
    """SM-06, EM-28: delivered before sent, everything twice."""
    for word in ("delivered", "sent", "delivered", "queued", "sent"):
        assert status(here, word) == 200
    assert list(here.box.receipts) == ["SM1:delivered", "SM1:sent", "SM1:queued"]


def test_a_status_nobody_has_heard_of_is_kept_and_changes_nothing(here: Here) -> None:
    """EM-28: unknown event types are stored."""
    assert status(here, "partially_delivered") == 200
    (receipt,) = here.box.receipts.values()
    assert (receipt.status, receipt.code) == (ReceiptStatus.QUEUED, "partially_delivered")


@pytest.mark.parametrize("query", ["", "?c=", "?c=x", "?c=99999999999999999999", "?c=9223372036854775808", "?d=7"])
def test_a_callback_without_our_id_is_found_by_the_provider_s(here: Here, query: str) -> None:
    """What is no id of ours is none."""
    assert status(here, "delivered", query=query) == 200
    (receipt,) = here.box.receipts.values()
    assert (receipt.communication, receipt.provider_id) == (None, "SM1")


@pytest.mark.parametrize(
    "form", [{}, {"MessageSid": "SM1"}, {"MessageStatus": "sent"}, {"MessageSid": "a b", "MessageStatus": "sent"}]
)
def test_what_tells_nothing_is_taken_and_forgotten(here: Here, form: dict[str, str]) -> None:
    """Signed, so the provider's: no need to tell it again."""
    assert signed_post(STATUS, form, port=here.port) == 200
    assert here.box.receipts == {}


def test_a_callback_about_a_message_of_somebody_else_is_answered(
    here: Here, capsys: pytest.CaptureFixture[str]
) -> None:
    """EM-25: backscatter; answered, else it would come for ever."""
    here.box.foreign = True
    assert status(here, "delivered") == 200
    assert [one["event"] for one in logged(capsys)] == ["sms.status-foreign"]


def test_what_a_patient_writes_is_passed_on(here: Here) -> None:
    """SM-18: whatever it holds, an emergency too; from whom, to which of our numbers, under which id."""
    answer = post(
        INBOUND, urlencode(FORM).encode(), {"X-Twilio-Signature": sign(INBOUND, FORM)}, port=here.port
    )  # fmt: skip
    assert answer == (200, b'<?xml version="1.0" encoding="UTF-8"?><Response/>')
    (reply,) = here.box.replies.values()
    assert (reply.event, reply.sender, reply.to, reply.text) == ("SM1", MARISOL, OURS, FORM["Body"])
    assert reply.provider_opt_out is None
    assert WORDS not in repr(reply)
    assert MARISOL not in repr(reply)


@pytest.mark.parametrize("word", ["STOP", "START", "HELP"])
def test_what_the_provider_answered_itself_is_told(here: Here, word: str) -> None:
    """SM-14: OptOutType."""
    assert signed_post(INBOUND, {**FORM, "Body": "Basta", "OptOutType": word}, port=here.port) == 200
    (reply,) = here.box.replies.values()
    assert reply.provider_opt_out is ReplyMeaning(word.lower())


def test_a_reply_told_twice_is_one(here: Here) -> None:
    """EM-28: a replay of an old call too; the signature has no time in it, the event's id does not change."""
    for _ in range(3):
        assert signed_post(INBOUND, FORM, port=here.port) == 200
    assert len(here.box.replies) == 1


@pytest.mark.parametrize(
    "changes", [{"From": "Marisol"}, {"From": ""}, {"To": "whatsapp:+13125550100"}, {"MessageSid": ""}]
)
def test_what_comes_from_nowhere_is_no_reply(here: Here, changes: dict[str, str]) -> None:
    """Nobody could be found by it."""
    assert signed_post(INBOUND, {**FORM, **changes}, port=here.port) == 200
    assert here.box.replies == {}


def test_an_endless_text_is_cut(here: Here) -> None:
    """Longer than any network carries."""
    assert signed_post(INBOUND, {**FORM, "Body": "x" * 10_000}, port=here.port) == 200
    assert len(here.box.replies["SM1"].text) == 4_096


# ---------------------------------------------------------------- who is refused


def refused(here: Here, url: str, body: bytes, headers: dict[str, str], method: str = "POST") -> None:
    """403, with nothing said, and nothing told to anybody."""
    assert post(url, body, headers, port=here.port, method=method) == (403, b"")
    assert here.box.calls == 0


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_only_post_is_understood(here: Here, method: str) -> None:
    """Although it is signed."""
    refused(here, INBOUND, b"", {"X-Twilio-Signature": sign(INBOUND)}, method=method)


def test_an_unsigned_or_wrongly_signed_call_is_refused(here: Here) -> None:
    """SM-04."""
    body = urlencode(FORM).encode()
    for shown in (
        None,
        "",
        "x",
        sign(INBOUND),
        sign(STATUS, FORM),
        sign(INBOUND, FORM, token="wrong-token-0123456789"),
    ):
        refused(here, INBOUND, body, {} if shown is None else {"X-Twilio-Signature": shown})
    refused(here, INBOUND, body + b"&Body=STOP", {"X-Twilio-Signature": sign(INBOUND, FORM)})
    refused(here, INBOUND + "?c=8", body, {"X-Twilio-Signature": sign(INBOUND, FORM)})
    refused(here, STATUS + "?c=8", body, {"X-Twilio-Signature": sign(STATUS + "?c=7", FORM)})


def test_the_public_url_counts_whatever_the_proxy_calls(here: Here) -> None:
    """SM-04: with and without port; the Host header is nobody's proof."""
    body = urlencode(FORM).encode()
    ported = INBOUND.replace(".example", ".example:443")
    told = {"X-Twilio-Signature": sign(ported, FORM), "Host": "evil.example"}
    assert post(INBOUND, body, told, port=here.port)[0] == 200
    local = f"http://127.0.0.1:{here.port}/sms/sms/inbound"
    assert post(INBOUND, body, {"X-Twilio-Signature": sign(local, FORM)}, port=here.port)[0] == 403


def test_json_counts_only_with_the_digest_of_its_very_bytes(here: Here) -> None:
    """SM-05: the provider's own library would take it without."""
    body = json.dumps({"MessageSid": "SM2", "MessageStatus": "delivered", "Count": 1}).encode()
    json_type = {"Content-Type": "application/json; charset=utf-8"}
    refused(here, STATUS, body, {**json_type, "X-Twilio-Signature": sign(STATUS)})
    covered = f"{STATUS}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    refused(here, covered, body + b" ", {**json_type, "X-Twilio-Signature": sign(covered)})
    refused(here, covered, body, {**json_type, "X-Twilio-Signature": sign(STATUS)})
    refused(here, covered, body, {"Content-Type": "text/plain", "X-Twilio-Signature": sign(covered)})
    assert post(covered, body, {**json_type, "X-Twilio-Signature": sign(covered)}, port=here.port)[0] == 200
    assert list(here.box.receipts) == ["SM2:delivered"]


@pytest.mark.parametrize("body", [b"[1]", b"[" * 50_000, b"{", b"\xff"], ids=["a list", "deep", "half", "no text"])
def test_json_that_is_none_is_refused(here: Here, body: bytes) -> None:
    """Although it is signed."""
    url = f"{STATUS}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    refused(here, url, body, {"Content-Type": "application/json", "X-Twilio-Signature": sign(url)})


@pytest.mark.parametrize(
    "body",
    [
        b"x" * (webhooks.LONGEST + 1),
        b"&".join(b"a%d=1" % number for number in range(300)),
        b"Body=%FF",
        b"Body=\xc3\xa9",
    ],
    ids=["too long", "too many fields", "no UTF-8", "no ASCII"],
)
def test_what_no_provider_sends_is_refused(here: Here, body: bytes) -> None:
    """Bounded before it is read."""
    refused(here, INBOUND, body, {"X-Twilio-Signature": sign(INBOUND)})


def test_half_a_body_is_nothing(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too slow: refused, and nobody waits."""
    monkeypatch.setattr(webhooks, "WITHIN", 0.2)
    with socket.create_connection(("127.0.0.1", here.port), 5) as sock:
        head = f"POST /sms/sms/inbound HTTP/1.1\r\nHost: x\r\nX-Twilio-Signature: {sign(INBOUND)}\r\n"
        sock.sendall(f"{head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\nBody".encode())
        assert b" 403 " in sock.recv(4_096)
    assert here.box.calls == 0


def test_several_signatures_are_none(here: Here) -> None:
    """Nobody could say which one counts; also if the first is right."""
    body = urlencode(FORM).encode()
    head = "POST /sms/sms/inbound HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    for first, second in (("x", sign(INBOUND, FORM)), (sign(INBOUND, FORM), "x")):
        told = f"X-Twilio-Signature: {first}\r\nX-Twilio-Signature: {second}\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", here.port), 5) as sock:
            sock.sendall((head + told).encode() + body)
            assert b" 403 " in sock.recv(4_096)
    assert here.box.calls == 0


def test_a_call_from_another_address_than_the_proxy_s_is_refused() -> None:
    """`allow`."""
    with channel(9, allow=["10.1.2.3"], plaintext="yes") as sms:
        sms.hear(Box())
        with mounted(list(sms.routes(Door(loopback=False)))) as port:
            assert signed_post(INBOUND, FORM, port=port) == 403


# ---------------------------------------------------------------- law 1


def test_nothing_is_answered_before_it_is_committed(here: Here) -> None:
    """Law 1: while the database is away the provider is asked to come again, and then all is there."""
    here.box.fails = StoreUnavailable("the database is away")
    assert signed_post(INBOUND, FORM, port=here.port) == 503
    assert status(here, "delivered") == 503
    here.box.fails = None
    assert signed_post(INBOUND, FORM, port=here.port) == 200
    assert status(here, "delivered") == 200
    assert (len(here.box.replies), len(here.box.receipts)) == (1, 1)


def test_a_fault_of_ours_is_no_answer(here: Here, capsys: pytest.CaptureFixture[str]) -> None:
    """500, and nothing of it is told."""
    here.box.fails = LookupError(WORDS)
    assert post(INBOUND, urlencode(FORM).encode(), {"X-Twilio-Signature": sign(INBOUND, FORM)}, port=here.port) == (
        500,
        b"",
    )
    assert WORDS not in str(logged(capsys))


def test_before_there_is_an_inbox_and_after_closing_callers_are_asked_to_come_again() -> None:
    """Nothing would be kept."""
    with channel(9) as sms, mounted(list(sms.routes(Door(loopback=True)))) as port:
        assert signed_post(INBOUND, FORM, port=port) == 503
        sms.hear(Box())
        assert signed_post(INBOUND, FORM, port=port) == 200
        sms.close()
        assert signed_post(INBOUND, FORM, port=port) == 503


def test_too_many_at_once_are_asked_to_come_again() -> None:
    """Bounded."""
    entered, go = threading.Event(), threading.Event()

    class Slow(Box):
        def reply(self, reply: Reply) -> None:
            entered.set()
            go.wait(10)
            super().reply(reply)

    with channel(9, max_waiting=1) as sms, ThreadPoolExecutor(1) as elsewhere:
        sms.hear(Slow())
        with mounted(list(sms.routes(Door(loopback=True)))) as port:
            first = elsewhere.submit(signed_post, INBOUND, FORM, port=port)
            assert entered.wait(10)
            try:
                assert signed_post(INBOUND, {**FORM, "MessageSid": "SM2"}, port=port) == 503
            finally:
                go.set()
            assert first.result() == 200
            assert signed_post(INBOUND, FORM, port=port) == 200


def test_whoever_dawdles_unsigned_takes_nobodys_place() -> None:
    """F-14: the provider does not tell a status twice; strangers who send half a body must not cost it one."""
    with channel(9, max_waiting=1) as sms, ExitStack() as dawdlers:
        sms.hear(Box())
        with mounted(list(sms.routes(Door(loopback=True)))) as port:
            for _ in range(5):
                slow = dawdlers.enter_context(socket.create_connection(("127.0.0.1", port), 5))
                head = "POST /sms/sms/inbound HTTP/1.1\r\nHost: x\r\nX-Twilio-Signature: x\r\n"
                slow.sendall(
                    f"{head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\n".encode()
                )
            time.sleep(0.3)
            assert signed_post(INBOUND, FORM, port=port) == 200


def test_a_sender_that_a_callback_says_is_not_registered_stops(capsys: pytest.CaptureFixture[str]) -> None:
    """SM-08, SM-16: the provider accepts, and tells 30034 afterwards."""
    with provider() as there, channel(there.port) as sms:
        sms.hear(box := Box())
        with mounted(list(sms.routes(Door(loopback=True)))) as port:
            sms.send(envelope())
            assert there.call_back(there.stored[0], "undelivered", code=30034, port=port) == 200
            with pytest.raises(Unavailable, match="stopped"):
                sms.send(envelope(communication=8))
    assert len(box.receipts) == 1
    assert [one["event"] for one in logged(capsys)] == ["sms.sender-stopped"]


def test_nothing_a_patient_wrote_is_in_any_log(
    here: Here, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Law 4: taken, refused, failed."""
    with caplog.at_level(0):
        signed_post(INBOUND, FORM, port=here.port)
        signed_post(INBOUND, {**FORM, "From": WORDS}, port=here.port)
        signed_post(INBOUND, FORM, port=here.port, token="wrong-token-0123456789")
        here.box.fails = StoreUnavailable("the database is away")
        signed_post(INBOUND, FORM, port=here.port)
    everything = caplog.text + str(capfd.readouterr())
    for secret in (MARISOL[1:], WORDS, TOKEN):
        assert secret not in everything


# ---------------------------------------------------------------- where they may stand


@pytest.mark.parametrize(
    ("door", "changes", "problem"),
    [
        (Door(loopback=True), {}, ""),
        (Door(loopback=False, tls=True), {}, ""),
        (Door(loopback=False), {"plaintext": "yes", "allow": "10.1.2.3"}, ""),
        (Door(loopback=False), {}, "need `api.tls`"),
        (Door(loopback=False), {"plaintext": "yes"}, "name the addresses of the proxy"),
        (Door(loopback=False, tls=True), {"plaintext": "yes"}, "remove one of the two"),
        (Door(loopback=False, tls=True, certificates=True), {}, "shows no certificate"),
        (Door(loopback=False, tls=True, certificates=True), {"allow": "10.1.2.3"}, ""),
    ],
)
def test_what_patients_write_never_travels_in_clear(door: Door, changes: dict[str, Any], problem: str) -> None:
    """45 CFR 164.312(e)."""
    sms = SmsChannel("sms", options(9, **changes), SetClock(NOW))
    if problem:
        with pytest.raises(ConfigError, match=problem):
            sms.routes(door)
    else:
        assert [one.path for one in sms.routes(door)] == ["/sms/sms/status", "/sms/sms/inbound"]


def test_a_token_is_changed_without_losing_a_call() -> None:
    """Signed by the old one while it is configured."""
    with channel(9, old_auth_token="old-token-0123456789") as sms:
        sms.hear(Box())
        with mounted(list(sms.routes(Door(loopback=True)))) as port:
            assert signed_post(INBOUND, FORM, port=port, token="old-token-0123456789") == 200
            assert signed_post(INBOUND, FORM, port=port) == 200
