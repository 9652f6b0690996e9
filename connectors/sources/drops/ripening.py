"""Which files of a folder are whole: a file that may still be written is never read (B-04 begins with the whole file)."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from connectors.sources.drops.options import DropOptions, Order

Stamp = tuple[int, int, int]
"""Size, time of change in nanoseconds, inode: what a file that has not changed keeps."""


@dataclass(frozen=True, slots=True)
class Found:
    """One file of the folder. Its name may tell a patient: it goes into reports beside the file and nowhere else."""

    name: str = field(repr=False)
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Listing:
    """One look at a folder: candidates, all names that lie there, and how many links were passed over."""

    files: Sequence[Found]
    names: frozenset[str] = field(repr=False)
    links: int


def look(options: DropOptions) -> Listing:
    """The regular files that are wanted; sub-folders, dot-files and links are not. Raises OSError.

    Links are passed over because what they lead to is not ours to read or to move.
    """
    files, names, links = list[Found](), set[str](), 0
    with os.scandir(options.path) as entries:
        for entry in entries:
            names.add(entry.name)
            if not _wanted(options, entry.name):
                continue
            links += entry.is_symlink()
            try:
                told = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # it was renamed or removed meanwhile
                continue
            if stat.S_ISREG(told.st_mode):
                files.append(Found(entry.name, stamp_of(told)))
    return Listing(files, frozenset(names), links)


def stamp_of(told: os.stat_result) -> Stamp:
    """What identifies one state of one file."""
    return told.st_size, told.st_mtime_ns, told.st_ino


def stamp_at(path: Path) -> Stamp | None:
    """The stamp of a file now, or of all files of a run together; None when it is gone."""
    try:
        told = path.stat(follow_symlinks=False)
        return run_stamp(path) if stat.S_ISDIR(told.st_mode) else stamp_of(told)
    except FileNotFoundError:
        return None


def run_stamp(folder: Path) -> Stamp:
    """What identifies one state of the files below a folder. Raises OSError."""
    each = [(name.relative_to(folder).as_posix(), stamp_of(told)) for name, told in files_below(folder)]
    size, changed = sum(stamp[0] for _, stamp in each), max((stamp[1] for _, stamp in each), default=0)
    return size, changed, zlib.crc32(repr(each).encode(errors="surrogateescape"))


DEEPEST = 30
"""Folders within folders of one run."""


def files_below(folder: Path, depth: int = DEEPEST) -> list[tuple[Path, os.stat_result]]:
    """The regular files of a run, by name; what is hidden and what is a link is left alone. Raises OSError.

    Of a folder too deep within others the folder itself: nobody looks into it.
    """
    found: list[tuple[Path, os.stat_result]] = []
    for entry in sorted(os.scandir(folder), key=lambda one: one.name):
        if entry.name.startswith("."):
            continue
        told = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(told.st_mode) and depth:
            found.extend(files_below(Path(entry.path), depth - 1))
        elif stat.S_ISREG(told.st_mode) or stat.S_ISDIR(told.st_mode):
            found.append((Path(entry.path), told))
    return found


def markers_of(options: DropOptions, name: str) -> tuple[str, ...]:
    """The names of the files that say that this one is whole: `lab.hl7.done`, or `lab.done`."""
    if options.marker is None:
        return ()
    stem, dot, _ = name.rpartition(".")
    return (name + options.marker, *((stem + options.marker,) if dot and stem else ()))


class Ripening:
    """Remembers since when each file has not changed; by our own clock, because a file server's may be wrong."""

    def __init__(self, options: DropOptions) -> None:
        self._options = options
        self._since: dict[str, tuple[Stamp, float]] = {}

    def ripe(self, listing: Listing, now: float) -> list[Found]:
        """The files that are whole, in the configured order. `now` in seconds of a clock that only goes forward."""
        self._since = {one.name: (one.stamp, self._unchanged(one, now)) for one in listing.files}
        whole = [one for one in listing.files if self._whole(one, listing.names, now)]
        if self._options.order is Order.MTIME:
            return sorted(whole, key=lambda one: (one.stamp[1], one.name))
        return sorted(whole, key=lambda one: one.name)

    def _unchanged(self, one: Found, now: float) -> float:
        stamp, since = self._since.get(one.name, (None, now))
        return since if stamp == one.stamp else now

    def _whole(self, one: Found, names: frozenset[str], now: float) -> bool:
        if self._options.marker is not None:
            return not names.isdisjoint(markers_of(self._options, one.name))
        return now - self._since[one.name][1] >= self._options.settle


def _wanted(options: DropOptions, name: str) -> bool:
    endings = (*options.ignore, *((options.marker,) if options.marker else ()))
    return not name.startswith(".") and not name.endswith(endings) and fnmatchcase(name, options.pattern)
