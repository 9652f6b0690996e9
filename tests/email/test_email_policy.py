"""Through a relay, a message that needs TLS leaves only if the relay is known to keep it; nothing of it is told to anybody."""

# ruff: noqa: SIM117 - the relay, then the channel, then the failure: nesting tells the order
from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bounce_parts import ADDRESS, SECRET, TOKENS
from email_parts import NOW, WORDS, Authority, Post, channel, envelope, free_port, relay, script, until_dot

from connectors import channels
from connectors.channels.email.bounces.options import BounceOptions, ListenOptions, MailboxOptions
from connectors.channels.email.compose import compose
from connectors.channels.email.limits import Limits
from connectors.channels.email.options import EmailOptions
from gateway.model.errors import DeliveryError, Insecure, Refused, Unavailable

BOUNCES = {"address": ADDRESS, "secret": SECRET}


def test_a_relay_that_may_go_on_in_clear_gets_only_what_may() -> None:
    """EM-01, EM-02, EM-09: TLS to the relay says nothing of the last hop; Insecure before anybody rings."""
    with channel(free_port(), relay_enforces_tls="no") as mail, pytest.raises(Insecure):
        mail.send(envelope())
    with relay(post := Post()) as port, channel(port, relay_enforces_tls="no") as mail:
        mail.send(envelope(open_allowed=True))
        with pytest.raises(Insecure):
            mail.send(envelope())
    assert len(post.taken) == 1
    assert len(post.peers) == 1


@pytest.mark.parametrize("offers", [True, False])
def test_requiretls_is_asked_for_where_it_is_offered(ca: Authority, offers: bool) -> None:
    """EM-07, RFC 8689: the parameter inside TLS; not offered: Insecure, no MAIL; never for what may go in clear."""

    class Offering(Post):
        async def handle_EHLO(
            self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
        ) -> list[str]:
            session.host_name = hostname
            return [*responses[:-1], *(["250-REQUIRETLS"] if offers and session.ssl else []), responses[-1]]

    told = {
        "host": "localhost",
        "tls": "required",
        "ca_file": str(ca.file),
        "requiretls": "yes",
        "relay_enforces_tls": "no",
    }
    seen: list[Any] = []

    class Seeing(Offering):
        async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
            seen.append(list(options))
            return await super().handle_MAIL(server, session, envelope, address, options)

    with relay(post := Seeing(), starttls=ca.server(["localhost"])) as port, channel(port, **told) as mail:
        mail.send(envelope(open_allowed=True))
        if offers:
            with pytest.raises(Refused, match="555"):  # aiosmtpd does not know what it was told to offer: it was asked
                mail.send(envelope())
        else:
            with pytest.raises(Insecure, match="REQUIRETLS"):
                mail.send(envelope())
    assert len(post.taken) == 1
    assert not any("REQUIRETLS" in one for one in seen)
    assert b"TLS-Required" not in post.taken[0].content


def test_what_is_to_be_reported_is_asked_for() -> None:
    """EM-24, RFC 3461: headers only come back, ENVID and ORCPT ours; a server that does not offer it is not asked."""
    heard: list[bytes] = []

    def play(reader: Any, sock: Any) -> None:
        sock.sendall(b"220 hello\r\n")
        while line := reader.readline():
            heard.append(line.strip())
            verb = line[:4].upper()
            if verb == b"EHLO":
                sock.sendall(b"250-hello\r\n250 DSN\r\n")
            elif verb == b"DATA":
                sock.sendall(b"354 go on\r\n")
                while reader.readline() not in (b".\r\n", b""):
                    continue
                sock.sendall(b"250 OK\r\n")
            else:
                sock.sendall(b"250 OK\r\n")

    with script(play) as port, channel(port, bounces=BOUNCES) as mail:
        mail.send(envelope(communication=77))
    with script(play) as port, channel(port, bounces={**BOUNCES, "delivered": "yes"}) as mail:
        mail.send(envelope(communication=78))
    assert heard[1] == f"MAIL FROM:<{TOKENS.path(77)}> RET=HDRS ENVID={TOKENS.of(77)}".encode()
    assert heard[2] == b"RCPT TO:<marisol@patients.example> NOTIFY=FAILURE,DELAY ORCPT=rfc822;marisol@patients.example"
    assert any(b"NOTIFY=SUCCESS,FAILURE,DELAY" in line for line in heard)
    with relay(post := Post()) as port, channel(port, bounces=BOUNCES) as mail:
        mail.send(envelope(communication=77))
    assert post.taken[0].mail_from == TOKENS.path(77)
    assert not any("ENVID" in option for option in post.taken[0].mail_options)
    assert b'From: "Lakeside Health" <no-reply@lakeside.example>' in post.taken[0].content


