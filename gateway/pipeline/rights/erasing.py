"""Erasing a person destroys their keys, and those of everybody merged into them; what stays is evidence that names nobody.

Gone: names, numbers, addresses, facts, texts, replies, stored messages. Stays: audit rows, consent and opt-outs (by keyed
digest of the address), what was sent when (by token), and a digest of each identifier, so that 45 CFR 164.528 can still
be answered. No row can be found by the person's identifiers or visits any more: a later message is about a new patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.model.audit import Action
from gateway.model.errors import CommandError
from gateway.model.request import RequestStatus
from gateway.model.verdict import Reason
from gateway.pipeline import fetching
from gateway.pipeline.directory import identifier_of
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.rights.persons import Who, family
from gateway.store import datakeys, tables
from gateway.store.uow import UnitOfWork

Entry = tuple[Any, ...]

_WAITING = (RequestStatus.ACTIVE, RequestStatus.ON_HOLD)
_ERASURE = ("id", "patient", "at", "by", "why", "hmac")


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What was (or, in a dry run, would be) erased: tokens of the person and of those merged into them, and counts by kind.

    `withdrawn`: requests that waited. `others`: stored messages that tell of other people as well, and go with it.
    """

    patients: tuple[int, ...]
    withdrawn: tuple[int, ...]
    erased: dict[str, int]
    others: int = 0


@dataclass(slots=True)
class _Work:
    """One erasure under way. `entries` are audited with the unit."""

    uow: UnitOfWork
    tokens: list[int]
    entries: list[Entry] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def erase(gateway: Inspectable, who: Who, *, reason: str, account: str, dry_run: bool = False) -> Erasure:
    """Erase a person for good, all merged into them included; a dry run does all but commit. Irreversible.

    CommandError: nobody has the identifier, or they are erased already. Raises StoreError; then nothing was erased.
    """
    store = gateway.store
    with store.database.shredding(), store.begin(account) as uow:
        tokens = family(uow, gateway, who)
        done = erase_tokens(uow, tokens, reason=reason)
        if not dry_run:
            uow.commit()
    return done


def erase_tokens(uow: UnitOfWork, tokens: Sequence[int], *, reason: str) -> Erasure:
    """As `erase`, inside the caller's unit, which runs within `shredding()`: for an erasure that a restore repeats, too.

    `tokens`: a whole family, the survivor first. Raises CommandError when all are erased already.
    """
    work = _Work(uow, list(tokens))
    keys = _lock(work)
    withdrawn = _withdraw(work)
    _forget_resources(work)
    _forget_identifiers(work, reason)
    _forget_person(work)
    _forget_visits(work)
    _forget_texts(work)
    _end_links(work)
    others = _forget_messages(work)
    for key in keys:
        datakeys.destroy(uow, key)
    entries = [(Action.PATIENT_ERASED, work.tokens[0], reason, work.counts), *work.entries]
    uow.audit([*entries, *((Action.KEY_DESTROYED, key) for key in keys)], patients=work.tokens)
    return Erasure(patients=tuple(work.tokens), withdrawn=tuple(withdrawn), erased=work.counts, others=others)


def _lock(work: _Work) -> list[int]:
    """Lock them in token order, as receive does; the keys that are still there, oldest first."""
    uow, tokens = work.uow, work.tokens
    rows = uow.lookup(tables.patient, ("token", "key"), "token", sorted(tokens), lock=True)
    later = [one for (one,) in uow.lookup(tables.patient, ("token",), "survivor", tokens[:1])]
    if set(later) - set(tokens):  # between finding and locking them
        raise CommandError("somebody was merged into this person just now; look again, and run it once more")
    keys = sorted(key for _, key in rows)
    standing = uow.lookup(tables.data_key, ("id", "destroyed_at"), "id", keys)
    found = [key for key, destroyed in standing if destroyed is None]
    if not found:
        raise CommandError(f"patient {tokens[0]} is erased already")
    return sorted(found)


def _withdraw(work: _Work) -> list[int]:
    """What waits for them leaves no more; an attempt that is under way settles and brings nothing back."""
    rows = work.uow.lookup(tables.request, ("id", "state"), "patient", work.tokens, lock=True)
    waiting = sorted(identity for identity, state in rows if state in _WAITING)
    values = [(RequestStatus.REVOKED, Reason.PATIENT_ERASED, one) for one in waiting]
    work.uow.update(tables.request, ("id",), ("state", "reason"), values)
    for one in waiting:
        work.uow.audit([(Action.REQUEST_WITHDRAWN, one, Reason.PATIENT_ERASED)], request=one, patients=work.tokens[:1])
    return waiting


def _forget_resources(work: _Work) -> None:
    """They are asked for at no server any more, and a delete there finds nothing of theirs here."""
    uow = work.uow
    known = uow.lookup(tables.resource, ("id",), "patient", work.tokens)
    uow.delete(tables.resource, "id", [one for (one,) in known])
    owners: dict[int, int] = dict(uow.lookup(tables.patient, ("token", "key"), "token", work.tokens))
    keys = datakeys.open_keys(uow, sorted(owners.values()))
    for token, sealed in uow.lookup(tables.identifier, ("patient", "sealed"), "patient", work.tokens):
        if (key := keys[owners[token]]) is not None:
            fetching.forget_patient(uow, identifier_of(key, sealed, token).value)


