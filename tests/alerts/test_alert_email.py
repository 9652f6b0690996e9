"""Alerts by e-mail against a real relay: staff get one message each, in one thread, and nobody else gets any."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from email_parts import Authority, Post, free_port, relay

from connectors.alerts.email import EmailAlerts
from gateway.model.alert import Alert, AlertWord
from gateway.model.errors import ConfigError, Refused, Unavailable
from gateway.ports import SetClock

STAFF = ["interfaces@lakeside.example", "operator@lakeside.example"]


@contextmanager
def desk(port: int, **options: Any) -> Iterator[EmailAlerts]:
    """A sink through a relay on loopback."""
    told = {
        "host": "127.0.0.1",
        "port": str(port),
        "tls": "off",
        "timeout": "5",
        "to": STAFF,
        "sender": "caregate@lakeside.example",
        **options,
    }
    sink = EmailAlerts("desk", told, SetClock(0))
    try:
        yield sink
    finally:
        sink.close()


def read(taken: Any) -> email.message.EmailMessage:
    """A message as the relay took it."""
    message = email.message_from_bytes(taken.content, policy=email.policy.default)
    assert isinstance(message, email.message.EmailMessage)
    return message


def test_each_of_the_staff_gets_one_message(alert: Alert) -> None:
    """Alerts: one recipient each; subject and sentence in closed words; marked as written by a machine (RFC 3834)."""
    with relay(post := Post()) as port, desk(port) as sink:
        sink.tell(alert)
    assert [taken.rcpt_tos for taken in post.taken] == [[one] for one in STAFF]
    message = read(post.taken[0])
    assert message["Subject"] == "[caregate] production: feed-silent ehr: raised"
    assert message["From"] == "Caregate <caregate@lakeside.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime.timestamp() * 1000 == alert.at
    assert message.get_content().startswith(alert.text)


def test_all_tellings_of_one_condition_are_one_thread(alert: Alert) -> None:
    """RFC 5322 §3.6.4: raised, lasting, resolved; a second time raised is told apart."""
    with relay(post := Post()) as port, desk(port, to=STAFF[:1]) as sink:
        for word, later in (
            (AlertWord.RAISED, 0),
            (AlertWord.LASTING, 1),
            (AlertWord.LASTING, 2),
            (AlertWord.RESOLVED, 3),
        ):
            sink.tell(replace(alert, word=word, at=alert.at + later))
    first, *others = map(read, post.taken)
    assert {one["In-Reply-To"] for one in others} == {first["Message-ID"]}
    assert len({one["Message-ID"] for one in (first, *others)}) == 4


def test_with_tls_and_a_login_as_the_channel_has_them(alert: Alert, ca: Authority) -> None:
    """Alerts: the relay's options are those of the e-mail channel, verified TLS included."""
    post = Post()
    login = {"username": "relay", "password": "sesame"}
    with (
        relay(
            post,
            starttls=ca.server(["127.0.0.1"]),
            authenticator=post.authenticate,
            auth_required=True,
            require_starttls=True,
        ) as port,
        desk(port, tls="required", ca_file=str(ca.file), **login) as sink,
    ):
        sink.tell(alert)
    assert len(post.taken) == 2


def test_nobody_reached_is_a_failure_some_reached_is_none(alert: Alert) -> None:
    """Alerts: who was reached does not get it twice because a colleague was not."""
    with relay(post := Post(rcpt="550 no such mailbox")) as port, desk(port) as sink, pytest.raises(Refused):
        sink.tell(alert)
    assert post.taken == []

    class Picky(Post):
        async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
            self.rcpt = "250 OK" if address == STAFF[1] else "550 no such mailbox"
            return await super().handle_RCPT(server, session, envelope, address, options)

    with relay(picky := Picky()) as port, desk(port) as sink:
        sink.tell(alert)
    assert [taken.rcpt_tos for taken in picky.taken] == [[STAFF[1]]]


def test_no_relay_is_unavailable(alert: Alert) -> None:
    """Alerts: the ledger tries again."""
    with desk(free_port()) as sink, pytest.raises(Unavailable):
        sink.tell(alert)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"to": []}, "alerts.desk.to"),
        ({"to": ["a@b.example\r\nBcc: c@d.example"]}, "alerts.desk.to.0: must be one e-mail address"),
        ({"sender": "Care <a@b.example>"}, "alerts.desk.sender: must be one e-mail address"),
        ({"host": "mail.example", "tls": "off"}, "only for a relay on loopback"),
        ({"colour": "red"}, "alerts.desk.colour"),
    ],
)
def test_what_cannot_be_right_is_refused(options: dict[str, object], said: str) -> None:
    """Alerts: at the option's name."""
    with pytest.raises(ConfigError, match=said), desk(25, **options):
        pass
