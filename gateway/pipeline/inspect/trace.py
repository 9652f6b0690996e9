"""The whole story of one message, request or person in time order, every non-send and its reason included."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.model.audit import Action
from gateway.model.errors import CommandError
from gateway.model.party import Identifier
from gateway.model.when import Millis
from gateway.pipeline.directory import Directory, identifier_digests
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.words import words
from gateway.store import tables
from gateway.store.uow import Reader, UnitOfWork

_AUDIT = ("id", "at", "actor", "ruleset", "request", "entries")
_decode = msgspec.json.Decoder(list[list[Any]]).decode
_ABOUT_REQUEST = frozenset(
    {
        Action.REQUEST_PLANNED,
        Action.REQUEST_HELD,
        Action.REQUEST_WITHDRAWN,
        Action.REQUEST_RELEASED,
        Action.REQUEST_MOVED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happened. `at` Millis UTC; `audit` the row that proves it."""

    at: Millis
    actor: str
    action: str
    words: str
    audit: int
    request: int | None


def trace_message(gateway: Inspectable, message: int) -> list[Line]:
    """The story of one message and of every request it planned. Raises CommandError when there is none."""
    with gateway.store.read() as unit:
        rows = _rows(unit, "id", [message])
        if not rows:
            raise CommandError(
                f"there is no message {message}; `caregate load` shows message ids, and so does `caregate trace --patient -`"
            )
        planned = _requests_in(rows)
        rows += _rows(unit, "request", planned)
    return _lines(rows)


def trace_request(gateway: Inspectable, request: int) -> list[Line]:
    """The story of one request, from the message that planned it. Raises CommandError when there is none."""
    with gateway.store.read() as unit:
        found = unit.lookup(tables.request, ("raw",), "id", [request])
        if not found:
            raise CommandError(
                f"there is no request {request}; `caregate trace --message` lists the requests of a message"
            )
        rows = _rows(unit, "id", [found[0][0]]) + _rows(unit, "request", [request])
    return [line for line in _lines(rows) if line.request in (None, request)]


def trace_patient(
    gateway: Inspectable,
    *,
    system: str,
    type: str,  # noqa: A002 -- it is CX.5
    value: str,
    reason: str,
    account: str,
) -> list[Line]:
    """The story of one person, found by identifier; the look itself is audited with `reason` and `account`.

    Raises CommandError when nobody has the identifier.
    """
    with gateway.store.begin(account) as uow:
        patient = find_patient(uow, gateway, Identifier(system=system, type=type, value=value))
        tokens = family_of(uow, patient)
        links = uow.lookup(tables.audit_patient, ("audit",), "patient", tokens)
        rows = _rows(uow, "id", sorted({audit for (audit,) in links}))
        uow.audit([(Action.CONTENT_READ, "trace", reason)], patients=tokens)
        uow.commit()
    return _lines(rows)


def find_patient(uow: UnitOfWork, gateway: Inspectable, identifier: Identifier) -> int:
    """The token an identifier stands for now. Raises CommandError when nobody has it."""
    digests = identifier_digests(gateway.store.keyring, identifier)
    found = uow.lookup(tables.identifier, ("patient",), "hmac", list(digests))
    if not found:
        raise CommandError("nobody here has that identifier under that assigning authority and type")
    directory = Directory(uow, gateway.store.keyring, gateway.rules.current().ruleset.policy)
    directory.load_tokens([found[0][0]])
    return directory.root(found[0][0]).token


def family_of(unit: Reader, root: int) -> list[int]:
    """A survivor and everyone merged into them."""
    return [root, *(token for (token,) in unit.lookup(tables.patient, ("token",), "survivor", [root]))]


def _rows(unit: Reader, key: str, values: Sequence[int]) -> list[tuple[Any, ...]]:
    return unit.lookup(tables.audit, _AUDIT, key, list(values)) if values else []


def _requests_in(rows: Iterable[tuple[Any, ...]]) -> list[int]:
    entries = (entry for row in rows for entry in _decode(row[5]))
    return sorted({entry[1] for entry in entries if entry[0] in _ABOUT_REQUEST and entry[1] is not None})


def _lines(rows: Iterable[tuple[Any, ...]]) -> list[Line]:
    lines: list[Line] = []
    for identity, at, actor, _, request, entries in sorted(set(rows)):
        for entry in _decode(entries):
            about = entry[1] if entry[0] in _ABOUT_REQUEST else request
            lines.append(Line(at=at, actor=actor, action=entry[0], words=words(entry), audit=identity, request=about))
    return lines
