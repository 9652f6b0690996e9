"""Codes that no table knows, as their feed wrote them: read again from the sealed message, shown with a reason, never kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import bindparam, select

from gateway.er7.reader import parse
from gateway.mapping.pack import Pack
from gateway.mapping.trace import Take, TracedReader
from gateway.model.audit import Action
from gateway.model.event import Format, RawMessage
from gateway.model.facts import UNMAPPED, VOCABULARY
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.quarantine import stored
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader

_r, _o = tables.request.c, tables.occurrence.c
HELD = Statement(
    "request.held-for-codes",
    select(_r.id, _r.patient, _o.raw)
    .select_from(tables.request.join(tables.occurrence, _o.id == _r.occurrence))
    .where(_r.state == "on-hold", _r.reason == "unmapped-code")
    .order_by(_r.due)
    .limit(bindparam("limit")),
    params=("limit",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownCode:
    """A code some sends wait for. `place`: the field it was read from; `code`: as the feed wrote it; `where`: what lacks it."""

    fact: str
    place: str
    code: str = field(repr=False)
    where: str
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownCodes:
    """The worklist, most wanted first. `gone`: sends whose message is no longer there to be read again."""

    codes: tuple[UnknownCode, ...]
    gone: int


def unknown_codes(gateway: Inspectable, *, reason: str, account: str, limit: int = 1000) -> UnknownCodes:
    """Every code for which a send waits, due first; the look into the messages is audited. Raises StoreError."""
    found: dict[tuple[str, str, str], set[int]] = {}
    gone = 0
    with gateway.store.read() as unit:  # so many messages are not read again while feeds wait for the write lock
        held = unit.all(HELD, (limit,))
        readings = _readings(gateway, unit, {raw for _, _, raw in held})
    with gateway.store.begin(account) as uow:
        uow.audit([(Action.CONTENT_READ, "codes", reason)], patients=sorted({patient for _, patient, _ in held}))
        uow.commit()
    for request, _, raw in held:
        gone += readings[raw] is None
        for one in readings[raw] or ():
            found.setdefault(one, set()).add(request)
    lines = [
        UnknownCode(fact=fact, place=place, code=code, where=where_to_add(gateway.pack, fact), requests=len(requests))
        for (fact, place, code), requests in found.items()
    ]
    lines.sort(key=lambda one: (-one.requests, one.fact, one.code))
    return UnknownCodes(codes=tuple(lines), gone=gone)


def where_to_add(pack: Pack, fact: str) -> str:
    """What an analyst edits so that a code of this fact is known: a table of the site's overlay, or caregate.yaml."""
    tables_ = {source.codes for family in pack.mapped if (source := family.facts.get(fact)) is not None}
    named = sorted(one for one in tables_ if one is not None)
    return f"mappings/codes/{named[0]}.yaml" if named else "`codes` of a location in caregate.yaml"


def places_of(pack: Pack, fact: str) -> str:
    """The fields a fact is read from, as the mappings write them: "AIL-3, PV1-3"."""
    sources = [source for family in pack.mapped if (source := family.facts.get(fact)) is not None]
    return ", ".join(dict.fromkeys(path for source in sources for path in source.every_path))


def _readings(
    gateway: Inspectable, unit: Reader, messages: Iterable[int]
) -> dict[int, tuple[tuple[str, str, str], ...] | None]:
    """(fact, field, code) of every unknown code in these stored messages; None where the bytes are gone."""
    readers: dict[str, TracedReader] = {}  # one a source: making it compiles the source's mappings
    used = gateway.rules.current().ruleset.facts_used
    found: dict[int, tuple[tuple[str, str, str], ...] | None] = dict.fromkeys(messages)
    for raw in found:
        message = stored(unit, gateway, raw)
        if message is not None and message.format is not Format.HL7V2:
            found[raw] = tuple(dict.fromkeys(_unknown(gateway, message, used)))
        elif message is not None:
            name = message.source
            if name not in readers:
                readers[name] = TracedReader(gateway.pack.of(name), gateway.feeds[name], facts=used)
            found[raw] = tuple(dict.fromkeys(_read(gateway, readers[name], message)))
    return found


def _unknown(gateway: Inspectable, message: RawMessage, used: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    """The same of a resource or a row, which need no trace of where a value came from."""
    if message.format is Format.TABLE:
        from gateway.mapping.tables.unknown import unknown
    else:
        from gateway.mapping.fhir.unknown import unknown
    name = message.source
    feed = gateway.feeds[name]
    return unknown(gateway.pack.of(name), feed, message.body, used | feed.told)


def _read(gateway: Inspectable, reader: TracedReader, message: RawMessage) -> Iterator[tuple[str, str, str]]:
    feed = gateway.feeds[message.source]
    unknown = [take for take in reader.trace(message).takes if take.value == UNMAPPED and take.name in VOCABULARY]
    if not unknown:
        return
    parsed = parse(
        message.body, default_charset=feed.charset, fallbacks=feed.charset_fallbacks, charset=message.charset
    )
    for take in unknown:
        for spot in _deciding(gateway.pack.of(message.source), take, parsed.lines):
            fields = parsed.lines[spot[0]].split(parsed.separators.field)
            number = spot[1]
            yield take.name, f"{fields[0]}-{number}", parsed.text(fields[number]).rstrip(" ^")


def _deciding(pack: Pack, take: Take, lines: Sequence[str]) -> list[tuple[int, int]]:
    """The fields looked at that stand first among the fact's own paths: those decided."""
    order = [path.partition("[")[0].partition(".")[0] for path in places_of(pack, take.name).split(", ")]
    ranked = sorted(
        (order.index(name), spot) for spot in take.spots if (name := f"{lines[spot.line][:3]}-{spot.field}") in order
    )
    return [(spot.line, spot.field) for rank, spot in ranked if rank == ranked[0][0]]
