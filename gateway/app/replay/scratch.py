"""A database that begins as the gateway's stood at an instant and is thrown away: the gateway's own is only read.

What cannot be turned back is taken as it is now, and `asked.NOTES` says so to whoever reads the report.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Table, bindparam, select

from gateway.app.replay.held import INDEXES
from gateway.model.when import DAY, Millis
from gateway.pipeline.consenting import TOLD_BY_FEED
from gateway.pipeline.directory import BY_POLICY
from gateway.ports import SetClock
from gateway.store import migrations, tables
from gateway.store.engine import Store
from gateway.store.ids import compose
from gateway.store.statement import Statement
from gateway.store.uow import Reader

_PAGE = 2_000
_FAR: Millis = 1 << 46  # the year 4199
_SENT_BEFORE = 400 * DAY  # no cap looks back farther

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """What people did by hand within the window, to be done again at its time: a new row, or a column of an old one."""

    at: Millis
    table: Table
    columns: tuple[str, ...]
    row: Row
    new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a replay begins: `later` in order of time; `begun`: occurrences known before whose earlier state is lost."""

    later: tuple[Later, ...]
    begun: int


def make(real: Store, path: Path, since: Millis, until: Millis) -> Start:
    """Write the scratch database at `path`. Raises StoreError."""
    migrations.migrate(f"sqlite:///{path}", clock=SetClock(since))
    with closing(sqlite3.connect(path)) as link, link, real.read() as unit:
        link.execute("PRAGMA synchronous=OFF")
        for index in INDEXES:
            link.execute(index)
        return _Seed(unit, link, since, until).run()


