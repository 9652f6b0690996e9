"""What became of a patient's message at the relay: handed over, refused, not accepted, or nobody knows."""

# ruff: noqa: SIM117 - the relay, then the channel, then the failure: nesting tells the order
from __future__ import annotations

import email
import email.policy
import threading
import time
from typing import Any

import pytest
from email_parts import NOW, WORDS, Authority, Post, channel, envelope, free_port, relay, script, to, until_dot

from connectors.channels.email import EmailChannel, hop
from gateway.model.consent import ChannelKind
from gateway.model.errors import ClearanceError, ConfigError, DeliveryError, Refused, Unavailable, Unknown
from gateway.model.party import ContactPoint, ContactSystem
from gateway.model.request import Protection
from gateway.ports import SetClock


def test_a_reminder_arrives_as_it_was_cleared() -> None:
    """EM-14, EM-15: one recipient, text and HTML, dots intact; the relay's queue id is kept."""
    with relay(post := Post()) as port, channel(port) as mail:
        handover = mail.send(envelope(open_allowed=True))
    (taken,) = post.taken
    assert handover.provider_id == "4F3C9A7B21"
    assert handover.protection is None  # 45 CFR 164.402: not known, hence not secured
    assert taken.mail_from == "no-reply@lakeside.example"
    assert taken.rcpt_tos == ["marisol@patients.example"]
    message = email.message_from_bytes(taken.content, policy=email.policy.default)
    assert message["Message-ID"] == "<7.1@lakeside.example>"
    assert message["To"] == "marisol@patients.example"
    assert message["Date"].datetime.timestamp() * 1000 == NOW
    assert message.get_body(("plain",)).get_content().replace("\r\n", "\n") == "Hello Marisol\n.\n..two\n"
    assert message.get_body(("html",)).get_content().strip() == "<p>Hello Marisol</p>"


def test_one_connection_carries_many_messages() -> None:
    """Connections are reused up to their limit; each message is its own transaction."""
    with relay(post := Post()) as port, channel(port, messages_per_connection=3) as mail:
        for number in range(7):
            mail.send(envelope(communication=number, message_id=f"<{number}@lakeside.example>"))
    assert len(post.taken) == 7
    assert len(post.peers) == 3


def test_many_threads_share_few_connections() -> None:
    """The pool is thread-safe and bounded."""
    errors: list[Exception] = []
    with relay(post := Post()) as port, channel(port, connections=2, timeout=20) as mail:

        def send(number: int) -> None:
            try:
                mail.send(envelope(communication=number, message_id=f"<{number}@lakeside.example>"))
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=send, args=(number,)) for number in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []
    assert len({taken.content for taken in post.taken}) == 24
    assert len(post.peers) <= 24


def test_a_sender_does_not_wait_for_ever_for_a_connection() -> None:
    """All conversations taken by a relay that hangs: the next message was provably not accepted."""
    hanging = threading.Event()

    def play(reader: Any, sock: Any) -> None:
        sock.sendall(b"220 hello\r\n")
        reader.readline()
        hanging.set()
        reader.readline()

    outcomes: list[type[Exception]] = []

    def send(mail: EmailChannel) -> None:
        try:
            mail.send(envelope())
        except Exception as error:
            outcomes.append(type(error))

    with script(play) as port, channel(port, connections=1, timeout=1.5) as mail:
        first = threading.Thread(target=send, args=(mail,))
        first.start()
        assert hanging.wait(5)
        with pytest.raises(Unavailable, match="busy"):
            mail.send(envelope())
        first.join()
    assert outcomes == [Unavailable]


def test_a_message_that_would_be_answered_too_late_is_not_finished() -> None:
    """With no time left to hear the answer the final dot is not sent: late is better than unknown."""
    ended: list[bytes] = []

    def play(reader: Any, sock: Any) -> None:
        sock.sendall(b"220 hello\r\n")
        while line := reader.readline():
            if line[:4] == b"DATA":
                time.sleep(0.95)
                sock.sendall(b"354 go on\r\n")
                ended.extend(reader.readlines())
                return
            sock.sendall(b"250 OK\r\n")

    with script(play) as port, channel(port, timeout=1.0) as mail, pytest.raises(Unavailable):
        mail.send(envelope())
    assert b".\r\n" not in ended


