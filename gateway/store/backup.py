"""A backup is whole or it is none: one moment of the database, its wrapped data keys apart, and a signed manifest of both.

The key file is never in it. The wrapped data keys lie in a file of their own, which must be kept briefly: as long as it is
kept, whoever was erased since can be read again. The database without it names nobody and opens nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import __version__
from gateway.model.errors import CommandError, KeyringError, SchemaError, StoreError, StoreUnavailable
from gateway.model.when import Millis
from gateway.store import heads
from gateway.store.engine import Store
from gateway.store.heads import Head
from gateway.store.keyring import Keyring
from gateway.store.migrations import REVISIONS
from gateway.store.sqlite import SqliteDatabase, connect, make_file, restrict, translated

DATABASE, KEYS, MANIFEST = "caregate.db", "wrapped-keys.jsonl", "manifest.json"
FORMAT = 1
_PAGES = 2_000  # copied in one step: 8 MB
_WITH_KEYS = "kind IN ('patient', 'raw')"
Progress = Callable[[str, int, int], None]
"""Told what is done, how much of it, and how much there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup is: `files` name → SHA-256; `head` the sealed audit log's, None when nothing was sealed.

    `keks`: names of the key-encryption keys without which it cannot be opened. `made`: Millis UTC.
    """

    made: Millis
    version: str
    schema: str
    files: Mapping[str, str]
    head: Head | None
    keks: tuple[str, ...]
    key: str = ""
    signature: bytes = b""

    def body(self) -> dict[str, Any]:
        """What is signed."""
        head = None if self.head is None else json.loads(self.head.line())
        return {
            "format": FORMAT,
            "made": self.made,
            "version": self.version,
            "schema": self.schema,
            "files": dict(sorted(self.files.items())),
            "head": head,
            "keks": list(self.keks),
        }

    def text(self) -> bytes:
        """The bytes that are signed."""
        return b"caregate backup\n" + json.dumps(self.body(), sort_keys=True, separators=(",", ":")).encode("ascii")

    @property
    def digest(self) -> str:
        """What names this backup."""
        return hashlib.sha256(self.text()).hexdigest()


# -- making one


def make(store: Store, to: Path, *, progress: Progress = lambda *_told: None) -> Manifest:
    """Copy an embedded database as it is at this moment, while it is used, into a new folder `to`.

    Killed anywhere, it leaves at most `<to>.part`, which is no backup and is removed by the next. CommandError: there is
    something at `to`, or the database is no SQLite file. Raises StoreUnavailable, StoreError.
    """
    database = store.database
    if not isinstance(database, SqliteDatabase):
        raise CommandError(
            "a PostgreSQL database is backed up with pg_dump, its wrapped keys apart: docker/README.md says how"
        )
    if to.exists():
        raise CommandError(f"there is something at {to} already: name a new folder")
    part = to.with_name(to.name + ".part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700, parents=True)
        _copy(database.path, part / DATABASE, progress)
        with closing(_plain(part / DATABASE)) as link:
            made = _strip(link, part / KEYS, store.clock.now(), progress)
        manifest = _signed(store.keyring, made, part, progress)
        _write(part / MANIFEST, [json.dumps(_shown(manifest), indent=1) + "\n"])
        for name in (DATABASE, KEYS):
            _sync(part / name)
        _sync(part)
        part.rename(to)
        _sync(to.parent)
    except sqlite3.Error as error:
        raise translated(error) from None
    except OSError:
        raise StoreUnavailable(
            f"the backup cannot be written to {to}: is there room, and may we write there?"
        ) from None
    return manifest


def _copy(source: Path, target: Path, progress: Progress) -> None:
    """SQLite's online backup inside one read transaction: one moment, however long it takes and whoever writes meanwhile."""
    make_file(target)
    with closing(connect(source, cached=4)) as link, closing(sqlite3.connect(target, isolation_level=None)) as copy:
        link.execute("BEGIN")
        link.execute("SELECT count(*) FROM sqlite_master").fetchone()
        link.backup(
            copy, pages=_PAGES, progress=lambda _status, left, pages: progress("pages", pages - left, pages), sleep=0
        )
        link.execute("ROLLBACK")


