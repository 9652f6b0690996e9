"""The whole story of one message, request or person in time order, every non-send and its reason included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.model.audit import Action
from gateway.model.errors import CommandError
from gateway.model.party import Identifier
from gateway.model.when import Millis, to_datetime
from gateway.pipeline.directory import Directory, identifier_digests
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.unfired import SILENT, Row, changed_since, silent, unmatched
from gateway.pipeline.inspect.words import ABOUT_REQUEST, Entry, words
from gateway.pipeline.joining import parts_of
from gateway.store import tables
from gateway.store.uow import Reader, UnitOfWork

_AUDIT = ("id", "at", "actor", "ruleset", "request", "entries")
_decode = msgspec.json.Decoder(list[list[Any]]).decode


class Unknown(CommandError):
    """Nobody has the identifier."""


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
    """The story of one message and of every request it planned; why the other rules kept silent.

    Raises CommandError when there is none.
    """
    with gateway.store.read() as unit:
        rows = _rows(unit, "id", [message, *_parts(unit, message)])
        if not rows:
            raise CommandError(
                f"there is no message {message}; `caregate load` shows message ids, and so does `caregate trace --patient -`"
            )
        planned = _requests_in(rows)
        rows += _rows(unit, "request", planned)
        return _lines(gateway, unit, rows)


def trace_request(gateway: Inspectable, request: int) -> list[Line]:
    """The story of one request, from the message that planned it. Raises CommandError when there is none."""
    with gateway.store.read() as unit:
        found = unit.lookup(tables.request, ("raw",), "id", [request])
        if not found:
            raise CommandError(
                f"there is no request {request}; `caregate trace --message` lists the requests of a message"
            )
        rows = _rows(unit, "id", [found[0][0]]) + _rows(unit, "request", [request])
        lines = _lines(gateway, unit, rows)
    return [line for line in lines if line.request in (None, request) and line.action != SILENT]


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
        lines = _lines(gateway, uow, rows)
        uow.audit([(Action.CONTENT_READ, "trace", reason)], patients=tokens)
        uow.commit()
    return lines


def find_patient(uow: UnitOfWork, gateway: Inspectable, identifier: Identifier) -> int:
    """The token an identifier stands for now. Raises Unknown, a CommandError, when nobody has it."""
    digests = identifier_digests(gateway.store.keyring, identifier)
    found = uow.lookup(tables.identifier, ("patient",), "hmac", list(digests))
    if not found:
        raise Unknown("nobody here has that identifier under that assigning authority and type")
    directory = Directory(uow, gateway.store.keyring, gateway.rules.current().ruleset.policy)
    directory.load_tokens([found[0][0]])
    return directory.root(found[0][0]).token


def family_of(unit: Reader, root: int) -> list[int]:
    """A survivor and everyone merged into them."""
    return [root, *(token for (token,) in unit.lookup(tables.patient, ("token",), "survivor", [root]))]


def _rows(unit: Reader, key: str, values: Sequence[int]) -> list[tuple[Any, ...]]:
    return unit.lookup(tables.audit, _AUDIT, key, list(values)) if values else []


def _parts(unit: Reader, message: int) -> list[int]:
    """The parts of a message that came in parts; of a part, what it became one of, or was put into quarantine by (B-07)."""
    ended = unit.lookup(tables.fragment, ("ended",), "raw", [message])
    return [*parts_of(unit, message), *(one for (one,) in ended if one is not None)]


def _requests_in(rows: Iterable[tuple[Any, ...]]) -> list[int]:
    entries = (entry for row in rows for entry in _decode(row[5]))
    return sorted({entry[1] for entry in entries if entry[0] in ABOUT_REQUEST and entry[1] is not None})


def _lines(gateway: Inspectable, unit: Reader, rows: Iterable[tuple[Any, ...]]) -> list[Line]:
    lines: list[Line] = []
    decoded = [(*row[:5], _decode(row[5])) for row in sorted(set(rows))]
    consents = _consents(unit, [entry for row in decoded for entry in row[5]])
    for identity, at, actor, _, request, entries in decoded:
        same = changed_since(gateway, unit, at) is None
        told = [(entry[0], _words(gateway, entry, consents, same=same), _about(entry, request)) for entry in entries]
        told += [(SILENT, sentence, None) for sentence in silent(gateway, unit, Row(identity, at, entries))]
        lines += [
            Line(at=at, actor=actor, action=action, words=sentence, audit=identity, request=about)
            for action, sentence, about in told
        ]
    return lines


def _about(entry: Entry, request: int | None) -> int | None:
    return entry[1] if entry[0] in ABOUT_REQUEST else request


def _words(gateway: Inspectable, entry: Entry, consents: Mapping[int, str], *, same: bool) -> str:
    """An entry in words, with what the rule files (while they are the `same`) and the ledger say more."""
    if entry[0] == Action.CONSENT_RECORDED:
        return words(entry) + consents.get(entry[1], "")
    return (unmatched(gateway, entry) if same else None) or words(entry)


def _consents(unit: Reader, entries: Iterable[Entry]) -> dict[int, str]:
    """Since when, until when and how we know, by the entry's id; the audit log has only who decided what."""
    ids = sorted({entry[1] for entry in entries if entry[0] == Action.CONSENT_RECORDED})
    found = unit.lookup(tables.consent, ("id", "valid_from", "valid_until", "evidence"), "id", ids)
    return {
        identity: f", from {_day(since)}{'' if until is None else f' until {_day(until)}'}; {evidence}"
        for identity, since, until, evidence in found
    }


def _day(millis: Millis) -> str:
    return to_datetime(millis).strftime("%Y-%m-%d %H:%M UTC")
