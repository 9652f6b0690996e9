"""One SMTP conversation under one deadline: connect, protect, authenticate, hand over; every failure says where it stood.

`smtplib` speaks the protocol; sockets, replies and the deadline are ours, because its time-out bounds a single read
and not the whole, its name look-up is unbounded, and its exceptions quote the server.
"""

from __future__ import annotations

import base64
import queue
import re
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from connectors.channels.email.compose import Composed
from connectors.channels.email.hop import Hop
from connectors.channels.email.options import Tls, is_loopback
from gateway.model.errors import Insecure, Refused, Unavailable, Unknown

_LONGEST_REPLY = 128  # lines
_CHUNK = 16 * 1024
_MOMENT = 1.0  # seconds after a message in which nobody is asked whether they still listen
_NOT_THE_MESSAGE = (530, 535, 538)  # RFC 4954: we are not let in; says nothing about this message
_REPLY = re.compile(rb"[2-5][0-9]{2}(?:[ -]|$)").match
# Postfix, Exim and others name the queue entry so; nothing else of the reply is ever kept.
_QUEUE_ID = re.compile(rb"(?:queued as |\bid=)([A-Za-z0-9][A-Za-z0-9-]{4,63})\b")


class Lost(Exception):
    """The connection failed, timed out or answered with something that is not SMTP."""


class NoTls(Lost):
    """The other side cannot or will not protect the conversation, or cannot prove who it is."""


class Deferred(Unavailable):
    """A server that is to be trusted with the message has not taken it, for now."""


class HungUp(Deferred):
    """A connection that waited for the next message is gone; of the message nothing was said yet."""


class Deadline:
    """A moment of the host's monotonic clock by which a send must be over."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def within(self, seconds: float) -> Deadline:
        """A nearer moment, or this one."""
        return Deadline(min(seconds, self.left_or_none()))

    def left_or_none(self) -> float:
        """Seconds left, 0 or less when there are none."""
        return self._at - time.monotonic()

    def left(self) -> float:
        """Seconds left; raises Lost when there are none."""
        left = self.left_or_none()
        if left <= 0:
            raise Lost("the time is up")
        return left


class _Smtp(smtplib.SMTP):
    """smtplib over a given socket, with replies bounded in time and length."""

    def __init__(self, hop: Hop) -> None:
        super().__init__(local_hostname=hop.hello)
        self._host = hop.host  # the name EHLO's extensions belong to
        self.deadline = Deadline(hop.timeout)
        self._unread = b""

    def use(self, sock: socket.socket) -> None:
        """Speak over `sock` from now on; what was received in clear before TLS is forgotten (RFC 3207 §4.2)."""
        self.sock, self._unread = sock, b""

    def send(self, s: Any) -> None:
        """Send bytes or ASCII text in pieces, none beyond the deadline; raises Lost."""
        raw = s.encode(self.command_encoding) if isinstance(s, str) else bytes(s)
        try:
            for start in range(0, len(raw), _CHUNK):
                self._socket().settimeout(self.deadline.left())
                self._socket().sendall(raw[start : start + _CHUNK])
        except (OSError, ValueError):
            self.drop()
            raise Lost("sending") from None

    def say(self, lines: Sequence[str]) -> None:
        """Send commands in one piece; raises Lost, and ValueError for a line break in one of them (EM-14)."""
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a line break in a command")
        self.send("".join(f"{line}\r\n" for line in lines))

    def getreply(self) -> tuple[int, bytes]:
        """The next reply's code and text; raises Lost on anything that is not a reply (RFC 5321 §4.2)."""
        lines: list[bytes] = []
        while len(lines) < _LONGEST_REPLY:
            line = self._line()
            if not _REPLY(line):
                break
            lines.append(line[4:])
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(lines)
        self.drop()
        raise Lost("an unreadable reply")

    def _line(self) -> bytes:
        while b"\n" not in self._unread:
            if len(self._unread) > smtplib._MAXLINE:  # type: ignore[attr-defined]  # noqa: SLF001 - RFC 5321's limit, generously
                return b""
            try:
                self._socket().settimeout(self.deadline.left())
                received = self._socket().recv(4096)
            except OSError:
                received = b""
            if not received:
                self.drop()
                raise Lost("the connection closed")
            self._unread += received
        line, _, self._unread = self._unread.partition(b"\n")
        return line.rstrip(b"\r")

    def _socket(self) -> socket.socket:
        if self.sock is None:
            raise Lost("no connection")
        return self.sock

    def drop(self) -> None:
        """Close without a word; never raises."""
        sock, self.sock = self.sock, None
        if sock is not None:
            try:
                sock.close()
            except OSError:
                return