class _Seed:
    def __init__(self, unit: Reader, link: sqlite3.Connection, since: Millis, until: Millis) -> None:
        self.unit = unit
        self.link = link
        self.since = since
        self.until = until
        self.floor = compose(since, 0)
        self.later: list[Later] = []

    def run(self) -> Start:
        """Copy what was there, table by table."""
        self._writers()
        self._copy(tables.data_key, only="kind", keep=("patient", "check").__contains__)
        self._copy(tables.source)
        self._copy(tables.identifier, by="hmac")
        stand_ins = self._representatives()
        self._copy(tables.contact_point, only="patient", keep=lambda one: one < self.floor or one in stand_ins)
        merged = self._merges()
        self._patients(merged)
        self._addresses()
        self._consents()
        known, begun = self._occurrences()
        self._resources(known)
        sent = self._communications()
        self._requests(known, sent)
        return Start(later=tuple(sorted(self.later, key=lambda one: one.at)), begun=begun)

    def _writers(self) -> None:
        """Writer numbers of the gateway stay taken, so that no new id equals a copied one."""
        rows = [row for row in self._rows(tables.lease, "name") if row["name"].startswith("writer:")]
        self._insert(tables.lease, [{**row, "holder": "", "until": _FAR} for row in rows], missing=True)

    def _representatives(self) -> set[int]:
        """All of them, their dates say when each was in force; whose contact points no message tells again."""
        rows = list(self._rows(tables.representative))
        self._insert(tables.representative, rows)
        return {row["id"] for row in rows}

    def _merges(self) -> set[int]:
        """Merges before the window; who was merged within it is returned, to be merged again then."""
        within: set[int] = set()
        kept = []
        for row in self._rows(tables.merge):
            if row["at"] >= self.since:
                within.add(row["loser"])
            else:
                kept.append(row)
        self._insert(tables.merge, kept)
        return within

    def _patients(self, merged: set[int]) -> None:
        """Who was told of within the window begins it alive, without holds, and is heard anew."""

        def before(row: dict[str, Any]) -> dict[str, Any]:
            if row["token"] in merged:
                row["survivor"] = None
            if row["version"] >= self.since or row["token"] >= self.floor:  # the sender's time, and ours
                row |= {"version": 0, "digest": b"", "flags_digest": b"", "deceased": 0, "hold": ""}
            return row

        for page in _pages(self._rows(tables.patient, "token")):
            self._insert(tables.patient, [before(row) for row in page])

    def _addresses(self) -> None:
        """Who opted out, or was suppressed, within the window is so from that moment on."""
        for page in _pages(self._rows(tables.address)):
            for row in page:
                for name in ("opted_out_at", "suppressed_at"):
                    at = row[name]
                    if at is not None and at >= self.since:
                        row[name] = None
                        self._do(at, tables.address, (name,), (at, row["id"]), new=False)
            self._insert(tables.address, page)

    def _consents(self) -> None:
        """The ledger as it was; what was entered by hand within the window comes at its time, a feed tells its own again.

        So does what the policy bases on an address, of those whose addresses are told again.
        """
        for page in _pages(self._rows(tables.consent)):
            self._insert(tables.consent, [row for row in page if row["recorded"] < self.since])
            for row in page:
                if row["recorded"] >= self.since and not self._told_again(row):
                    self._do(row["recorded"], tables.consent, tuple(row), tuple(row.values()), new=True)

    def _told_again(self, row: dict[str, Any]) -> bool:
        evidence = row["evidence"]
        return bool(
            evidence.startswith(TOLD_BY_FEED)
            or (evidence.startswith(BY_POLICY) and row["patient"] is not None and row["patient"] >= self.floor)
        )

    def _occurrences(self) -> tuple[set[int], int]:
        """Occurrences that no message within the window changed; of the others the earlier state is not kept."""
        known: set[int] = set()
        begun = 0
        for page in _pages(self._rows(tables.occurrence)):
            kept = [row for row in page if row["raw"] < self.floor]
            begun += sum(row["raw"] >= self.floor and row["id"] < self.floor for row in page)
            known.update(row["id"] for row in kept)
            self._insert(tables.occurrence, kept)
        return known, begun

    def _resources(self, known: set[int]) -> None:
        """What resources came to before the window; their versions within it are told again."""
        for page in _pages(self._rows(tables.resource)):
            kept = [
                row for row in page if row["id"] < self.floor and (not row["occurrence"] or row["occurrence"] in known)
            ]
            self._insert(
                tables.resource, [row if row["version"] < self.since else row | {"version": 0} for row in kept]
            )

    def _communications(self) -> set[int]:
        """What had left before (for the caps), without its words; the requests of what left within the window."""
        within: set[int] = set()
        for page in _pages(self._rows(tables.communication)):
            within.update(row["request"] for row in page if row["at"] >= self.since)
            old = [row | {"sealed_body": None} for row in page if self.since - _SENT_BEFORE <= row["at"] < self.since]
            self._insert(tables.communication, old)
        return within

    def _requests(self, known: set[int], sent: set[int]) -> None:
        """Requests planned before the window; what waited then waits again."""
        for page in _pages(self._rows(tables.request)):
            kept = [row for row in page if row["id"] < self.floor and row["occurrence"] in known]
            for row in kept:
                row["lease_until"] = None
                if row["state"] in ("active", "on-hold") or row["id"] in sent:
                    row |= {"state": "active", "reason": None, "ring_at": row["due"], "attempts": 0}
            self._insert(tables.request, kept)

    def _do(self, at: Millis, table: Table, columns: tuple[str, ...], row: Row, *, new: bool) -> None:
        if at < self.until:
            self.later.append(Later(at=at, table=table, columns=columns, row=row, new=new))

    def _copy(self, table: Table, by: str = "id", *, only: str = "", keep: Callable[[Any], bool] = bool) -> None:
        """Rows as they are; with `only`, those whose column of that name `keep` lets through."""
        names = [column.name for column in table.columns]
        at = names.index(only) if only else None
        for page in self._read(table, by):
            self._write(table, names, page if at is None else [row for row in page if keep(row[at])])

    def _rows(self, table: Table, by: str = "id") -> Iterator[dict[str, Any]]:
        """All rows of a table as dicts."""
        names = [column.name for column in table.columns]
        for page in self._read(table, by):
            for row in page:
                yield dict(zip(names, row, strict=True))

    def _read(self, table: Table, by: str) -> Iterator[list[Row]]:
        """All rows of a table, in pages, in the order of a unique column."""
        names = [column.name for column in table.columns]
        key = table.c[by]
        ask = Statement(
            f"replay.{table.name}",
            select(table).where(key > bindparam("after")).order_by(key).limit(bindparam("n")),
            params=("after", "n"),
        )
        after: Any = {"hmac": b"", "name": ""}.get(by, -1)
        while page := self.unit.all(ask, (after, _PAGE)):
            yield page
            after = page[-1][names.index(by)]

    def _insert(self, table: Table, rows: Sequence[Mapping[str, Any]], *, missing: bool = False) -> None:
        if rows:
            self._write(table, list(rows[0]), [tuple(row.values()) for row in rows], missing=missing)

    def _write(self, table: Table, names: Sequence[str], rows: Sequence[Row], *, missing: bool = False) -> None:
        how = "INSERT OR IGNORE" if missing else "INSERT"
        columns = ", ".join(f'"{name}"' for name in names)
        self.link.executemany(f"{how} INTO {table.name} ({columns}) VALUES ({', '.join('?' * len(names))})", rows)


def _pages(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    page: list[dict[str, Any]] = []
    for row in rows:
        page.append(row)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page
