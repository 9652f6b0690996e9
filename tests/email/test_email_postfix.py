"""Through a real mail transfer agent: what it bounces comes home to the message it was, and TLS is kept to the end."""

# ruff: noqa: SIM117 - one world within another: nesting tells the order
from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from bounce_parts import ADDRESS, SECRET, Remembering
from email_parts import NOW, Authority, Post, envelope, free_port
from mx_parts import guise
from postfix_parts import Postfix, postfix

from connectors.channels.email import EmailChannel
from connectors.channels.email.bounces import reading
from gateway.model.comingback import ReceiptStatus
from gateway.ports import SetClock

pytestmark = pytest.mark.slow


@contextmanager
def clinic(
    ca: Authority, kind: str, post: Post, monkeypatch: pytest.MonkeyPatch, **settings: str
) -> Iterator[tuple[EmailChannel, Remembering, Postfix, list[bytes]]]:
    """Our channel → postfix → the patients' server in one of its guises; bounces → our listener."""
    returned: list[bytes] = []
    real = reading.read_report
    monkeypatch.setattr(reading, "read_report", lambda raw, **more: (returned.append(raw), real(raw, **more))[1])
    mx, door, inbox = free_port(), free_port(), Remembering()
    tls = {
        "smtp_tls_security_level": "verify",
        "smtp_tls_CAfile": str(ca.file),
        "smtp_tls_verify_cert_match": "hostname",
        "smtp_tls_policy_maps": f"inline:{{ {{lakeside.example = none}} {{[localhost]:{door} = none}} }}",
        **settings,
    }
    with guise(kind, ca, "localhost", "127.0.0.1", mx, post):
        with postfix({"patients.example": mx, "lakeside.example": door}, **tls) as mta:
            told: dict[str, Any] = {
                "host": "127.0.0.1", "port": mta.port, "tls": "off", "relay_enforces_tls": "yes", "timeout": 15,
                "bounces": {"address": ADDRESS, "secret": SECRET, "delivered": "yes", "listen": {"port": door}},
            }  # fmt: skip
            made = EmailChannel("email", told, SetClock(NOW))
            made.hear(inbox)
            try:
                yield made, inbox, mta, returned
            finally:
                made.close()


def wait(inbox: Remembering, mta: Postfix) -> None:
    """Until something came back."""
    assert inbox.told.wait(20), mta.log()[-3000:]
    inbox.told.clear()


def test_a_real_bounce_comes_home(ca: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """EM-24, regulation 49: 550 at the patients' server; postfix's own multipart/report, with ENVID and headers only."""
    post = Post(rcpt="550 5.1.1 no such user")
    with clinic(ca, "good", post, monkeypatch) as (mail, inbox, mta, returned):
        handover = mail.send(envelope(communication=4711, text="Hello Marisol, Zyxxel\n", html=None))
        assert handover.provider_id is not None
        wait(inbox, mta)
    (receipt,) = inbox.receipts
    assert receipt.communication == 4711
    assert receipt.status is ReceiptStatus.BOUNCED
    assert receipt.code == "5.1.1"
    assert receipt.address_bad
    assert receipt.message_id == "<7.1@lakeside.example>"
    (raw,) = returned
    assert b"multipart/report" in raw
    assert b"Original-Envelope-Id:" in raw
    assert b"Original-Recipient: rfc822;marisol@patients.example" in raw
    assert b"Zyxxel" not in raw, "the body came back: RET=HDRS was not asked for"


@pytest.mark.parametrize(
    ("answer", "code", "bad"),
    [("552 5.2.2 full", "5.2.2", False), ("550 5.7.1 no", "5.7.1", False), ("550 5.2.1 off", "5.2.1", True)],
)
def test_a_full_mailbox_and_a_policy_blame_no_address(
    ca: Authority, monkeypatch: pytest.MonkeyPatch, answer: str, code: str, bad: bool
) -> None:
    """EM-24: through a real agent."""
    with clinic(ca, "good", Post(rcpt=answer), monkeypatch) as (mail, inbox, mta, _):
        mail.send(envelope())
        wait(inbox, mta)
    assert [(one.status, one.code, one.address_bad) for one in inbox.receipts] == [(ReceiptStatus.BOUNCED, code, bad)]


def test_a_delivery_is_reported_as_far_as_it_is_known(ca: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """EM-24: to a server that reports nothing itself, postfix says relayed: handed over, not delivered."""
    with clinic(ca, "good", post := Post(), monkeypatch) as (mail, inbox, mta, _):
        mail.send(envelope())
        wait(inbox, mta)
    assert len(post.taken) == 1
    assert [(one.status, one.communication) for one in inbox.receipts] == [(ReceiptStatus.HANDED_OVER, 7)]


@pytest.mark.parametrize("kind", ["no-starttls", "wrong-name", "self-signed"])
def test_a_relay_that_enforces_tls_does(ca: Authority, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """EM-03, EM-09: `smtp_tls_security_level = verify` is what `relay_enforces_tls` stands for: no DATA; delayed is no bounce."""
    quick = {"delay_warning_time": "1s", "queue_run_delay": "1s", "minimal_backoff_time": "1s"}
    with clinic(ca, kind, post := Post(), monkeypatch, **quick) as (mail, inbox, mta, _):
        mail.send(envelope())
        mta.until("status=deferred")
        wait(inbox, mta)
        time.sleep(0.2)
    assert post.taken == []
    assert {one.status for one in inbox.receipts} == {ReceiptStatus.DELAYED}
