"""Finds a string however it was written down: as it is, in any case, escaped, in hexadecimal or in base64."""

from __future__ import annotations

import base64
import io
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from clinic_people import Person

from gateway import telemetry

_SHORTEST = 6
_CUT = (0, 2, 3)  # base64 characters that a preceding 0, 1 or 2 bytes have a part in


class Finder:
    """Searches haystacks for everything that must stay sealed about some people."""

    def __init__(self, people: Iterable[Person]) -> None:
        told = [(one.handle, kind, text) for one in people for kind, texts in one.canaries().items() for text in texts]
        self._folded = [(form, who, kind, text) for who, kind, text in told for form in set(_folded(text))]
        self._exact = [(form, who, kind) for who, kind, text in told for form in set(_base64(text))]

    def found(self, haystack: bytes | str) -> list[str]:
        """Say `Ann's phone` for each string that stands in the haystack, in whatever form."""
        raw = haystack.encode("utf-8", "surrogateescape") if isinstance(haystack, str) else haystack
        low = raw.lower()
        hits = {f"{who}'s {kind}" for form, who, kind, text in self._folded if _occurs(form, low, alone=text.isdigit())}
        hits |= {f"{who}'s {kind} in base64" for form, who, kind in self._exact if form in raw}
        return sorted(hits)


class Overheard:
    """Everything a scenario said outside the database: log lines, texts of our exceptions."""

    def __init__(self) -> None:
        self.log = io.StringIO()
        self.errors: list[str] = []

    def text(self) -> str:
        """All of it."""
        return "\n".join([self.log.getvalue(), *self.errors, telemetry.exposition()[0].decode()])


def _folded(text: str) -> Iterator[bytes]:
    assert len(text) >= _SHORTEST, "a canary this short proves nothing"
    for one in (text, text.lower(), text.upper()):
        plain = one.encode()
        yield plain.lower()
        yield plain.hex().encode()
        yield quote(one, safe="").encode().lower()
        yield "".join(letter if letter.isalnum() else f"%{ord(letter):02x}" for letter in one).lower().encode()
        yield one.encode("utf-16-le").lower()


def _base64(text: str) -> Iterator[bytes]:
    for one in (text, text.lower(), text.upper()):
        plain = one.encode()
        for before in range(3):
            whole = base64.b64encode(b"\0" * before + plain).rstrip(b"=")
            end = len(whole) if (before + len(plain)) % 3 == 0 else len(whole) - 1
            inner = whole[_CUT[before] : end]
            yield inner
            yield inner.translate(bytes.maketrans(b"+/", b"-_"))


def _occurs(form: bytes, low: bytes, *, alone: bool) -> bool:
    """Whether it stands there; a number only as a whole one, for ids and times are long numbers too."""
    at = low.find(form)
    while at >= 0:
        if not alone or (not (low[at - 1 : at].isdigit() if at else False) and not low[at + len(form) :][:1].isdigit()):
            return True
        at = low.find(form, at + 1)
    return False


def dump(url: str) -> Mapping[str, str]:
    """Table name → all its rows as text, bytes in hexadecimal; every table there is, whether our schema names it or not."""
    return _dump_sqlite(url) if url.startswith("sqlite:///") else _dump_postgres(url)


def _dump_sqlite(url: str) -> dict[str, str]:
    link = sqlite3.connect(url.removeprefix("sqlite:///"))
    try:
        names = [name for (name,) in link.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: link.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}
    finally:
        link.close()
    return {
        name: "\n".join("|".join(one.hex() if isinstance(one, bytes) else str(one) for one in row) for row in found)
        for name, found in rows.items()
    }


def _dump_postgres(url: str) -> dict[str, str]:
    import psycopg

    with psycopg.connect(url) as link:
        names = [name for (name,) in link.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        return {
            name: "\n".join(row[0] for row in link.execute(f'SELECT t::text FROM "{name}" t'.encode()))
            for name in names
        }


def file_bytes(url: str) -> bytes:
    """The SQLite database and its write-ahead log as they lie on disk, after a checkpoint; empty for PostgreSQL."""
    if not url.startswith("sqlite:///"):
        return b""
    path = Path(url.removeprefix("sqlite:///"))
    link = sqlite3.connect(path)
    link.execute("PRAGMA wal_checkpoint(PASSIVE)")
    link.close()
    parts = [path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")]
    return b"".join(part.read_bytes() for part in parts if part.exists())
