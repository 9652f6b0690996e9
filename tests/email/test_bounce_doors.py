"""What comes back is taken once it is committed, from an SMTP listener or a mailbox, and nobody is ever answered."""

# ruff: noqa: SIM117 - one world within another: nesting tells the order
from __future__ import annotations

import smtplib
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bounce_parts import ADDRESS, SECRET, TOKENS, Remembering, arf, dsn
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from email_parts import NOW, Authority, _certificate, free_port
from imap_parts import Box, imap

from connectors.channels.email import EmailChannel
from connectors.channels.email.bounces.listener import Listener
from connectors.channels.email.bounces.mailbox import Mailbox
from connectors.channels.email.bounces.options import MailboxOptions
from connectors.channels.email.bounces.reading import Reading
from gateway.model.comingback import ReceiptStatus
from gateway.model.errors import CommandError, ConfigError, StoreUnavailable, Unavailable
from gateway.ports import Hears, SetClock, Vouches


@contextmanager
def hearing(inbox: Remembering, **doors: Any) -> Iterator[Any]:
    """A channel that hears through these doors; yields the first of them."""
    bounces = {"address": ADDRESS, "secret": SECRET, **doors}
    made = EmailChannel("email", {"host": "127.0.0.1", "tls": "off", "bounces": bounces}, SetClock(NOW))
    assert isinstance(made, Hears)
    assert isinstance(made, Vouches)
    made.hear(inbox)
    assert made._hearing is not None
    try:
        yield made._hearing.doors[0] if made._hearing.doors else None
    finally:
        made.close()


def until(holds: Callable[[], bool]) -> None:
    """Wait for it, ten seconds at most."""
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def hand(port: int, raw: bytes, *to: str, sender: str = "") -> None:
    """As a mail server would."""
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as smtp:
        smtp.sendmail(sender, list(to), raw)


def test_a_bounce_is_accepted_once_it_is_committed() -> None:
    """EM-24, law 1: 250 after the inbox; while the database is away 451, and the same again is told then."""
    inbox = Remembering()
    with hearing(inbox, listen={"port": 0}) as door:
        hand(door.port, dsn(77), TOKENS.path(77))
        assert [(one.communication, one.status, one.at) for one in inbox.receipts] == [(77, ReceiptStatus.BOUNCED, NOW)]
        inbox.away = True
        with pytest.raises(smtplib.SMTPDataError) as refused:
            hand(door.port, dsn(78), TOKENS.path(78))
        assert refused.value.smtp_code == 451
        inbox.away = False
        hand(door.port, dsn(78), TOKENS.path(78))
        hand(door.port, arf(79), ADDRESS, sender="abusedesk@mailer.example")
        assert [one.communication for one in inbox.receipts] == [77, 78, 79]


def test_the_listener_takes_mail_for_its_own_addresses_only() -> None:
    """EM-25: no relay, no guessed return path; what is no report is taken and dropped, never answered (EM-27)."""
    inbox = Remembering()
    with hearing(inbox, listen={"port": 0}) as door:
        for stranger in ("marisol@patients.example", "bounces+aaaa@lakeside.example", "postmaster@lakeside.example"):
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                hand(door.port, dsn(77), stranger)
        hand(door.port, b"Subject: Out of office\r\n\r\nI am away", TOKENS.path(77))
        inbox.ours = False
        hand(door.port, dsn(77), TOKENS.path(77))
    assert len(inbox.receipts) == 1


def test_the_listener_is_bounded() -> None:
    """Size while reading, connections at a time."""
    with hearing(Remembering(), listen={"port": 0, "max_size": 4096, "connections": 2}) as door:
        with pytest.raises((smtplib.SMTPException, OSError)):
            hand(door.port, dsn(77) + b"x\r\n" * 4096, TOKENS.path(77))
        first, second = (smtplib.SMTP("127.0.0.1", door.port, timeout=10) for _ in range(2))
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            smtplib.SMTP("127.0.0.1", door.port, timeout=10)
        assert refused.value.smtp_code == 421
        first.quit()
        second.quit()
        until(lambda: not door._open)
        hand(door.port, dsn(77), TOKENS.path(77))


