"""What goes in and out: ids are strings (they exceed 2^53), times ISO 8601 in UTC, and an unknown key is an error."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gateway.model.consent import ConsentKind
from gateway.model.errors import CommandError
from gateway.model.party import Identifier
from gateway.model.when import Millis, to_datetime, to_millis

_Kind = TypeVar("_Kind")


def _time(told: Any) -> Any:
    return (
        to_datetime(told).isoformat(timespec="milliseconds").replace("+00:00", "Z") if isinstance(told, int) else told
    )


Id = Annotated[str, BeforeValidator(lambda told: str(told) if isinstance(told, int) else told)]
At = Annotated[str, BeforeValidator(_time), Field(json_schema_extra={"format": "date-time"})]
Number = Annotated[int, Path(ge=1, lt=2**63)]
Numeral = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,18}$")]
Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str | None, Query(max_length=64, pattern="^[A-Za-z0-9_-]+$")]
Line = Annotated[str, Field(min_length=3, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
Word = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Shape(BaseModel):
    """Frozen; taken from our own dataclasses, or from a body that has no other keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True, hide_input_in_errors=True)


class Person(Shape):
    """An identifier as in PID-3: assigning authority, type (HL7 table 0203), value. In a body, never in a URL."""

    system: Word
    type: Word
    value: Annotated[str, Field(min_length=1, max_length=64, repr=False)]

    @property
    def identifier(self) -> Identifier:
        """As the directory takes it."""
        return Identifier(self.system, self.type, self.value)


class About(Shape):
    """Whom a question is about."""

    identifier: Person
    cursor: Annotated[str | None, Field(max_length=64)] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class ConsentOut(Shape):
    """One ledger entry."""

    id: Id
    patient: Id | None
    address: Id | None
    purpose: str
    channel: str
    topic: str
    decision: Literal["permit", "deny"]
    valid_from: At
    valid_until: At | None
    evidence: str
    recorded: At
    kind: ConsentKind
    recorded_by: str | None
    text_version: str | None
    language: str | None


class ConsentIn(Shape):
    """A decision to be recorded; `*` is any. No kind stands in for another (CN-08).

    `text_version`, `language`: of the words agreed to (a warning, a disclosure). `elements`: of an authorization, all of
    45 CFR 164.508(c); an incomplete one is refused. `address`: the number or mailbox meant, where it is one of several.
    """

    identifier: Person
    permit: bool
    kind: ConsentKind = ConsentKind.MESSAGES
    purpose: Word = "*"
    channel: Word = "*"
    topic: Word = "*"
    until: datetime | None = None
    evidence: Line
    text_version: Word | None = None
    language: Word | None = None
    elements: dict[Word, Line] = Field(default_factory=dict, max_length=20, repr=False)
    address: Annotated[str | None, Field(max_length=254, repr=False)] = None

    @property
    def ends(self) -> Millis | None:
        """Millis UTC. Raises CommandError for a time without a zone."""
        if self.until is not None and self.until.tzinfo is None:
            raise CommandError("until needs a zone, like 2027-03-01T00:00:00Z")
        return None if self.until is None else to_millis(self.until)


class RevokeIn(Shape):
    """What somebody takes back: kind and scope of the permit, exactly."""

    identifier: Person
    kind: ConsentKind = ConsentKind.MESSAGES
    purpose: Word = "*"
    channel: Word = "*"
    topic: Word = "*"
    evidence: Line


class Recorded(Shape):
    """The ids of ledger entries that were added."""

    entries: list[Id]


class PreferenceOut(Shape):
    """What is in force of one purpose × channel × topic."""

    purpose: str
    channel: str
    topic: str
    stands: Literal["yes", "no", "not told"]


class PreferencesOut(Shape):
    """What a person chose."""

    language: str | None
    lines: list[PreferenceOut]


class StoryLine(Shape):
    """One thing that happened; `audit` the row that proves it."""

    at: At
    actor: str
    action: str
    words: str
    audit: Id
    request: Id | None


class ReceiptOut(Shape):
    """What the other side told."""

    id: Id
    status: str
    at: At
    code: str | None


class AttemptOut(Shape):
    """One attempt."""

    id: Id
    channel: str
    attempt: int
    status: str
    reason: str | None
    at: At
    settled: At | None
    receipts: list[ReceiptOut]


class SuppressedOut(Shape):
    """An address that is not written to; the address itself is not shown."""

    address: Id
    since: At
    why: str
    opted_out: At | None
    patients: list[Id]


class ReplyOut(Shape):
    """A reply without its words."""

    id: Id
    channel: str
    received: At
    meaning: str
    state: str
    patient: Id | None
    request: Id | None


class ReplyWordsOut(Shape):
    """A reply as it was written. Null: its words were forgotten."""

    line: ReplyOut
    sender: str | None
    text: str | None
    visits: list[tuple[Id, At]] = Field(description="Open visits it may be about: request, start.")


class DecisionIn(Shape):
    """What staff say a reply means; `about`: the request it answers, where several visits are open."""

    decision: Literal["stop", "confirm", "cancel-visit", "reschedule", "done"]
    about: Numeral | None = None


class RevocationOut(Shape):
    """An opt-out and one other who must honour it."""

    id: Id
    consent: Id
    target: str
    state: str
    legal_by: At
    tries: int
    acknowledged: At | None


class Done(Shape):
    """It is done."""

    done: Literal[True] = True


class Page(Shape, Generic[_Kind]):
    """Some of a list; `next`, if there is more, is the cursor of what follows."""

    items: list[_Kind]
    next: str | None = None


PROBLEM: dict[str, Any] = {
    "description": "A problem document (RFC 9457); it repeats nothing of the request.",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "properties": {"type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"}},
            }
        }
    },
}


def packed(at: int) -> str:
    """A place in a list as a cursor."""
    return base64.urlsafe_b64encode(str(at).encode()).decode().rstrip("=")


def unpacked(cursor: str | None) -> int:
    """Inverse of `packed`; 0 without one. Raises CommandError."""
    if cursor is None:
        return 0
    try:
        told = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        told = ""
    if not told.isascii() or not told.isdigit() or len(told) > 19 or int(told) >= 2**63:
        raise CommandError("that is no cursor of this list")
    return int(told)


def page(shape: type[_Kind], lines: Sequence[Any], cursor: str | None, limit: int) -> Page[_Kind]:
    """A page of a list that is whole in memory; the cursor is a place in it."""
    at = unpacked(cursor)
    some = [_made(shape, one) for one in lines[at : at + limit]]
    return Page(items=some, next=packed(at + limit) if len(lines) > at + limit else None)


def keyed(shape: type[_Kind], lines: Sequence[Any], limit: int, key: Callable[[Any], int]) -> Page[_Kind]:
    """A page of a list that was asked for with one line more than `limit`; the cursor is the last line's key."""
    some = [_made(shape, one) for one in lines[:limit]]
    return Page(items=some, next=packed(key(lines[limit - 1])) if len(lines) > limit else None)


def _made(shape: type[_Kind], told: Any) -> _Kind:
    assert issubclass(shape, BaseModel)
    return shape.model_validate(told)