def test_a_relay_that_hung_up_meanwhile_is_called_again() -> None:
    """A stale connection costs a try, not a message: nothing of it was said yet."""
    calls = []

    def play(reader: Any, sock: Any) -> None:
        calls.append(1)
        until_dot(reader, sock)
        sock.sendall(b"250 OK\r\n")

    with script(play) as port, channel(port) as mail:
        mail.send(envelope())
        time.sleep(0.05)
        mail.send(envelope())
    assert len(calls) == 2


def test_a_relay_that_takes_only_so_many_messages_is_called_again() -> None:
    """RFC 5321 §3.8: 421 in place of the next message's beginning is a farewell, and no message waits for it."""
    calls = []

    def play(reader: Any, sock: Any) -> None:
        calls.append(1)
        until_dot(reader, sock)
        sock.sendall(b"250 OK\r\n")
        reader.readline()
        sock.sendall(b"421 enough\r\n")

    with script(play) as port, channel(port) as mail:
        mail.send(envelope())
        mail.send(envelope())
    assert len(calls) == 2


def test_after_a_refused_recipient_the_next_message_begins_anew() -> None:
    """RFC 5321 §4.1.4: MAIL inside a transaction is an error, so RSET ends the one that was refused."""
    said: list[bytes] = []

    def play(reader: Any, sock: Any) -> None:
        sock.sendall(b"220 hello\r\n")
        while line := reader.readline():
            said.append(line[:4])
            sock.sendall(b"550 nobody\r\n" if line[:4] == b"RCPT" else b"250 OK\r\n")

    with script(play) as port, channel(port) as mail:
        for _ in range(2):
            with pytest.raises(Refused):
                mail.send(envelope())
    assert said[1:6] == [b"MAIL", b"RCPT", b"RSET", b"MAIL", b"RCPT"]


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
@pytest.mark.parametrize(
    ("code", "outcome"), [("550 5.1.1", Refused), ("451 4.3.0", Unavailable), ("421 4.3.2", Unavailable)]
)
def test_what_the_relay_says_decides(step: str, code: str, outcome: type[DeliveryError]) -> None:
    """5xx is for good, 4xx is for now, also after the final dot; its words are never repeated."""
    post = Post(**{step: f"{code} {WORDS} marisol@patients.example"})
    with relay(post) as port, channel(port) as mail:
        with pytest.raises(outcome) as failed:
            mail.send(envelope())
        assert WORDS not in repr(failed.value)
        assert "marisol" not in repr(failed.value)
        assert failed.value.__cause__ is None
        setattr(post, step, "250 OK")
        mail.send(envelope())
    assert len(post.taken) == 1


def test_an_authentication_demand_is_not_the_messages_fault() -> None:
    """RFC 4954 530: a relay that does not let us in would otherwise refuse a whole day's reminders for good."""
    with (
        relay(Post(mail="530 5.7.0 Authentication required")) as port,
        channel(port) as mail,
        pytest.raises(Unavailable),
    ):
        mail.send(envelope())


def test_a_relay_that_is_down_accepted_nothing() -> None:
    """Connection refused."""
    with channel(free_port()) as mail, pytest.raises(Unavailable, match="no connection"):
        mail.send(envelope())


def test_a_relay_without_an_address_accepted_nothing() -> None:
    """DNS failure."""
    mail = EmailChannel("email", {"host": "relay.invalid", "timeout": 5, "relay_enforces_tls": True}, SetClock(NOW))
    with pytest.raises(Unavailable):
        mail.send(envelope())
    mail.close()


@pytest.mark.parametrize("greeting", [b"554 no\r\n", b"hello\r\n", b"", b"220-a\r\n" * 500, b"x" * 20_000])
def test_a_relay_that_does_not_greet_accepted_nothing(greeting: bytes) -> None:
    """Whatever comes instead of a greeting, nothing was handed over."""
    with (
        script(lambda _reader, sock: sock.sendall(greeting)) as port,
        channel(port) as mail,
        pytest.raises(Unavailable),
    ):
        mail.send(envelope())


def test_a_relay_that_drips_does_not_hold_a_sender_for_ever() -> None:
    """The time-out bounds the whole conversation, not one read."""

    def play(_reader: Any, sock: Any) -> None:
        for _ in range(100):
            sock.sendall(b"2")
            time.sleep(0.05)

    begun = time.monotonic()
    with script(play) as port, channel(port, timeout=0.6) as mail, pytest.raises(Unavailable):
        mail.send(envelope())
    assert time.monotonic() - begun < 6


