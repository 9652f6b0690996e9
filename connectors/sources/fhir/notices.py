"""What any server's call comes down to: changed resources of one subscription, with the numbers it counts them by (V-01)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from connectors.sources.fhir.messages import Message
from gateway.model.when import Millis

_REFERENCE = re.compile(
    r"(?:(?P<base>https?://[^\s?#]{1,300})/)?"
    r"(?P<type>[A-Z][A-Za-z]{1,40})/(?:(?P=type)/)?(?P<id>[A-Za-z0-9.-]{1,64})(?:/_history/(?P<version>[A-Za-z0-9.-]{1,64}))?"
)
_LONGEST = 512
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
FOREIGN: Final = "foreign"
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Kind(StrEnum):
    """R5 subscription-notification-type, and what has no such word."""

    HANDSHAKE = "handshake"
    HEARTBEAT = "heartbeat"
    EVENTS = "event-notification"
    STATUS = "query-status"
    QUERIED = "query-event"
    PLAIN = "plain"  # resources alone: the classic rest-hook and its kin


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One resource that changed. `reference`: "Appointment/12", or "" where it has no id.

    `body`: what is offered to the intake; None: it must be read from its server. `where`: its place in the request.
    `hint`: it was only sent along, and what is made of it is not the sender's affair (S-23).
    """

    reference: str = field(repr=False)
    version: str | None = field(default=None, repr=False)
    body: bytes | None = field(default=None, repr=False)
    where: str = ""
    hint: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One call. `subscription`: its id at the server; `numbers`: of the events that it tells; `count`: events so far.

    `at`: when it was made by the server's clock. `asks`: something changed that it does not name (S-05, S-22).
    `foreign`: how many references lead to another server (S-33). `message`: that carried it (M-03). `reply`: what its
    sender must read in the answer, as JSON (V-02).
    """

    kind: Kind
    subscription: str = ""
    topic: str = ""
    numbers: tuple[int, ...] = ()
    count: int | None = None
    at: Millis | None = None
    changes: tuple[Change, ...] = ()
    asks: bool = False
    foreign: int = 0
    message: Message | None = None
    reply: bytes = b""

    @property
    def counts(self) -> bool:
        """Whether its server numbers events at all."""
        return self.count is not None or bool(self.numbers)


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a resource lies at its own server."""

    type: str
    id: str
    version: str | None

    @property
    def literal(self) -> str:
        """As it is written relative to the base."""
        return f"{self.type}/{self.id}"


def reference_of(text: object, bases: Sequence[str]) -> Reference | str | None:
    """A literal reference to one of our server's resources; FOREIGN: to another server's; None: it is no such thing.

    `bases`: what the server calls itself; none: nothing is ever read, so any host will do. HAPI writes the type twice.
    """
    match = _REFERENCE.fullmatch(text) if isinstance(text, str) and len(text) <= _LONGEST else None
    if match is None:
        return None
    if match["base"] is not None and bases and match["base"] not in bases:
        return FOREIGN
    return Reference(match["type"], match["id"], match["version"])


def named(kind: object, own: object) -> Reference | None:
    """The reference to a resource of a type with an id; None where they could be none."""
    found = reference_of(f"{kind}/{own}", ()) if isinstance(kind, str) and isinstance(own, str) else None
    return found if isinstance(found, Reference) and (found.type, found.id) == (kind, own) else None


def subscription_of(text: object) -> str:
    """The id of a subscription, from a reference to it or as it is; "" where there is none that could be one."""
    tail = text.rpartition("/")[2] if isinstance(text, str) and len(text) <= _LONGEST else ""
    return tail if _ID.fullmatch(tail) else ""


def instant_of(text: object) -> Millis | None:
    """Millis of a FHIR instant; None for anything else."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return None if moment is None or moment.tzinfo is None else int(moment.timestamp() * 1_000)


def instant(at: Millis) -> str:
    """A FHIR instant in UTC, to the millisecond; written without a plus (Q-10). What is before 1970 is told as 1970."""
    return datetime.fromtimestamp(max(at, 0) / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
