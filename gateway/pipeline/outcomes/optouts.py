"""Whom a sink's rows name and who wants no messages: told to it wherever it was said, when it is said and when the row comes later.

An opt-out that one system knows and the next does not is why this is told at all (SN-39). Of what was said of one topic
it learns only where its own rows led to a rule of that topic: what somebody refuses may tell what they have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from gateway.model.consent import ANY, Consent, ConsentKind
from gateway.model.outcome import OutcomeKind, SinkRow
from gateway.pipeline.directory import BY_POLICY, CONSENT_KINDED
from gateway.pipeline.outcomes.finding import Found
from gateway.pipeline.outcomes.telling import About, Placed, Telling
from gateway.policy.consents import lifted
from gateway.store import tables

_KINDS = (ConsentKind.MESSAGES, ConsentKind.TEXTS)


def said(telling: Telling, found: Sequence[Found]) -> Iterator[Placed]:
    """What the ledger's new entries say of people whom this sink's rows named by then."""
    places = {one.consent: place for place, one in enumerate(found) if one.consent is not None}
    for entry in _consents(telling, "id", sorted(places)):
        for about in telling.of_people(_people(telling, entry)):
            if about.occurrence < entry.id and _concerns(telling, entry, about):
                yield places[entry.id], _row(entry, about)


def stands(telling: Telling, found: Sequence[Found]) -> Iterator[Placed]:
    """What people whom new rows name had refused before, and refuse still."""
    places = {one.occurrence: place for place, one in enumerate(found) if one.known and one.occurrence}
    known = telling.abouts(places)
    refused = _refused(telling, {about.token for about in known.values()})
    for about in known.values():
        place = places[about.occurrence]
        for entry in refused.get(about.token, ()):
            if entry.recorded <= found[place].at and _concerns(telling, entry, about):
                yield place, _row(entry, about)


def _refused(telling: Telling, people: Collection[int]) -> dict[int, list[Consent]]:
    """By person what they refuse, themselves or at an address of theirs; read for all of them at once."""
    losers = telling.uow.lookup(tables.patient, ("token", "survivor"), "survivor", sorted(people))
    whose = {one: one for one in people} | dict(losers)
    points = telling.uow.lookup(tables.contact_point, ("address", "patient"), "patient", sorted(whose))
    sharing: dict[int, set[int]] = {}
    for address, token in points:
        sharing.setdefault(address, set()).add(whose[token])
    entries = [*_consents(telling, "patient", sorted(whose)), *_consents(telling, "address", sorted(sharing))]
    said: dict[int, dict[int, Consent]] = {}
    for one in entries:
        for person in _bound(one, whose, sharing):
            said.setdefault(person, {})[one.id] = one
    return {person: _refusals(told.values()) for person, told in said.items()}


def _consents(telling: Telling, key: str, values: Sequence[int]) -> Iterator[Consent]:
    """Entries about messages and texts, without the yes that a policy declares by itself."""
    for row in telling.uow.lookup(tables.consent, CONSENT_KINDED, key, values):
        told: dict[str, Any] = dict(zip(CONSENT_KINDED, row, strict=True))
        kind = ConsentKind(told["kind"])
        if kind in _KINDS and not told["evidence"].startswith(BY_POLICY):
            yield Consent(**(told | {"permit": bool(told["permit"]), "kind": kind}))


def _bound(one: Consent, whose: Mapping[int, int], sharing: Mapping[int, set[int]]) -> Collection[int]:
    """Of these people, those an entry speaks for: the person it names, else everyone who shares its address (SM-14)."""
    if one.patient is not None:
        return {whose[one.patient]} if one.patient in whose else ()
    return sharing.get(one.address or 0, ())


def _refusals(entries: Collection[Consent]) -> list[Consent]:
    """The denials that no later yes of the same scope has lifted, oldest first."""
    permits = [one for one in entries if one.permit]
    refusals = sorted((one for one in entries if not one.permit), key=lambda one: one.id)
    return [one for one in refusals if not lifted(one, [yes for yes in permits if yes.kind is one.kind])]


def _people(telling: Telling, entry: Consent) -> set[int]:
    """All tokens of whoever it binds: what is said at an address binds everyone who shares it (SM-14)."""
    owners = {entry.patient} if entry.patient is not None else _owners(telling, entry.address)
    directory = telling.directory
    directory.load_tokens(owners, lock=False)
    return {one for owner in owners if owner in directory.patients for one in directory.family(owner)}


def _owners(telling: Telling, address: int | None) -> set[int]:
    rows = telling.uow.lookup(tables.contact_point, ("patient",), "address", [] if address is None else [address])
    return {one for (one,) in rows}


def _row(entry: Consent, about: About) -> SinkRow:
    return SinkRow(
        id=f"{entry.id}-{about.occurrence}",
        kind=OutcomeKind.OPTED_IN if entry.permit else OutcomeKind.OPTED_OUT,
        at=entry.recorded,
        patient=str(about.token),
        source=about.source,
        channel=entry.channel,
        topic=entry.topic,
        row_key=about.row_key,
        occurrence=str(about.occurrence),
    )


def _concerns(telling: Telling, entry: Consent, about: About) -> bool:
    """Whether what was said is about everything, or about what the row led to; of what is protected only to whose own row it is."""
    if about.protected and not about.row_key:
        return False
    if (entry.purpose, entry.topic) == (ANY, ANY):
        return True
    named = {name for (name,) in telling.uow.lookup(tables.request, ("rule",), "occurrence", [about.occurrence])}
    rules = [rule for name, rule in telling.rules.rules.items() if name in named]
    return any(entry.purpose in (ANY, rule.purpose) and entry.topic in (ANY, rule.topic) for rule in rules)