def test_a_relay_that_hangs_before_the_dot_accepted_nothing() -> None:
    """Silence at MAIL is not an ambiguity."""

    def play(reader: Any, sock: Any) -> None:
        sock.sendall(b"220 hello\r\n")
        reader.readline()
        sock.sendall(b"250 OK\r\n")
        reader.readline()
        time.sleep(1)

    with script(play) as port, channel(port, timeout=0.5) as mail, pytest.raises(Unavailable, match="MAIL"):
        mail.send(envelope())


def test_a_relay_that_closes_in_the_middle_of_the_message_accepted_nothing() -> None:
    """Without the final dot no relay has a message (RFC 5321 §4.1.1.4)."""

    def play(reader: Any, sock: Any) -> None:
        sock.sendall(b"220 hello\r\n")
        while line := reader.readline():
            if line[:4] == b"DATA":
                sock.sendall(b"354 go on\r\n")
                reader.readline()
                return
            sock.sendall(b"250 OK\r\n")

    with script(play) as port, channel(port) as mail, pytest.raises((Unavailable, Unknown)) as failed:
        mail.send(envelope(text="long line of text\n" * 200_000))
    assert isinstance(failed.value, Unavailable)


@pytest.mark.parametrize("answer", [b"", b"2", b"banana\r\n", b"354 what\r\n"])
def test_a_relay_that_closes_after_the_dot_may_have_it(answer: bytes) -> None:
    """Lost after the final dot is unknown, never resent blindly."""
    got: list[list[bytes]] = []

    def play(reader: Any, sock: Any) -> None:
        got.append(until_dot(reader, sock))
        sock.sendall(answer)

    with script(play) as port, channel(port) as mail, pytest.raises(Unknown):
        mail.send(envelope())
    assert got[0]


def test_a_relay_that_hangs_after_the_dot_may_have_it() -> None:
    """Hangs after DATA: unknown within the time-out, and the connection is not used again."""

    def play(reader: Any, sock: Any) -> None:
        until_dot(reader, sock)
        reader.readline()

    begun = time.monotonic()
    with script(play) as port, channel(port, timeout=0.6) as mail, pytest.raises(Unknown):
        mail.send(envelope())
    assert time.monotonic() - begun < 3


def test_an_interrupted_send_leaves_no_connection_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time limit raised in the thread in mid-conversation: the next message starts afresh."""
    with relay(post := Post()) as port, channel(port) as mail:
        mail.send(envelope())
        monkeypatch.setattr("connectors.channels.email.connection._dotted", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            mail.send(envelope())
        monkeypatch.undo()
        mail.send(envelope())
    assert len(post.taken) == 2


def _interrupt(_content: bytes) -> bytes:
    raise KeyboardInterrupt


# -- TLS


def test_a_message_goes_over_verified_tls(ca: Authority) -> None:
    """EM-03, the good row: STARTTLS with a certificate for the relay's name."""
    with relay(post := Post(), starttls=ca.server(["localhost"]), require_starttls=True) as port:
        with channel(port, host="localhost", tls="required", ca_file=str(ca.file)) as mail:
            handover = mail.send(envelope(open_allowed=True))
    assert len(post.taken) == 1
    assert handover.protection is Protection.RELAY_TLS  # how the relay hands it on nobody tells us


def test_a_message_goes_over_implicit_tls(ca: Authority) -> None:
    """RFC 8314: TLS from the first byte."""
    with relay(post := Post(), implicit=ca.server(["127.0.0.1"])) as port:
        with channel(port, tls="implicit", ca_file=str(ca.file)) as mail:
            mail.send(envelope())
    assert len(post.taken) == 1


def test_a_relay_without_tls_gets_nothing(ca: Authority) -> None:
    """EM-02, EM-03: STARTTLS not offered, or offered and declined: not a byte of the message leaves."""
    with relay(post := Post()) as port, channel(port, tls="required") as mail:
        with pytest.raises(Unavailable, match="STARTTLS: the relay does not offer it"):
            mail.send(envelope())
    assert post.peers == set()