def test_a_domain_is_not_called_upon_by_too_many_at_a_time() -> None:
    """Two conversations with one domain, while another has its own."""
    limits = Limits(at_a_time=1, per_minute=None, patience=0.1)
    with limits.turn("a.example"), limits.turn("b.example"):
        with pytest.raises(Unavailable, match="busy"):
            with limits.turn("a.example"):
                pass
    with limits.turn("a.example"):
        pass
    waiting = Limits(at_a_time=1, per_minute=None, patience=5)
    done = threading.Event()

    def second() -> None:
        with waiting.turn("a.example"):
            done.set()

    with waiting.turn("a.example"):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.05)
        assert not done.is_set()
    assert done.wait(5)
    thread.join()


def test_a_domain_gets_its_messages_of_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Further ones wait: Unavailable, nothing connected; the minute slides."""
    with relay(post := Post()) as port, channel(port, domain_per_minute=2) as mail:
        mail.send(envelope())
        mail.send(envelope())
        with pytest.raises(Unavailable, match="minute"):
            mail.send(envelope())
        assert len(post.taken) == 2
        later = time.monotonic() + 61
        monkeypatch.setattr("connectors.channels.email.limits.time.monotonic", lambda: later)
        mail._way._limits._take("patients.example")


def test_many_domains_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered of domains is bounded; those in use are kept."""
    monkeypatch.setattr("connectors.channels.email.limits._DOMAINS", 3)
    limits = Limits(at_a_time=1, per_minute=1, patience=0)
    with limits.turn("busy.example"):
        for number in range(20):
            with limits.turn(f"{number}.example"):
                pass
        assert "busy.example" in limits._domains
        assert len(limits._domains) <= 4


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/u",
        "https://a.example/u>\r\nBcc: x@x.example",
        "https://a.example/a,b",
        "https://a.example/u v",
        "mailto:a@b.example",
    ],
)
def test_only_a_plain_https_address_unsubscribes(url: str) -> None:
    """EM-21, EM-14, regulation 47."""
    with pytest.raises(Refused, match="List-Unsubscribe"):
        compose(envelope(unsubscribe=url), now=NOW)


def test_two_tries_are_the_same_bytes() -> None:
    """EM-13: dated by the request, not by the try."""
    first = envelope(at=NOW - 5000)
    assert compose(first, now=NOW).content == compose(first, now=NOW + 86_400_000).content
    assert compose(replace(first, at=None), now=NOW).content != compose(first, now=NOW).content


def test_no_address_and_no_word_is_told(ca: Authority, capsys: pytest.CaptureFixture[str]) -> None:
    """Canary: every way to fail, with the recipient, the words and the secret looked for in exceptions, logs and output."""
    canary = ("marisol", "Zyxxel", "patients.example", SECRET)
    told: list[str] = []
    caught = _Caught()
    logging.getLogger().addHandler(caught)

    def fails(mail: Any, **changes: Any) -> None:
        with pytest.raises(DeliveryError) as failed:
            mail.send(envelope(text="Zyxxel", html=None, **changes))
        told.append(f"{failed.value!r} {failed.value.__cause__!r}")

    try:
        for step in ("mail", "rcpt", "data"):
            with relay(Post(**{step: f"550 {WORDS} marisol@patients.example"})) as port:
                with channel(port, bounces=BOUNCES) as mail:
                    fails(mail)
        with relay(Post(), starttls=ca.server(["other.example"])) as port:
            with channel(port, host="localhost", tls="required", ca_file=str(ca.file)) as mail:
                fails(mail)
        with channel(free_port(), relay_enforces_tls="no") as mail:
            fails(mail)
            fails(mail, open_allowed=True)
        with script(until_dot) as port, channel(port) as mail:
            fails(mail)
    finally:
        logging.getLogger().removeHandler(caught)
    out = capsys.readouterr()
    whole = "\n".join((*told, out.out, out.err, *caught.lines))
    assert len(told) == 7
    assert not [one for one in canary if one in whole]
    with channel(free_port(), bounces=BOUNCES) as mail:
        assert SECRET not in repr(mail._options)


def test_every_option_stands_in_the_table() -> None:
    """The operator reads what there is."""
    table = (Path(channels.__file__).parent / "README.md").read_text(encoding="utf-8")
    for field in EmailOptions.model_fields:
        assert f"`{field}`" in table, field
    inner = {"": BounceOptions, "listen.": ListenOptions, "mailbox.": MailboxOptions}
    for head, model in inner.items():
        for field in model.model_fields:
            assert f"`{head}{field}`" in table or f"`{field}." in table, field


class _Caught(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(("mail.", "asyncio")):  # the test's own relay
            self.lines.append(record.getMessage())
