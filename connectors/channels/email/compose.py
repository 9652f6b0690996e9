"""One envelope becomes one RFC 5322 message to one recipient; no value can add a header or a second recipient (EM-14)."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import format_datetime

from connectors.channels.email.mime import either, part, written
from connectors.channels.email.words import phrase, unstructured
from gateway.model.errors import Refused
from gateway.model.when import Millis, to_datetime
from gateway.ports import Envelope

LONGEST_HEADER = 400  # characters of one header's value before encoding
LONGEST_LINE = 998  # RFC 5322 §2.1.1
_LOCAL = re.compile(r"[^\s\"(),:;<>@\[\\\]]+").fullmatch  # RFC 5321 dot-string, RFC 6531's letters included
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?").fullmatch
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+>").fullmatch
_HTTPS = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/[A-Za-z0-9._~%/?&=+-]*").fullmatch
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*").fullmatch
# Python's codec is IDNA 2003, which turns these into other letters than IDNA 2008: perhaps another owner's domain.
_DEVIATIONS = frozenset("ßẞς\u200c\u200d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """What goes over the wire: reverse path, forward path, the message with CRLF line ends.

    `utf8`: an address needs SMTPUTF8 (RFC 6531); without it everything is 7-bit. `envid`, `notify`: what reports of its
    fate carry and which are wanted (RFC 3461). `require_tls`: as RFC 8689 says, by every server on the way.
    """

    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    content: bytes = field(repr=False)
    utf8: bool
    envid: str | None = None
    notify: str = "FAILURE,DELAY"
    require_tls: bool = False

    @property
    def domain(self) -> str:
        """The recipient's, as A-labels."""
        return self.recipient.rpartition("@")[2]


def compose(envelope: Envelope, *, now: Millis) -> Composed:
    """The message for `envelope`, dated `envelope.at`, else `now`; equal envelopes of one date give equal bytes (EM-13).

    Raises Refused, naming the header and never its value, for what cannot be written safely.
    """
    sender = _address("sender", envelope.sender_address)
    recipient = _address("recipient", envelope.to.value)
    date = now if envelope.at is None else envelope.at
    content = _message(envelope, sender, recipient, date)
    _check_lines(content)
    utf8 = not (sender.isascii() and recipient.isascii())
    return Composed(sender=sender, recipient=recipient, content=content, utf8=utf8)


def _message(envelope: Envelope, sender: str, recipient: str, now: Millis) -> bytes:
    fields = [
        f"Message-ID: {_matching('Message-ID', envelope.message_id, _MESSAGE_ID)}",
        f"Date: {format_datetime(to_datetime(now))}",
        f"From: {phrase(_one_line('From', envelope.sender_name))}<{sender}>",
        f"To: {recipient}",  # never a name: it would travel in clear further than the message
        f"Subject: {unstructured(_one_line('Subject', envelope.subject))}",
        "Auto-Submitted: auto-generated",  # RFC 3834: no vacation replies, please (EM-27)
        f"Content-Language: {_matching('Content-Language', envelope.language, _LANGUAGE)}",
    ]
    if envelope.unsubscribe is not None:
        # RFC 8058 §3.1: one HTTPS address, and the word that makes it one click (EM-21)
        fields.append(f"List-Unsubscribe: <{_matching('List-Unsubscribe', envelope.unsubscribe, _HTTPS)}>")
        fields.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
    return written(fields, _body(envelope))


def _body(envelope: Envelope) -> bytes:
    plain = part("plain", envelope.text)
    return plain if envelope.html is None else either(plain, part("html", envelope.html), _boundary(envelope))


def _boundary(envelope: Envelope) -> str:
    """A resend must be the same bytes. "=_" cannot occur in quoted-printable (RFC 2045 §6.7)."""
    return "=_" + hashlib.sha256(envelope.message_id.encode()).hexdigest()[:32]


def _one_line(header: str, value: str) -> str:
    if not value.isprintable() and any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in value):
        raise Refused(f"{header} holds a line break or control character")
    if len(value) > LONGEST_HEADER:
        raise Refused(f"{header} is longer than {LONGEST_HEADER} characters")
    return value


def _matching(header: str, value: str, pattern: Callable[[str], object]) -> str:
    if not pattern(value) or len(value) > LONGEST_HEADER:
        raise Refused(f"{header} is not well-formed")
    return value


def _address(whose: str, text: str) -> str:
    """One addr-spec: local part as written (its case is the owner's, EM-16), domain as A-labels."""
    local, at, domain = text.rpartition("@")
    if not at or not _is_local(local):
        raise Refused(f"the {whose} address is not usable")
    ascii_domain = _a_labels(domain, whose)
    if len(local.encode()) + 1 + len(ascii_domain) > 254 or len(local.encode()) > 64:  # RFC 5321 §4.5.3.1
        raise Refused(f"the {whose} address is too long")
    return f"{local}@{ascii_domain}"


def _is_local(local: str) -> bool:
    if not _LOCAL(local) or local.startswith(".") or local.endswith(".") or ".." in local:
        return False
    return local.isprintable() or not any(
        unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp", "Zs") for char in local
    )


def _a_labels(domain: str, whose: str) -> str:
    if _DEVIATIONS & set(domain):
        raise Refused(f"the {whose} domain reads differently under IDNA 2003 and 2008")
    try:
        ascii_domain = (domain if domain.isascii() else domain.encode("idna").decode()).lower()
    except UnicodeError:
        ascii_domain = ""
    if not _DOMAIN(ascii_domain) or len(ascii_domain) > 253:
        raise Refused(f"the {whose} domain is not usable")
    return ascii_domain


def _check_lines(content: bytes) -> None:
    """Belt and braces: CRLF line ends only, none too long, nothing outside the lines (RFC 5322 §2.1.1)."""
    lines = content.split(b"\r\n")
    outside = b"".join(lines)
    if b"\r" in outside or b"\n" in outside or max(map(len, lines)) > LONGEST_LINE:
        raise Refused("the message has a line that is too long or broken")
