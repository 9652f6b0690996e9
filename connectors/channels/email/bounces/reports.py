"""Reads a bounce (RFC 3464) or a complaint (RFC 5965) out of any bytes: a report, or None; it never raises and never quotes."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.message import Message
from email.policy import Compat32
from enum import StrEnum

MOST = 1024 * 1024  # bytes looked at, unless the caller bounds them otherwise
_PARTS = 60  # "Content-Type" in the whole: as deep as messages can lie in one another for the standard parser
_BOUNDARIES = 20  # "boundary" in the whole: the standard parser compares each line with each that is open
_LINES = 40_000  # of the whole; what we wrote has a few hundred
_FATES = 20  # recipients of one report; our messages have one
_FOLDED = 1000  # characters of one field's value that are kept
_STATUS = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?!\d)").match  # RFC 3463 §2
_MESSAGE_ID = re.compile(r"\s*(<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,200}@[A-Za-z0-9.-]{1,253}>)\s*").fullmatch
_WORD = re.compile(r"[\x21-\x7e]{1,200}").fullmatch
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")


class Kind(StrEnum):
    """What somebody reports."""

    DELIVERY = "delivery"
    COMPLAINT = "complaint"


class Did(StrEnum):
    """RFC 3464 §2.3.3, the Action field."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of the message for one recipient; `status` as RFC 3463 has it ("5.1.1")."""

    did: Did
    status: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report, as far as it is understood; nothing in it says who the recipient was.

    `envid`: Original-Envelope-Id. `paths`: addresses it, or what it returns, was sent back to. `message_id`: of the
    message it returns. `feedback`: RFC 5965 §3.1's Feedback-Type, lower case.
    """

    kind: Kind
    fates: tuple[Fate, ...] = ()
    feedback: str | None = None
    envid: str | None = None
    message_id: str | None = None
    paths: tuple[str, ...] = field(repr=False, default=())


def read_report(raw: bytes, *, most: int = MOST) -> Report | None:
    """The report that `raw` is, or None for anything else, also for what is longer than `most` bytes."""
    if len(raw) > most or _is_bomb(raw):
        return None
    try:
        return _report(email.message_from_bytes(raw, policy=_SHORT))
    except Exception:  # noqa: BLE001  # the standard parser raises whatever it meets on foreign bytes
        return None


def _is_bomb(raw: bytes) -> bool:
    """Whether the standard parser would need longer for it than for anything that servers send."""
    lower = raw.lower()
    many = lower.count(b"content-type") > _PARTS or lower.count(b"boundary") > _BOUNDARIES
    return many or lower.count(b"\n") + lower.count(b"\r") > 2 * _LINES


class _Short(Compat32):
    """Fields are cut before anything is looked for in them: the standard parser takes hours over a megabyte of semicolons."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        """As the standard policy's, of so many characters."""
        name, value = super().header_source_parse(sourcelines)
        return name, value[:_FOLDED]


_SHORT = _Short()


def _report(message: Message) -> Report | None:
    if message.get_content_type() != "multipart/report" or not message.is_multipart():  # RFC 6522
        return None
    parts = [part for part in message.get_payload() if isinstance(part, Message)]
    told = next((part for part in parts if part.get_content_type() in _TOLD), None)
    if told is None:
        return None
    returned = next(filter(None, map(_returned, reversed(parts))), None)
    blocks = list(_blocks(told))
    if told.get_content_type() == "message/feedback-report":
        return _complaint(message, blocks, returned)
    return _delivery(message, blocks, returned)


_TOLD = ("message/delivery-status", "message/global-delivery-status", "message/feedback-report")


def _delivery(message: Message, blocks: Sequence[Message], returned: Message | None) -> Report | None:
    """RFC 3464 §2: fields of the message, then of each recipient."""
    fates = tuple(fate for block in blocks for fate in _fates(block))[:_FATES]
    if not fates:
        return None
    return Report(
        kind=Kind.DELIVERY,
        fates=fates,
        envid=_word(blocks[0], "Original-Envelope-Id"),
        message_id=_id_of(returned),
        paths=_paths(message, returned),
    )


def _fates(block: Message) -> Iterator[Fate]:
    did = _text(block, "Action").strip().lower()
    if did in Did.__members__.values():
        status = _STATUS(_text(block, "Status"))
        yield Fate(did=Did(did), status=status[1] if status else None)


def _complaint(message: Message, blocks: Sequence[Message], returned: Message | None) -> Report | None:
    """RFC 5965 §3."""
    feedback = _word(blocks[0], "Feedback-Type") if blocks else None
    if feedback is None:
        return None
    sent_from = _addresses(blocks[0], "Original-Mail-From")
    return Report(
        kind=Kind.COMPLAINT,
        feedback=feedback.lower(),
        envid=_word(blocks[0], "Original-Envelope-Id"),
        message_id=_id_of(returned),
        paths=(*sent_from, *_paths(message, returned)),
    )


def _blocks(part: Message) -> Iterator[Message]:
    """The groups of fields of a part; of RFC 6533's kind the standard parser reads the first and leaves the rest as text."""
    payload = part.get_payload()
    if isinstance(payload, list):
        inner = [one for one in payload[: _FATES + 1] if isinstance(one, Message)]
        yield from inner
        payload = inner[0].get_payload() if len(inner) == 1 else ""
    if isinstance(payload, str):
        for group in re.split(r"(?:\r?\n){2,}", payload.strip())[: _FATES + 1]:
            yield email.message_from_string(f"{group}\n\n", policy=_SHORT)


def _returned(part: Message) -> Message | None:
    """The message that came back, whole or its headers only (RFC 6522 §3, RFC 3462 §2)."""
    if part.get_content_type() in ("message/rfc822", "message/global"):
        inner = part.get_payload()
        return inner[0] if isinstance(inner, list) and inner and isinstance(inner[0], Message) else None
    if part.get_content_type() in ("text/rfc822-headers", "message/rfc822-headers", "message/global-headers"):
        return next(_blocks(part), None)
    return None


def _paths(message: Message, returned: Message | None) -> tuple[str, ...]:
    """Where the report was sent to, and where what it returns says that it came from."""
    found = [
        one for name in ("Delivered-To", "X-Original-To", "Envelope-To", "To") for one in _addresses(message, name)
    ]
    return (*found, *(() if returned is None else _addresses(returned, "Return-Path")))


def _addresses(message: Message, name: str) -> list[str]:
    return [
        match[0] for value in (message.get_all(name) or [])[:5] for match in _ADDRESS.finditer(str(value)[:_FOLDED])
    ]


def _id_of(returned: Message | None) -> str | None:
    match = _MESSAGE_ID(_text(returned, "Message-ID")) if returned is not None else None
    return match[1] if match else None


def _word(message: Message, name: str) -> str | None:
    text = _text(message, name).strip()
    return text if _WORD(text) else None


def _text(message: Message, name: str) -> str:
    return str(message.get(name) or "")[:_FOLDED]
