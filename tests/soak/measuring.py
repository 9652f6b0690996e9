"""What a database file holds, by table and index, read beside the running gateway."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from gateway.model.when import Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """One look. Sizes in bytes; `tables` by table, its indexes included. `exact`: by dbstat, else counted from rows."""

    messages: int
    file: int
    free: int
    wal: int
    rows: dict[str, int] = field(default_factory=dict)
    tables: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is left of messages: rows, those with bytes, the bytes, and how old the oldest of each is (Millis)."""

    rows: int
    with_bytes: int
    bytes: int
    oldest_row: Millis
    oldest_bytes: Millis
    feed_keys: int
    open: int
    oldest_body: Millis


def _open(path: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30))


def wal(path: Path) -> int:
    """Bytes of the write-ahead log."""
    file = path.with_name(path.name + "-wal")
    return file.stat().st_size if file.exists() else 0


def file_size(path: Path) -> tuple[int, int]:
    """Bytes of the database as it is now, what the log holds of it included; and how many of them are free pages."""
    with _open(path) as link:
        pages, free, page = (link.execute(f"PRAGMA {name}").fetchone()[0] for name in _PRAGMAS)
    return pages * page, free * page


_PRAGMAS = ("page_count", "freelist_count", "page_size")


def due(path: Path, now: Millis) -> int:
    """How many sends are due and nothing but time is between them and the patient."""
    with _open(path) as link:
        text = "SELECT count(*) FROM request WHERE state = 'active' AND reason IS NULL AND due <= ?"
        found: int = link.execute(text, (now,)).fetchone()[0]
    return found


def sizes(path: Path, messages: int) -> Sizes:
    """By table, its indexes included (sqlite.org/dbstat.html); without dbstat only the whole."""
    whole, free = file_size(path)
    found: Counter[str] = Counter()
    rows: dict[str, int] = {}
    with _open(path) as link:
        owner = dict(link.execute("SELECT name, tbl_name FROM sqlite_schema"))
        try:
            for name, size in link.execute("SELECT name, pgsize FROM dbstat WHERE aggregate = TRUE"):
                found[owner.get(name, "schema")] += size
        except sqlite3.OperationalError:  # a build of SQLite without it
            found["everything"] = whole - free
        for name in sorted(set(owner.values())):
            rows[name] = link.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
    return Sizes(messages=messages, file=whole, free=free, wal=wal(path), rows=rows, tables=dict(found))


def kept(path: Path, now: Millis) -> Kept:
    """What is left of messages; an open quarantine entry keeps its row as long as it is open."""
    with _open(path) as link:

        def one(text: str) -> int:
            return link.execute(text).fetchone()[0] or 0

        decided = "id NOT IN (SELECT raw FROM quarantine WHERE state = 'open')"
        return Kept(
            rows=one("SELECT count(*) FROM raw"),
            with_bytes=one("SELECT count(*) FROM raw WHERE sealed IS NOT NULL"),
            bytes=one("SELECT sum(length(sealed)) FROM raw"),
            oldest_row=now - (one(f"SELECT min(received) FROM raw WHERE {decided}") or now),
            oldest_bytes=now - (one("SELECT min(received) FROM raw WHERE sealed IS NOT NULL") or now),
            feed_keys=one("SELECT count(*) FROM data_key WHERE label IS NOT NULL AND label != 'check'"),
            open=one("SELECT count(*) FROM quarantine WHERE state = 'open'"),
            oldest_body=now
            - (
                one("SELECT min(at) FROM communication WHERE sealed_body IS NOT NULL AND status != 'in-progress'")
                or now
            ),
        )