def test_a_relay_that_declines_tls_gets_nothing() -> None:
    """EM-03: 454 to STARTTLS."""
    heard: list[bytes] = []

    def play(reader: Any, sock: Any) -> None:
        sock.sendall(b"220 hello\r\n")
        heard.append(reader.readline())
        sock.sendall(b"250-hello\r\n250 STARTTLS\r\n")
        heard.append(reader.readline())
        sock.sendall(b"454 not now\r\n")
        heard.append(reader.readline())

    with script(play) as port, channel(port, tls="required") as mail, pytest.raises(Unavailable, match="454"):
        mail.send(envelope())
    assert [line[:8] for line in heard[1:]] == [b"STARTTLS", b""]


@pytest.mark.parametrize("fault", ["self-signed", "wrong name", "expired", "not yet valid"])
@pytest.mark.parametrize("mode", ["required", "implicit"])
def test_a_relay_that_cannot_prove_its_name_gets_nothing(ca: Authority, fault: str, mode: str) -> None:
    """EM-03: self-signed, wrong name, expired: no MAIL, no DATA."""
    context = {
        "self-signed": lambda: ca.server(["localhost"], self_signed=True),
        "wrong name": lambda: ca.server(["relay.example"]),
        "expired": lambda: ca.server(["localhost"], days=(-10, -1)),
        "not yet valid": lambda: ca.server(["localhost"], days=(5, 10)),
    }[fault]()
    how = {"starttls": context} if mode == "required" else {"implicit": context}
    with relay(post := Post(), **how) as port:
        with channel(port, host="localhost", tls=mode, ca_file=str(ca.file)) as mail:
            with pytest.raises(Unavailable, match="TLS: the relay's certificate"):
                mail.send(envelope())
    assert post.peers == set()
    assert post.taken == []


def test_what_was_said_before_tls_counts_no_more(ca: Authority) -> None:
    """RFC 3207 §4.2: replies smuggled in behind STARTTLS are forgotten, not believed."""
    context = ca.server(["localhost"])

    def play(reader: Any, sock: Any) -> None:
        sock.sendall(b"220 hello\r\n")
        reader.readline()
        sock.sendall(b"250-hello\r\n250 STARTTLS\r\n")
        reader.readline()
        sock.sendall(b"220 go\r\n250 smuggled\r\n")
        with context.wrap_socket(sock.dup(), server_side=True) as inside:
            inside.recv(100)

    with script(play) as port, channel(port, host="localhost", tls="required", ca_file=str(ca.file)) as mail:
        with pytest.raises(Unavailable):
            mail.send(envelope())


# -- authentication


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_the_relay_is_told_who_we_are(ca: Authority, mechanism: str) -> None:
    """AUTH inside TLS, PLAIN or LOGIN."""
    other = {"PLAIN": "LOGIN", "LOGIN": "PLAIN"}[mechanism]
    post = Post()
    options = {"authenticator": post.authenticate, "auth_required": True, "auth_exclude_mechanism": [other]}
    with relay(post, starttls=ca.server(["localhost"]), **options) as port:
        told = {"host": "localhost", "tls": "required", "ca_file": str(ca.file)}
        with channel(port, username="relay", password="sesame", **told) as mail:
            mail.send(envelope())
        with channel(port, username="relay", password="wrong", **told) as mail:
            with pytest.raises(Unavailable, match="AUTH: answered 535"):
                mail.send(envelope())
    assert len(post.taken) == 1
    assert post.users[0] == (b"relay", b"sesame")


def test_a_relay_that_offers_no_way_to_log_in_gets_nothing() -> None:
    """A configured account is never left out silently."""
    with relay(Post()) as port, channel(port, username="relay", password="sesame") as mail:
        with pytest.raises(Unavailable, match="AUTH"):
            mail.send(envelope())


# -- refused before any connection