def _plain(path: Path) -> sqlite3.Connection:
    """A connection to a copy that nobody else uses, without a write-ahead log: the file alone is the database."""
    restrict(path)
    link = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=DELETE", "synchronous=FULL", "secure_delete=ON", "trusted_schema=OFF"):
        link.execute(f"PRAGMA {pragma}").fetchall()
    return link


def _strip(link: sqlite3.Connection, keys: Path, now: Millis, progress: Progress) -> Manifest:
    """Move the wrapped data keys out of a copy into a file of their own, zeroing where they were."""
    # not quick_check: SQLite 3.40 takes a key whose columns stand in another order than the table's for a NULL
    (found,) = link.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise StoreError("the database is damaged: the copy does not pass SQLite's check; keep the last good backup")
    (schema,) = link.execute("SELECT version_num FROM alembic_version").fetchone()
    keks = tuple(sorted(one for (one,) in link.execute("SELECT DISTINCT kek FROM data_key WHERE wrapped IS NOT NULL")))
    rows = link.execute(f"SELECT id, kek, wrapped FROM data_key WHERE wrapped IS NOT NULL AND {_WITH_KEYS} ORDER BY id")  # noqa: S608 -- our own words
    count = _write(keys, (_key_line(*row) for row in rows))
    progress("keys", count, count)
    link.execute(f"UPDATE data_key SET wrapped = NULL WHERE {_WITH_KEYS}")  # noqa: S608 -- our own words
    return Manifest(made=now, version=__version__, schema=schema, files={}, head=_head(link), keks=keks)


def _key_line(identity: int, kek: str, wrapped: bytes) -> str:
    return json.dumps({"id": str(identity), "kek": kek, "wrapped": wrapped.hex()}, separators=(",", ":")) + "\n"


def _head(link: sqlite3.Connection) -> Head | None:
    """The checkpoint of a copy, as the store's own `seal.head` reads it."""
    row = link.execute(
        "SELECT c.size, b.last, c.hash, c.at, c.key, c.signature FROM checkpoint c JOIN block b ON b.n = c.size WHERE c.log = ?",
        (heads.LOG,),
    ).fetchone()
    if row is None:
        return None
    size, last, hashed, at, key, signature = row
    return Head(size=size, last=last, hash=hashed, at=at, key=key, signature=signature)


def _signed(keyring: Keyring, made: Manifest, folder: Path, progress: Progress) -> Manifest:
    from dataclasses import replace

    files = {name: digest_of(folder / name, progress) for name in (DATABASE, KEYS)}
    whole = replace(made, files=files)
    key, signature = keyring.sign(whole.text())
    return replace(whole, key=key, signature=signature)


def _shown(manifest: Manifest) -> dict[str, Any]:
    return {**manifest.body(), "key": manifest.key, "signature": manifest.signature.hex()}


def digest_of(path: Path, progress: Progress = lambda *_told: None) -> str:
    """SHA-256 of a file, in hex."""
    digest, size, done = hashlib.sha256(), path.stat().st_size, 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
            done += len(chunk)
            progress("digest", done, size)
    return digest.hexdigest()


def _write(path: Path, lines: Iterator[str] | list[str]) -> int:
    """Write lines into a new file only its owner reads, synced; how many."""
    count = 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        for line in lines:
            file.write(line)
            count += 1
        file.flush()
        os.fsync(file.fileno())
    return count


def _sync(path: Path) -> None:
    found = os.open(path, os.O_RDONLY)
    try:
        os.fsync(found)
    finally:
        os.close(found)


# -- reading one


def read(folder: Path, keyring: Keyring, *, files: tuple[str, ...] = (DATABASE, KEYS)) -> Manifest:
    """The manifest of a backup, once it and `files` are proven to be what we made.

    CommandError: there is no whole backup there, or it was changed. KeyringError: another key file made it, or the key
    file lacks a key it needs. SchemaError: a newer version made it.
    """
    try:
        told = json.loads((folder / MANIFEST).read_text("ascii"))
        manifest = _parsed(told)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise CommandError(
            f"there is no whole backup at {folder}: its {MANIFEST} is missing or cannot be read"
        ) from None
    if keyring.public(manifest.key) is None:
        raise KeyringError(f"the backup at {folder} was signed by {manifest.key}, which is not in {keyring.path}")
    if not keyring.verify(manifest.key, manifest.signature, manifest.text()):
        raise CommandError(f"the manifest at {folder} was changed after it was signed")
    if lacking := [one for one in manifest.keks if not keyring.has(one)]:
        raise KeyringError(f"{keyring.path} lacks {', '.join(lacking)}: the backup needs the key file of its own time")
    if manifest.schema not in REVISIONS:
        raise SchemaError("the backup was made by a newer version of caregate; install that version or a newer one")
    for name in files:
        _proven(folder / name, manifest.files.get(name))
    return manifest


