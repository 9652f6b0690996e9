"""What could not be read from a FHIR server, as people see it: which resource it was stays sealed; asked again, or dropped, by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, select, text

from gateway.model.audit import Action
from gateway.model.errors import CommandError
from gateway.model.when import Millis
from gateway.pipeline import fetching
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.site import SourceEntry
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader, UnitOfWork

_f = tables.fetch.c
_BATCH = 500
FAILING = Statement(
    "fetch.failing",
    select(_f.id)
    .where(_f.source == bindparam("source"), text("state IN ('refused', 'unreadable')"))
    .order_by(_f.id)
    .limit(bindparam("limit")),
    params=("source", "limit"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLine:
    """Resources of one source that stand alike: `state` refused, unreadable, or open where they wait; Millis UTC."""

    source: str
    state: str
    count: int
    since: Millis


def failed(unit: Reader, sources: Mapping[str, SourceEntry]) -> list[FetchLine]:
    """What only a person gets going again."""
    names = {entry.id: name for name, entry in sources.items()}
    return [
        FetchLine(source=names.get(source, str(source)), state=state, count=count, since=since)
        for source, state, count, since in sorted(unit.all(fetching.FAILED))
    ]


def fetches(gateway: Inspectable) -> list[FetchLine]:
    """What failed, then what waits, by source."""
    names = {entry.id: name for name, entry in gateway.site.sources.items()}
    with gateway.store.read() as unit:
        waiting = [
            FetchLine(source=names.get(source, str(source)), state=fetching.OPEN, count=count, since=since)
            for source, since, count in sorted(fetching.late(unit, 0))
        ]
        return failed(unit, gateway.site.sources) + waiting


def fetches_again(gateway: Inspectable, source: str, *, reason: str, account: str) -> int:
    """Ask a source's server again for all it refused or that was unreadable; how many. Raises CommandError."""

    def again(uow: UnitOfWork, found: list[int]) -> None:
        rows = uow.lookup(tables.fetch, ("id", "digest", "sealed"), "id", found)
        standing = {
            bytes(digest)
            for digest, state in uow.lookup(tables.fetch, ("digest", "state"), "digest", [row[1] for row in rows])
            if state == fetching.OPEN
        }
        for identity, digest, sealed in sorted(rows):
            if sealed is None or bytes(digest) in standing:  # its key is gone, or it is wanted anyway
                fetching.end(uow, identity, fetching.DROPPED)
                continue
            standing.add(bytes(digest))
            values = [(fetching.OPEN, uow.now, 0, None, identity)]
            uow.update(tables.fetch, ("id",), ("state", "next_at", "tries", "settled"), values)
            uow.audit([(Action.FETCH_WANTED, identity, source, reason)])

    return _each(gateway, source, again, account)


def fetches_drop(gateway: Inspectable, source: str, *, reason: str, account: str) -> int:
    """Ask no more for what a source's server refused or that was unreadable; how many. Raises CommandError."""

    def drop(uow: UnitOfWork, found: list[int]) -> None:
        for identity in found:
            fetching.end(uow, identity, fetching.DROPPED, reason)

    return _each(gateway, source, drop, account)


def _each(gateway: Inspectable, source: str, act: Callable[[UnitOfWork, list[int]], None], account: str) -> int:
    entry = gateway.site.sources.get(source)
    if entry is None:
        raise CommandError(f"there is no source {source}; `caregate fetches list` shows those that fail")
    done = 0
    while True:
        with gateway.store.begin(account) as uow:
            found = [one for (one,) in uow.all(FAILING, (entry.id, _BATCH))]
            if not found:
                return done
            uow.lock(tables.fetch, "id", found)
            act(uow, found)
            uow.commit()
        done += len(found)