class Connection:
    """An open, protected, authenticated conversation that carries one message after another."""

    def __init__(self, hop: Hop, deadline: Deadline) -> None:
        """Connect. Raises Unavailable, or Insecure if the hop is strict, saying at which step, never in the server's words."""
        self.hop = hop
        self.carried = 0
        self.idle_since = 0.0
        self._whole = False  # the last message was taken, and nothing was said since
        self._smtp = _Smtp(hop)
        self._smtp.deadline = deadline
        self._step = "connecting"
        try:
            self._open()
        except Lost as lost:
            self.drop()
            kind = Insecure if hop.strict and isinstance(lost, NoTls) else Unavailable
            raise kind(f"{self._step}: {lost}") from None
        except BaseException:
            self.drop()
            raise

    @property
    def open(self) -> bool:
        """Whether it may carry another message."""
        return self._smtp.sock is not None and self.carried < self.hop.messages

    def ready(self) -> bool:
        """Whether it may carry the next message: it took one whole a moment ago, or RSET says so, soon."""
        if self._whole and time.monotonic() - self.idle_since < _MOMENT:
            return True
        self._smtp.deadline = Deadline(min(5.0, self.hop.timeout / 4))
        try:
            return self._smtp.docmd("RSET")[0] == 250
        except (Lost, ValueError):
            return False

    def carry(self, message: Composed, deadline: Deadline) -> str | None:
        """Hand one message over; returns the other side's queue id if it told one.

        Raises Insecure (REQUIRETLS is needed and not offered), Refused (5xx to MAIL, RCPT or DATA), Deferred (provably not accepted) or Unknown (the final dot was,
        or may have been, sent and no answer came); HungUp, a Deferred, when another connection may be tried at once. The
        connection is closed after anything but a clean refusal.
        """
        self._smtp.deadline = deadline
        self.carried += 1
        self._step = "MAIL"
        self._whole = False
        try:
            self._envelope(message)
            self._body(message)
        except Lost as lost:
            self.drop()
            raise self._gone(lost) from None
        except ValueError:  # a line break in a command
            self.drop()
            raise Deferred(f"{self._step}: not a line of SMTP") from None
        except Refused:
            raise
        except BaseException:  # an interrupt in mid-conversation: nobody may go on with it
            self.drop()
            raise
        try:
            taken = self._final_dot()
        except BaseException:
            self.drop()
            raise
        self._whole = True
        return taken

    def quit(self) -> None:
        """Say goodbye, briefly; never raises."""
        self._smtp.deadline = Deadline(1.0)
        try:
            self._smtp.docmd("QUIT")
        except (Lost, ValueError):
            return
        finally:
            self.drop()

    def drop(self) -> None:
        """Close without a word."""
        self._smtp.drop()

    # -- opening

    def _open(self) -> None:
        sock = _connect(self.hop, self._smtp.deadline)
        self._smtp.use(sock)
        if self.hop.tls is Tls.OFF and not (self.hop.clear or is_loopback(sock.getpeername()[0])):
            raise Lost("the relay's name does not lead to loopback")
        if self.hop.tls is Tls.IMPLICIT:
            self._protect()
        self._step = "greeting"
        self._expect(self._smtp.getreply(), 220)
        self._hello()
        if self.hop.tls is Tls.REQUIRED:
            self._starttls()
        if self.hop.username is not None:
            self._authenticate()

    def _hello(self) -> None:
        self._step = "EHLO"
        self._expect(self._smtp.ehlo(), 250)

    def _starttls(self) -> None:
        """STARTTLS or nothing: a server that does not offer it, or declines, gets no message (EM-02, EM-03)."""
        self._step = "STARTTLS"
        if not self._smtp.has_extn("starttls"):
            raise NoTls(f"the {self._who} does not offer it")
        code = self._smtp.docmd("STARTTLS")[0]
        if code != 220:
            raise NoTls(f"answered {code}")
        self._protect()
        # RFC 3207 §4.2: what was said in clear counts no more
        self._smtp.esmtp_features.clear()
        self._smtp.does_esmtp = False
        self._hello()

    def _protect(self) -> None:
        self._step = "TLS"
        sock = self._smtp.sock
        assert sock is not None
        try:
            sock.settimeout(self._smtp.deadline.left())
            self._smtp.use(self.hop.context().wrap_socket(sock, server_hostname=self.hop.host))
        except ssl.SSLCertVerificationError:
            raise NoTls(f"the {self._who}'s certificate is not valid for its name") from None
        except (OSError, ValueError):
            raise NoTls("no TLS connection came about") from None

    def _authenticate(self) -> None:
        """AUTH PLAIN, else LOGIN (RFC 4954); only ever inside TLS or on loopback, as the options demand."""
        self._step = "AUTH"
        password = self.hop.password
        assert self.hop.username is not None
        assert password is not None
        offered = self._smtp.esmtp_features.get("auth", "").upper().split()
        user, secret = self.hop.username.encode(), password.get_secret_value().encode()
        if "PLAIN" in offered:
            reply = self._smtp.docmd("AUTH", "PLAIN " + _b64(b"\0" + user + b"\0" + secret))
        elif "LOGIN" in offered:
            self._expect(self._smtp.docmd("AUTH", "LOGIN " + _b64(user)), 334)
            reply = self._smtp.docmd(_b64(secret))
        else:
            raise Lost("the relay offers neither PLAIN nor LOGIN")
        self._expect(reply, 235)

    def _expect(self, reply: tuple[int, bytes], code: int) -> None:
        if reply[0] != code:
            raise Lost(f"answered {reply[0]}")

    # -- one message

    def _envelope(self, message: Composed) -> None:
        """MAIL, RCPT and DATA: in one go where the server takes them so, each answered by itself (RFC 2920)."""
        steps = (
            ("MAIL", f"MAIL FROM:<{message.sender}>{self._parameters(message)}", (250,)),
            ("RCPT", f"RCPT TO:<{message.recipient}>{self._reporting(message)}", (250, 251, 252)),
            ("DATA", "DATA", (354,)),
        )
        together = self._smtp.has_extn("pipelining")
        if together:
            self._smtp.say([line for _, line, _ in steps])
        for at, (step, line, wanted) in enumerate(steps, 1):
            self._step = step
            if not together:
                self._smtp.say([line])
            try:
                self._answer(self._smtp.getreply(), wanted)
            except Refused:
                self._hear_out(len(steps) - at if together else 0)
                raise

    def _hear_out(self, answers: int) -> None:
        """What was said in the same breath is answered too; who asks for a message after a refusal hears no more of us."""
        with suppress(Lost):
            if 354 in [self._smtp.getreply()[0] for _ in range(answers)]:
                self.drop()

    def _parameters(self, message: Composed) -> str:
        limit = self._smtp.esmtp_features.get("size", "").strip()
        if limit.isdecimal() and 0 < int(limit) < len(message.content):  # RFC 1870
            raise Refused(f"MAIL: the message is larger than the {self._who} takes")
        told = [f"SIZE={len(message.content)}"] if self._smtp.has_extn("size") else []
        if message.envid is not None and self._smtp.has_extn("dsn"):
            told += ["RET=HDRS", f"ENVID={message.envid}"]  # RFC 3461 §4.3, §4.4: what comes back holds no body
        if message.require_tls:
            if not self._smtp.has_extn("requiretls"):  # RFC 8689 §2: offered inside TLS only
                raise Insecure(f"MAIL: the {self._who} does not offer REQUIRETLS")
            told.append("REQUIRETLS")
        self._smtp.command_encoding = "ascii"
        if message.utf8:
            if not self._smtp.has_extn("smtputf8"):
                raise Refused(f"MAIL: the {self._who} takes no address with letters beyond ASCII (RFC 6531)")
            self._smtp.command_encoding = "utf-8"
            told += ["BODY=8BITMIME", "SMTPUTF8"]
        return "".join(f" {one}" for one in told)

    def _reporting(self, message: Composed) -> str:
        """What of the message's fate is to be reported, and whose it was (RFC 3461 §4.1, §4.2)."""
        if message.envid is None or not self._smtp.has_extn("dsn"):
            return ""
        told = f" NOTIFY={message.notify}"
        return told if message.utf8 else f"{told} ORCPT=rfc822;{_xtext(message.recipient)}"

    @property
    def _who(self) -> str:
        return "recipient's server" if self.hop.strict else "relay"

    def _body(self, message: Composed) -> None:
        # Everything but the dot: whatever fails up to here, the other side has no complete message.
        self._smtp.send(_dotted(message.content))

    def _final_dot(self) -> str | None:
        self._step = "final dot"
        if self._smtp.deadline.left_or_none() < self.hop.timeout / 10:
            # Too late to hear an answer: better provably late than perhaps sent.
            self.drop()
            raise Deferred("final dot: not sent, the time is up")
        try:
            self._smtp.send(b".\r\n")
            code, said = self._smtp.getreply()
        except Lost:
            raise Unknown("the line was lost after the final dot") from None
        self._answer((code, said), range(200, 300))
        told = _QUEUE_ID.search(said)
        return told.group(1).decode() if told else None

    def _answer(self, reply: tuple[int, bytes], wanted: Sequence[int]) -> None:
        code = reply[0]
        if code in wanted:
            return
        if code == 421:  # RFC 5321 §3.8: it closes the channel after this
            self.drop()
            raise self._gone(f"answered {code}")
        if code // 100 == 5 and code not in _NOT_THE_MESSAGE:
            raise Refused(f"{self._step}: answered {code}")
        if code // 100 in (4, 5):
            self.drop()
            raise Deferred(f"{self._step}: answered {code}")
        self.drop()
        if self._step == "final dot":
            raise Unknown(f"{self._step}: answered {code}")
        raise Deferred(f"{self._step}: answered {code}")

    def _gone(self, why: object) -> Deferred:
        """The other side has closed: before anything of the message was said, another connection may say it."""
        return (HungUp if self._step == "MAIL" else Deferred)(f"{self._step}: {why}")


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _xtext(text: str) -> str:
    """RFC 3461 §4: printable ASCII as it is, but for "+", "=" and blanks."""
    return "".join(char if "!" <= char <= "~" and char not in "+=" else f"+{ord(char):02X}" for char in text)


