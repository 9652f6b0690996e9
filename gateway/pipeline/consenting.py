"""Writes what a feed says of consent into the ledger: each decision once, so that a repeat never undoes a later no (PV-06)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.model.consent import ANY, ConsentKind, ConsentStatement, Purpose
from gateway.model.party import ContactSystem
from gateway.model.when import Millis
from gateway.pipeline.directory import CONSENT_KINDED, Directory
from gateway.pipeline.ledger import audited
from gateway.pipeline.preparing import CONSENT, Prepared
from gateway.pipeline.rows import PatientRow
from gateway.store import tables
from gateway.store.keyring import Keyring

Entry = tuple[Any, ...]

TOLD_BY_FEED = "told by a feed (CON): "
_PATIENT, _ADDRESS = 1, 2
_SCOPE = slice(3, 6)
_PERMIT, _FROM, _UNTIL, _EVIDENCE, _KIND = 6, 7, 8, 9, 11


def record(
    directory: Directory,
    patient: PatientRow,
    told: Sequence[ConsentStatement],
    evidence: str,
    *,
    believed: bool,
    mark: str = "",
) -> list[Entry]:
    """Add ledger entries for what is news among `told`; returns audit entries.

    Not `believed` (another person's identifiers, or an overtaken message): only refusals count (law 6). `mark`: of the
    Consent that tells all this (`mark_of`).
    """
    uow, known = directory.uow, _ledger(directory, patient)
    entries: list[Entry] = []
    for one in told:
        if (one.permit and not believed) or not _is_news(one, known):
            continue
        since = uow.now if one.valid_from is None else one.valid_from
        scope = (one.purpose, one.channel, one.topic)
        for address in _addresses(directory, patient, one):
            row = (
                uow.new_id(),
                patient.token,
                address,
                *scope,
                int(one.permit),
                since,
                one.valid_until,
                f"{TOLD_BY_FEED}{evidence}{mark}",
                uow.now,
                one.kind,
            )
            directory.new_consents.append(row)
            known.append(row)
            entries.append(audited(row[0], one.permit, scope, one.kind))
    return entries


def mark_of(keyring: Keyring, one: Prepared) -> str:
    """What is added to the evidence of all that a Consent tells, so that a later version of it finds it; of anything else nothing."""
    if one.reading.type != CONSENT or not one.resource:
        return ""
    name = f"{one.message.source}\x1f{one.reference}"
    return f", consent {keyring.steady('consent', name).hex()}"


def standing(directory: Directory, patient: PatientRow, mark: str) -> list[tuple[Any, ...]]:
    """The ledger's rows that a Consent permitted and no feed has said otherwise of since."""
    return _standing(_ledger(directory, patient), mark)


def _standing(known: Sequence[tuple[Any, ...]], mark: str) -> list[tuple[Any, ...]]:
    last = {
        (row[_ADDRESS], *row[_SCOPE], row[_KIND]): row
        for row in sorted(known)  # ids increase
        if row[_EVIDENCE].startswith(TOLD_BY_FEED)
    }
    return [row for row in last.values() if row[_PERMIT] and mark and row[_EVIDENCE].endswith(mark)]


def is_narrowed(directory: Directory, patient: PatientRow, told: Sequence[ConsentStatement], mark: str) -> bool:
    """Whether a Consent speaks no more of something that an earlier version of it permitted (CN-04, CN-05)."""
    return any(not _is_spoken_of(row, told) for row in standing(directory, patient, mark))


def _is_spoken_of(row: tuple[Any, ...], told: Sequence[ConsentStatement]) -> bool:
    purpose, channel, topic = row[_SCOPE]
    about = {
        one.purpose
        for one in told
        if one.kind == row[_KIND] and one.channel in (ANY, channel) and one.topic in (ANY, topic)
    }
    return not about.isdisjoint((ANY, purpose)) or (purpose == ANY and about.issuperset(Purpose))


def _ledger(directory: Directory, patient: PatientRow) -> list[tuple[Any, ...]]:
    """All that was ever said of a person, this unit's own words among it."""
    family = directory.family(patient.token)
    known = [] if patient.new else directory.uow.lookup(tables.consent, CONSENT_KINDED, "patient", family)
    return [*known, *(row for row in directory.new_consents if row[_PATIENT] == patient.token)]


def _addresses(directory: Directory, patient: PatientRow, told: ConsentStatement) -> Sequence[int | None]:
    """A yes to texts is one to the numbers known now, which a later one does not inherit (SM-15); the rest to any."""
    if told.kind is not ConsentKind.TEXTS or not told.permit:
        return (None,)
    return sorted({one.address for one in directory.contacts(patient) if one.system == ContactSystem.SMS})


def _is_news(told: ConsentStatement, known: Sequence[tuple[Any, ...]]) -> bool:
    """Whether the last entry a feed gave for this scope says something else.

    Feeds repeat a consent in every message; a repeat must not permit again what was refused by hand since.
    """
    scope = (told.purpose, told.channel, told.topic)
    same = [
        row
        for row in known
        if tuple(row[_SCOPE]) == scope and row[_KIND] == told.kind and row[_EVIDENCE].startswith(TOLD_BY_FEED)
    ]
    if not same:
        return True
    last = max(same)  # ids increase
    dated = told.valid_from is not None and told.valid_from != last[_FROM]
    return bool(last[_PERMIT]) != told.permit or last[_UNTIL] != told.valid_until or dated


def in_words(rows: Sequence[tuple[Any, ...]], now: Millis) -> list[tuple[Any, ...]]:
    """The ledger's rows without what a feed permitted and later permitted otherwise: a consent that is given an end has one (CN-04).

    As everywhere, a yes that is older and only told later says nothing against one that was said since; nor does one that
    is yet to begin against the one it will follow.
    """
    said: dict[tuple[Any, ...], Millis] = {}
    found: list[tuple[Any, ...]] = []
    for row in sorted(rows, reverse=True):  # ids increase: what was told last comes first
        if row[_PERMIT] and row[_EVIDENCE].startswith(TOLD_BY_FEED) and row[_FROM] <= now:
            scope = (row[_PATIENT], row[_ADDRESS], *row[_SCOPE], row[_KIND])
            if scope in said and row[_FROM] <= said[scope]:
                continue
            said[scope] = row[_FROM]
        found.append(row)
    return found[::-1]