def _parsed(told: Mapping[str, Any]) -> Manifest:
    head = told["head"]
    return Manifest(
        made=int(told["made"]),
        version=str(told["version"]),
        schema=str(told["schema"]),
        files={str(name): str(digest) for name, digest in told["files"].items()},
        head=None if head is None else _parsed_head(head),
        keks=tuple(map(str, told["keks"])),
        key=str(told["key"]),
        signature=bytes.fromhex(told["signature"]),
    )


def _parsed_head(told: Mapping[str, Any]) -> Head:
    return Head(
        size=int(told["size"]),
        last=int(told["last"]),
        hash=bytes.fromhex(told["hash"]),
        at=int(told["at"]),
        key=str(told["key"]),
        signature=bytes.fromhex(told["signature"]),
    )


def _proven(path: Path, digest: str | None) -> None:
    try:
        found = digest_of(path)
    except OSError:
        kept = "; of another backup: --keys-from DIR" if path.name == KEYS else ""
        raise CommandError(f"{path} is missing or cannot be read{kept}") from None
    if found != digest:
        raise CommandError(f"{path} is not what the manifest says: it was changed or is damaged")


def place(folder: Path, keys: Path, target: Path, *, now: Millis) -> int:
    """Put the database of a backup at `target`, with the wrapped keys of `keys` in it again; how many keys are gone.

    A key that is not in the file counts as destroyed. `target` is made anew. CommandError: a line of `keys` cannot be
    read. StoreUnavailable: no room.
    """
    try:
        _remove(target)
        shutil.copyfile(folder / DATABASE, target)
        with closing(_plain(target)) as link:
            link.execute("BEGIN")
            link.executemany(
                "UPDATE data_key SET kek = ?, wrapped = ? WHERE id = ? AND destroyed_at IS NULL", _keys(keys)
            )
            gone = link.execute(
                f"UPDATE data_key SET destroyed_at = ? WHERE wrapped IS NULL AND destroyed_at IS NULL AND {_WITH_KEYS}",  # noqa: S608 -- our own words
                (now,),
            ).rowcount
            link.execute("COMMIT")
        _sync(target)
    except sqlite3.Error as error:
        raise translated(error) from None
    except OSError:
        raise StoreUnavailable(f"the database cannot be written to {target}: is there room?") from None
    return gone


def _keys(path: Path) -> Iterator[tuple[str, bytes, int]]:
    with path.open(encoding="ascii") as file:
        for line in file:
            try:
                told = json.loads(line)
                yield str(told["kek"]), bytes.fromhex(told["wrapped"]), int(told["id"])
            except (ValueError, KeyError, TypeError):
                raise CommandError(f"{path} has a line that is no wrapped key") from None


def _remove(path: Path) -> None:
    for name in ("", "-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + name).unlink()


def in_the_way(target: Path) -> Path | None:
    """What lies where the database is to be: the file, or a log of another one, which SQLite would take for its own."""
    return next(
        (one for one in (target.with_name(target.name + end) for end in ("", "-wal", "-shm")) if one.exists()), None
    )


def finish(made: Path, target: Path) -> None:
    """Give a database that was made ready, and is open no more, its name: in one step, on disk. StoreUnavailable."""
    try:
        with closing(_plain(made)):  # the write-ahead log is moved into the file and removed
            pass
        _sync(made)
        made.rename(target)
        _sync(target.parent)
    except sqlite3.Error as error:
        raise translated(error) from None
    except OSError:
        raise StoreUnavailable(f"the database cannot be renamed to {target}") from None
