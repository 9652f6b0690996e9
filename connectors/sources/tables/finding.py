"""What was dropped: a file, or a folder of files that are one table; a run of which a part is missing is no run yet (SN-03)."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import msgspec

from connectors.sources.drops import ripening
from connectors.sources.drops.ripening import Found, Listing, Stamp, files_below, run_stamp
from connectors.sources.tables.lines import opened
from connectors.sources.tables.options import TablesOptions, Written
from gateway.model.errors import Unusable

_CHUNK = 1 << 20
_LARGEST_MANIFEST = 16 << 20


_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]


class _Meta(msgspec.Struct):
    record_count: _Count | None = None
    content_length: _Count | None = None


class _Entry(msgspec.Struct):
    url: str
    meta: _Meta = msgspec.field(default_factory=_Meta)


class _Manifest(msgspec.Struct):
    entries: list[_Entry]


_manifest = msgspec.json.Decoder(_Manifest).decode


@dataclass(frozen=True, slots=True)
class Drop:
    """What makes one extract. `name` may tell a patient, and goes into reports beside it alone. `expected`: rows it should have."""

    name: str = field(repr=False)
    path: Path = field(repr=False)
    parts: Sequence[Path] = field(repr=False)
    expected: int | None = None

    def identity(self) -> str:
        """Of these bytes in files written then: SHA-256, 64 digits. Raises OSError."""
        digest = hashlib.sha256()
        for part in self.parts:
            told = part.stat(follow_symlinks=False)
            digest.update(repr((os.fsencode(part.name), told.st_size, told.st_mtime_ns)).encode())
            with opened(part) as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
        return digest.hexdigest()


def look(options: TablesOptions) -> Listing:
    """What lies in the folder; of runs those that say that they are whole. Raises OSError."""
    if not options.runs:
        return ripening.look(options)
    files, names, links = list[Found](), set[str](), 0
    with os.scandir(options.path) as entries:
        for entry in entries:
            names.add(entry.name)
            links += entry.is_symlink()
            told = entry.name in (options.done, options.failed) or entry.name.startswith(".")
            if not told and entry.is_dir(follow_symlinks=False) and (stamp := _whole(Path(entry.path), options)):
                files.append(Found(entry.name, stamp))
    return Listing(files, frozenset(names), links)


def drop(path: Path, options: TablesOptions) -> Drop:
    """A file, or the files of a run. Raises OSError, and Unusable where there are none or a manifest cannot be read."""
    if not stat.S_ISDIR(path.stat(follow_symlinks=False).st_mode):
        return Drop(path.name, path, (path,))
    parts = _parts(path, options)
    expected = None
    if options.manifest is not None:
        entries = _entries(path / options.manifest)
        named = {_name(one) for one in entries}
        parts = [part for part in parts if part.name in named]
        counts = [one.meta.record_count for one in entries]
        expected = sum(one or 0 for one in counts) if counts and None not in counts else None
    if not parts:
        raise Unusable("there is no file of rows in it")
    return Drop(path.name, path, tuple(parts), expected)


def _whole(path: Path, options: TablesOptions) -> Stamp | None:
    """The state of a run, if it says that it is whole."""
    try:
        if options.success is not None and not (path / options.success).is_file():
            return None
        if options.manifest is not None and not _all_there(path, path / options.manifest):
            return None
        return run_stamp(path)
    except FileNotFoundError:  # it is being moved
        return None


def _all_there(path: Path, manifest: Path) -> bool:
    """Whether every file that is named is there, in its size; a manifest that cannot be read is dealt with as a run of its own."""
    try:
        entries = _entries(manifest)
    except Unusable:
        return True
    sizes = {part.name: told.st_size for part, told in files_below(path)}
    return all(_name(one) in sizes and one.meta.content_length in (None, sizes[_name(one)]) for one in entries)


def _entries(manifest: Path) -> list[_Entry]:
    """As Redshift's UNLOAD writes it, and others after it: `{"entries": [{"url": "s3://…/part-0000", "meta": {…}}]}`."""
    with opened(manifest) as file:
        try:
            entries = _manifest(file.read(_LARGEST_MANIFEST)).entries
            for one in entries:
                _name(one)
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise Unusable("its manifest cannot be read") from None
    return entries


def _name(entry: _Entry) -> str:
    """Raises ValueError for what is no URL."""
    return unquote(urlsplit(entry.url).path).rpartition("/")[2]


def _parts(path: Path, options: TablesOptions) -> list[Path]:
    """Its files of rows, by name: not those that writers leave beside them (`_SUCCESS`, `_committed_…`), nor empty ones of no rows."""
    found = files_below(path)
    if any(stat.S_ISDIR(told.st_mode) for _, told in found):
        raise Unusable("it has folders within folders without end")
    return [
        part
        for part, told in found
        if not part.name.startswith("_")
        and part.name not in (options.success, options.manifest)
        and not part.name.endswith(options.ignore)
        and fnmatchcase(part.name, options.pattern)
        and (told.st_size or options.files is Written.PARQUET)
    ]