def _dotted(content: bytes) -> bytes:
    """Dots doubled at line starts and a final CRLF (RFC 5321 §4.5.2); `content` has CRLF line ends only."""
    dotted = content.replace(b"\r\n.", b"\r\n..")
    if dotted.startswith(b"."):
        dotted = b"." + dotted
    return dotted if dotted.endswith(b"\r\n") else dotted + b"\r\n"


def _connect(hop: Hop, deadline: Deadline) -> socket.socket:
    """A TCP connection to the first address that answers; the deadline bounds all of them and the look-up together."""
    addresses = _given(hop) if hop.addresses else _resolve(hop.host, hop.port, deadline)
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(deadline.left() / (len(addresses) - tried))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            sock.close()
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise Lost("no connection")


_Addresses = Sequence[tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]]


def _given(hop: Hop) -> _Addresses:
    """The addresses of a name that was looked up already."""
    tcp = socket.SOCK_STREAM
    return [(socket.AF_INET6 if ":" in one else socket.AF_INET, tcp, 0, "", (one, hop.port)) for one in hop.addresses]


def _resolve(host: str, port: int, deadline: Deadline) -> _Addresses:
    """Look a name up on a thread of its own: `getaddrinfo` takes no time-out and can hang for half a minute."""
    answer: queue.SimpleQueue[_Addresses] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answer.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            answer.put([])

    threading.Thread(target=look_up, daemon=True, name="smtp-lookup").start()
    try:
        found = answer.get(timeout=deadline.left())
    except queue.Empty:
        raise Lost("the relay's name was not resolved in time") from None
    if not found:
        raise Lost("the relay's name has no address")
    return found