def test_other_bytes_than_the_cleared_ones_never_leave() -> None:
    """Law 3: the digest is checked before anything else."""
    with channel(free_port()) as mail, pytest.raises(ClearanceError):
        mail.send(envelope(digest=b"0" * 32))


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "Hi\r\nBcc: all@x.example"},
        {"subject": "Hi\nBcc: all@x.example"},
        {"sender_name": "Lakeside\r\nX-Evil: 1"},
        {"sender_address": "no-reply@lakeside.example>\r\nRCPT TO:<a@x.example"},
        {"message_id": "<7@lakeside.example>\r\nX-Evil: 1"},
        {"language": "en\r\nX-Evil: 1"},
        {"to": to("marisol@patients.example\r\nRCPT TO:<a@x.example>")},
        {"to": to("marisol@patients.example,a@x.example")},
        {"to": to("marisol@patients.example> SIZE=1")},
        {"to": to("marisol@")},
        {"to": to("@patients.example")},
        {"to": to("marisol patients.example")},
        {"to": to("x" * 65 + "@patients.example")},
        {"to": to("marisol@[127.0.0.1]")},
        {"to": to("marisol@straße.example")},
        {"to": ContactPoint(system=ContactSystem.PHONE, value="+13125550100")},
        {"channel": ChannelKind.SMS},
    ],
)
def test_what_cannot_be_written_safely_is_refused_before_any_connection(changes: dict[str, Any]) -> None:
    """EM-14: no header injection, one recipient; nobody even rings at the relay."""
    with channel(free_port()) as mail, pytest.raises(Refused) as refused:
        mail.send(envelope(**changes))
    assert "x.example" not in str(refused.value)


def test_an_address_beyond_ascii_needs_a_relay_that_takes_it() -> None:
    """RFC 6531: SMTPUTF8 or refused; an international domain goes as A-labels (EM-16)."""
    with relay(post := Post(), enable_SMTPUTF8=False) as port, channel(port) as mail:
        with pytest.raises(Refused, match="RFC 6531"):
            mail.send(envelope(to=to("josé@patients.example")))
        mail.send(envelope(to=to("Jo.Se@pätients.example")))
    assert post.taken[0].rcpt_tos == ["Jo.Se@xn--ptients-5wa.example"]
    with relay(post := Post(), enable_SMTPUTF8=True) as port, channel(port) as mail:
        mail.send(envelope(to=to("josé@patients.example")))
    assert post.taken[0].rcpt_tos == ["josé@patients.example"]
    assert "SMTPUTF8" in post.taken[0].mail_options


def test_a_message_larger_than_the_relay_takes_is_refused() -> None:
    """RFC 1870: the size is known before the message is sent."""
    with relay(Post(), data_size_limit=500) as port, channel(port) as mail, pytest.raises(Refused, match="larger"):
        mail.send(envelope(text="x" * 2000))


# -- options


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "channels.email.host"),
        ({"host": "relay.example", "tls": "off"}, "loopback"),
        ({"host": "relay.example", "tls": "none"}, "channels.email.tls"),
        ({"host": "relay.example", "username": "u"}, "belong together"),
        ({"host": "relay.example", "pasword": "s3cret"}, "channels.email.pasword"),
        ({"host": "relay.example", "port": "99999"}, "channels.email.port"),
        ({"host": "relay.example", "hello": "a b"}, "channels.email.hello"),
        ({"host": "relay.example", "timeout": "0"}, "channels.email.timeout"),
        ({"host": "relay.example", "ca_file": "/nowhere/ca.pem"}, "ca_file"),
    ],
)
def test_bad_options_are_named_and_never_quoted(options: dict[str, object], said: str) -> None:
    """The operator reads which option; a secret is not among the words."""
    with pytest.raises(ConfigError) as refused:
        EmailChannel("email", options, SetClock(NOW))
    assert said in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_options_come_as_text_from_the_configuration() -> None:
    """Every scalar of the configuration is a string; the channel types its own."""
    mail = EmailChannel("email", {"host": "localhost", "port": "25", "tls": "off", "timeout": "7.5"}, SetClock(NOW))
    assert mail.timeout == 7.5
    assert mail.kind is ChannelKind.EMAIL
    mail.close()


def test_the_systems_authorities_are_read_with_the_first_message(
    monkeypatch: pytest.MonkeyPatch, ca: Authority
) -> None:
    """They are many, and most commands send nothing. A file of our own is read at once: a wrong one stops the start."""
    read: list[object] = []
    real = hop.tls_context
    monkeypatch.setattr(hop, "tls_context", lambda options: read.append(options) or real(options))
    with relay(post := Post(), starttls=ca.server(["localhost"])) as port:
        with channel(port, host="localhost", tls="required") as mail:
            assert read == []
            for number in range(2):
                with pytest.raises(Unavailable):  # the system does not know this authority
                    mail.send(envelope(communication=number, message_id=f"<{number}@lakeside.example>"))
        with channel(port, host="localhost", tls="required", ca_file=str(ca.file)):
            assert len(read) == 2
    assert (len(post.taken), len(read)) == (0, 2)
