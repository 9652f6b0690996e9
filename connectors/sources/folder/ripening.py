"""Which files of a folder are whole: a file that may still be written is never read (B-04 begins with the whole file)."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from connectors.sources.folder.options import FolderOptions, Order

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


def look(options: FolderOptions) -> Listing:
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
    """The stamp of a file now; None when it is gone."""
    try:
        return stamp_of(path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return None


def markers_of(options: FolderOptions, name: str) -> tuple[str, ...]:
    """The names of the files that say that this one is whole: `lab.hl7.done`, or `lab.done`."""
    if options.marker is None:
        return ()
    stem, dot, _ = name.rpartition(".")
    return (name + options.marker, *((stem + options.marker,) if dot and stem else ()))


class Ripening:
    """Remembers since when each file has not changed; by our own clock, because a file server's may be wrong."""

    def __init__(self, options: FolderOptions) -> None:
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


def _wanted(options: FolderOptions, name: str) -> bool:
    endings = (*options.ignore, *((options.marker,) if options.marker else ()))
    return not name.startswith(".") and not name.endswith(endings) and fnmatchcase(name, options.pattern)