def test_beyond_loopback_a_report_comes_inside_tls_or_not_at_all(ca: Authority, tmp_path: Path) -> None:
    """A report names a patient's address: STARTTLS first, then MAIL."""
    key = ec.generate_private_key(ec.SECP256R1())
    clear = serialization.NoEncryption()
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, clear)
    )
    made = _certificate("localhost", key, (-1, 5), issuer=ca, names=["localhost"])
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pair = {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    inbox = Remembering()
    with hearing(inbox, listen={"port": 0, "tls": pair}) as door:
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            hand(door.port, dsn(77), TOKENS.path(77))
        assert refused.value.smtp_code == 530
        with smtplib.SMTP("localhost", door.port, timeout=10) as smtp:
            smtp.starttls(context=ssl.create_default_context(cafile=str(ca.file)))
            smtp.sendmail("", [TOKENS.path(77)], dsn(77))
    assert len(inbox.receipts) == 1
    with (
        pytest.raises(ConfigError, match="pair of PEM"),
        hearing(inbox, listen={"tls": {**pair, "key": pair["certificate"]}}),
    ):
        pass


def test_a_taken_port_is_told() -> None:
    """One sentence, before anything is sent."""
    with hearing(Remembering(), listen={"port": 0}) as door, pytest.raises(CommandError, match="is the port taken"):
        with hearing(Remembering(), listen={"port": door.port}):
            pass
    assert isinstance(door, Listener)


# -- a mailbox


@contextmanager
def fetching(ca: Authority, inbox: Remembering, box: Box, **options: Any) -> Iterator[Mailbox]:
    """A reader of this mailbox, which looks when it is told to."""
    with imap(box, ca.server(["localhost"])) as port:
        told = {"host": "localhost", "port": port, "username": "bounces", "password": "sesame of the mailbox"}
        told |= {"ca_file": str(ca.file), "timeout": 5, **options}
        yield Mailbox("mailbox", MailboxOptions.model_validate(told), Reading(inbox, TOKENS, SetClock(NOW)))


def test_a_mailbox_is_looked_into_on_its_own(ca: Authority) -> None:
    """EM-24: by the channel, as long as it is open, again and again."""
    inbox, box = Remembering(), Box()
    with imap(box, ca.server(["localhost"])) as port:
        told = {"host": "localhost", "port": port, "username": "bounces", "password": box.password}
        with hearing(inbox, mailbox={**told, "ca_file": str(ca.file), "interval": 1}):
            until(lambda: box.logins > 0)
            box.drops = "LOGIN"
            time.sleep(1.2)
            box.put(dsn(77))
            box.drops = ""
            until(lambda: not box.messages)
    assert [one.communication for one in inbox.receipts] == [77]


def test_a_mailbox_is_emptied_of_what_was_committed(ca: Authority) -> None:
    """EM-24, law 1: what is told is removed; what is none of ours stays, marked as seen, and is not read again."""
    inbox, box = Remembering(), Box()
    box.put(dsn(77))
    note = box.put(b"Subject: Out of office\r\n\r\nI am away")
    box.put(arf(79))
    with fetching(ca, inbox, box) as mailbox:
        assert mailbox.look() == 3
        assert set(box.messages) == {note}
        assert r"\Seen" in box.flags[note]
        assert [one.communication for one in inbox.receipts] == [77, 79]
        assert mailbox.look() == 0
    assert box.fetched.count(note) == 1


def test_a_mailbox_keeps_what_the_database_did_not_take(ca: Authority) -> None:
    """Law 1: nothing is marked while the database is away; the next look tells it."""
    inbox, box = Remembering(), Box()
    inbox.away = True
    box.put(dsn(77))
    with fetching(ca, inbox, box) as mailbox:
        with pytest.raises(StoreUnavailable):
            mailbox.look()
        assert box.flags == {1: set()}
        inbox.away = False
        mailbox.look()
    assert not box.messages
    assert len(inbox.receipts) == 1


def test_what_is_kept_is_not_told_again(ca: Authority) -> None:
    """`keep`: seen, there."""
    inbox, box = Remembering(), Box()
    box.put(dsn(77))
    with fetching(ca, inbox, box, keep=True) as door:
        assert [door.look(), door.look()] == [1, 0]
    assert r"\Seen" in box.flags[1]
    assert box.messages
    assert len(inbox.receipts) == 1


def test_after_a_restore_what_is_still_there_is_told_again(ca: Authority) -> None:
    """EM-24, 45 CFR 164.308(a)(7): seen or not, by day, and left as it is."""
    inbox, box = Remembering(), Box()
    box.put(dsn(77))
    with fetching(ca, inbox, box, keep=True) as door:
        door.look()
        inbox.receipts.clear()
        box.put(dsn(78))
        assert door.look_again(1_772_566_200_000) == 2  # 2026-03-03T19:30Z
    assert box.since == "02-Mar-2026"
    assert [one.communication for one in inbox.receipts] == [77, 78]
    assert box.flags[2] == set()


def test_what_is_too_long_is_not_fetched(ca: Authority) -> None:
    """Its size is asked first."""
    box = Box()
    box.put(dsn(77) + b"x" * 5000)
    with fetching(ca, Remembering(), box, max_size=4096) as door:
        door.look()
    assert r"\Seen" in box.flags[1]
    assert not box.fetched


@pytest.mark.parametrize("drops", ["LOGIN", "SELECT", "UID SEARCH", "RFC822.SIZE", "BODY.PEEK", "UID STORE"])
def test_a_mailbox_that_breaks_off_is_looked_at_again(ca: Authority, drops: str) -> None:
    """Wherever it breaks off: nothing is lost, doubled at most; its words are not repeated."""
    inbox, box = Remembering(), Box()
    box.put(dsn(77))
    box.drops = drops
    with fetching(ca, inbox, box) as door:
        with pytest.raises(Unavailable) as failed:
            door.look()
        assert "sesame" not in str(failed.value)
        assert failed.value.__cause__ is None
        box.drops = ""
        door.look()
    assert inbox.receipts
    assert len({one.event for one in inbox.receipts}) == 1


def test_a_mailbox_that_cannot_prove_its_name_hears_no_password(ca: Authority) -> None:
    """Verified TLS first."""
    box = Box()
    with imap(box, ca.server(["other.example"])) as port:
        told = {"host": "localhost", "port": port, "username": "b", "password": "p", "ca_file": str(ca.file)}
        door = Mailbox("mailbox", MailboxOptions.model_validate(told), Reading(Remembering(), TOKENS, SetClock(NOW)))
        with pytest.raises(Unavailable, match="verified TLS"):
            door.look()
    assert box.logins == 0
    with fetching(ca, Remembering(), Box(), folder="Nothing") as door, pytest.raises(Unavailable, match="folder"):
        door.look()


@pytest.mark.parametrize(
    ("bounces", "said"),
    [
        ({"address": "bounces", "secret": "x" * 40}, "bounces.address"),
        ({"address": "b+c@lakeside.example", "secret": "x" * 40}, "bounces.address"),
        ({"address": ADDRESS, "secret": "short"}, "bounces.secret"),
        ({"address": ADDRESS}, "bounces.secret"),
        ({"address": ADDRESS, "secret": "x" * 40, "listen": {"bind": "0.0.0.0"}}, "beyond loopback it needs tls"),
        ({"address": ADDRESS, "secret": "x" * 40, "listen": {"bind": "here"}}, "bounces.listen.bind"),
        ({"address": ADDRESS, "secret": "x" * 40, "mailbox": {"host": "h"}}, "bounces.mailbox.username"),
    ],
)
def test_bad_doors_are_named_and_no_secret_is_quoted(bounces: dict[str, object], said: str) -> None:
    """The operator reads which option."""
    with pytest.raises(ConfigError) as refused:
        EmailChannel("email", {"host": "localhost", "bounces": bounces}, SetClock(NOW))
    assert said in str(refused.value)
    assert "short" not in str(refused.value)


def test_a_channel_without_bounces_hears_nothing() -> None:
    """Neither doors nor return paths."""
    made = EmailChannel("email", {"host": "localhost", "port": free_port(), "tls": "off"}, SetClock(NOW))
    made.hear(Remembering())
    made.close()
    with hearing(Remembering()) as door:
        assert door is None