def _forget_identifiers(work: _Work, reason: str) -> None:
    """Each identifier's digest moves to the erasure: it says who was erased to those who ask by it, and finds no patient."""
    uow = work.uow
    rows = uow.lookup(tables.identifier, ("patient", "hmac"), "patient", work.tokens)
    made = [(uow.new_id(), token, uow.now, uow.actor, reason, None) for token in work.tokens]
    made += [(uow.new_id(), token, uow.now, uow.actor, reason, hmac) for token, hmac in rows]
    uow.insert(tables.erasure, _ERASURE, made)
    work.counts["identifiers"] = uow.delete(tables.identifier, "hmac", [hmac for _, hmac in rows])


def _forget_person(work: _Work) -> None:
    """The state of residence stays: a breach counts people by it (164.406), and it identifies nobody (164.514(b)(2)(i)(B))."""
    uow, tokens = work.uow, work.tokens
    columns = ("sealed", "digest", "flags_digest", "zones", "language", "hold")
    uow.update(tables.patient, ("token",), columns, [(b"", b"", b"", "", None, "", one) for one in tokens])
    consents = uow.lookup(tables.consent, ("id", "sealed"), "patient", tokens)
    uow.update(tables.consent, ("id",), ("sealed",), [(None, one) for one, sealed in consents if sealed is not None])
    theirs = uow.lookup(tables.representative, ("id", "valid_until"), "patient", tokens)
    ended = [(b"", uow.now if until is None else min(until, uow.now), one) for one, until in theirs]
    uow.update(tables.representative, ("id",), ("sealed", "valid_until"), ended)
    work.entries += [(Action.REPRESENTATIVE_ENDED, one[-1], Reason.PATIENT_ERASED) for one in ended]
    owners = [*tokens, *(one[-1] for one in ended)]  # a representation's contact points belong to it
    work.counts["contact points"] = uow.delete(tables.contact_point, "patient", owners)


def _forget_visits(work: _Work) -> None:
    """No digest of theirs finds a visit any more, so that its next message is about a new one; its times are gone."""
    uow = work.uow
    uow.delete(tables.table_row, "patient", work.tokens)  # else the same row would be no news when they are known again
    ids = [one for (one,) in uow.lookup(tables.occurrence, ("id",), "patient", work.tokens)]
    columns = (
        "key",
        "parent",
        "sealed_facts",
        "start_utc",
        "end_utc",
        "zone",
        "precision",
        "occurred",
        "version",
        "hold",
        "raw",
    )
    rows = [(b"erased %d" % one, None, b"", None, None, None, None, 0, 0, "", 0, one) for one in ids]
    work.counts["visits"] = uow.update(tables.occurrence, ("id",), columns, rows)


def _forget_texts(work: _Work) -> None:
    uow, tokens = work.uow, work.tokens
    sent = uow.lookup(tables.communication, ("id", "sealed_body"), "patient", tokens)
    texts = [(None, one) for one, body in sent if body is not None]
    uow.update(tables.communication, ("id",), ("sealed_body",), texts)
    uow.delete(tables.writeback, "about", [one for one, _ in sent])  # no server is told of them any more
    replies = [(None, "done", one) for (one,) in uow.lookup(tables.inbound, ("id",), "patient", tokens)]
    uow.update(tables.inbound, ("id",), ("sealed", "state"), replies)
    work.counts |= {"texts": len(texts), "replies": len(replies)}


def _end_links(work: _Work) -> None:
    uow, tokens = work.uow, work.tokens
    links = [one for one, ended in uow.lookup(tables.link, ("id", "ended"), "patient", tokens) if ended is None]
    uow.update(tables.link, ("id",), ("ended",), [(uow.now, one) for one in links])
    work.entries += [(Action.LINK_ENDED, one, Reason.PATIENT_ERASED) for one in links]
    logins = [(None, None, "ended", one) for (one,) in uow.lookup(tables.login, ("id",), "patient", tokens)]
    uow.update(tables.login, ("id",), ("digest", "code_digest", "state"), logins)


def _forget_messages(work: _Work) -> int:
    """The bytes of every stored message of theirs, its parts included; how many of those told of others as well.

    A message's audit row has its id, and says whom it was about. What lies in quarantine is nobody's yet.
    """
    uow = work.uow
    about = sorted({audit for (audit,) in uow.lookup(tables.audit_patient, ("audit",), "patient", work.tokens)})
    parts = [one for (one,) in uow.lookup(tables.fragment, ("raw",), "ended", about)]
    rows = uow.lookup(tables.raw, ("id", "sealed"), "id", sorted({*about, *parts}))
    ids = sorted(one for one, sealed in rows if sealed is not None)
    uow.update(tables.raw, ("id",), ("sealed",), [(None, one) for one in ids])
    work.counts["stored messages"] = len(ids)
    told = uow.lookup(tables.audit_patient, ("audit", "patient"), "audit", ids)
    return len({audit for audit, patient in told if patient not in work.tokens})
