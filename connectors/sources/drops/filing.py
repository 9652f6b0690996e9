"""Moves files that are through, so that none is lost, none overwritten, and a crash at any moment leaves each in one place."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from connectors.sources.drops.options import DropOptions
from connectors.sources.drops.report import written
from connectors.sources.drops.ripening import Stamp, markers_of, stamp_at

REPORT = ".report.json"
_UNREAD = ".unread.json"
_LONGEST = 200  # bytes of a name, so that what is added to it still fits (NAME_MAX is 255)
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EXDEV})


class Filing:
    """The folders `done`, `failed` and, where there are any, `replies` of one watched folder. Methods raise OSError.

    Nothing is half done. What is filed under one name may be a folder: files of one run, moved together.
    """

    def __init__(self, options: DropOptions, replies: str | None = None) -> None:
        self._options = options
        self.folder = options.path
        self.done = options.path / options.done
        self.failed = options.path / options.failed
        self.replies = None if replies is None else options.path / replies

    def prepare(self) -> None:
        """Make the folders and mend what a crash left. Raises OSError when files could not be moved here."""
        wanted = [self.done, self.failed, *((self.replies,) if self.replies else ())]
        for folder in wanted:
            folder.mkdir(mode=0o770, exist_ok=True)
            _own(folder)
            if folder.stat().st_dev != self.folder.stat().st_dev:
                raise OSError(errno.EXDEV, "another filesystem")
            _probe(folder)
        _probe(self.folder)
        for folder in wanted:
            _mend(self.folder, folder)

    def finish(self, name: str, stamp: Stamp, *, report: dict[str, object], whole: bool, reply: Path | None) -> None:
        """Move a file with its report, its reply and its marker. `reply`: the finished temporary file of one.

        `stamp`: the state in which it was read; what has come under its name since stays, to be read.

        The report waits under a hidden name until the file has moved: where the file lies, its report lies soon.
        """
        target = self.done if whole else self.failed
        _own(target)
        free = _free(target, name)
        hidden = target / f".{free}{REPORT}.tmp"
        _write(hidden, written(report))
        if self.replies is not None and reply is not None and reply.exists():  # else it went before the disk was full
            _own(self.replies)
            _move(reply, self.replies / _free(self.replies, name, ".ack"))
            _sync(self.replies)
        _move(self.folder / name, target / free, stamp)
        _sync(target)
        _sync(self.folder)
        hidden.replace(target / f"{free}{REPORT}")
        _sync(target)
        for marker in markers_of(self._options, name):
            (self.folder / marker).unlink(missing_ok=True)
        self.readable(name)

    def unreadable(self, name: str, report: dict[str, object]) -> None:
        """Say in `failed` why a file that stays where it is cannot be read; said once more, it is overwritten."""
        _own(self.failed)
        hidden = self.failed / f".{_fitting(name)}.tmp"
        _write(hidden, written(report))
        hidden.replace(self._note(name))

    def readable(self, name: str) -> None:
        """It could be read after all."""
        self._note(name).unlink(missing_ok=True)

    def reply(self, reference: str) -> Path:
        """Where a reply is written before its file is through."""
        assert self.replies is not None, "there are no replies without their folder"
        return self.replies / f".reply-{reference}.tmp"

    def reports(self, most: int) -> list[Path]:
        """The newest reports, oldest of them first."""
        found = [path for folder in (self.done, self.failed) for path in _reports_in(folder)]
        return sorted(found, key=lambda path: path.stat().st_mtime_ns)[-most:]

    def forget(self, before: float) -> int:
        """Remove files of `done`, and their reports, that were through before an instant (seconds); how many."""
        removed = 0
        for report in _reports_in(self.done):
            if report.stat().st_mtime < before:
                _remove(self.done / report.name.removesuffix(REPORT))
                report.unlink(missing_ok=True)
                removed += 1
        return removed

    def orphans(self, names: frozenset[str]) -> frozenset[str]:
        """Markers without a file: a crash has left them, and they would bless the next file of that name unread."""
        marker = self._options.marker
        if marker is None:
            return frozenset()
        markers = {name for name in names if name.endswith(marker) and not name.startswith(".")}
        return frozenset(markers.difference(*(markers_of(self._options, name) for name in names - markers)))

    def sweep(self, orphans: frozenset[str]) -> None:
        """Remove such markers."""
        for orphan in orphans:
            (self.folder / orphan).unlink(missing_ok=True)

    def _note(self, name: str) -> Path:
        return self.failed / f"{_fitting(name)}{_UNREAD}"


def _free(folder: Path, name: str, ending: str = "") -> str:
    """The name, or the first of `name.2`, `name.3`, … that neither a file nor a report has; each with the ending.

    A file that is called as our reports are gets a number too: it must neither be taken for one nor overwritten by one.
    """
    name = _fitting(name)
    number, free = 1, f"{name}{ending}"
    while (
        free.endswith((REPORT, _UNREAD))
        or os.path.lexists(folder / free)
        or os.path.lexists(folder / f"{free}{REPORT}")
    ):
        number += 1
        free = f"{name}.{number}{ending}"
    return free


def _fitting(name: str) -> str:
    return os.fsdecode(os.fsencode(name)[:_LONGEST])


def _own(folder: Path) -> None:
    """Raises OSError where it is a link: whoever may drop files could send them, and our reports, anywhere else."""
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise OSError(errno.ENOTDIR, "a link, and no folder of its own")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _reports_in(folder: Path) -> list[Path]:
    _own(folder)
    return [path for path in folder.glob(f"*{REPORT}") if stat.S_ISREG(path.lstat().st_mode)]


def _move(path: Path, target: Path, stamp: Stamp | None = None) -> None:
    """Never over an existing name: a link fails there, a rename would not. Filesystems without links are renamed on.

    Raises OSError (ESTALE), and leaves the file where it is, when it is not in the state `stamp` any more.
    """
    try:
        os.link(path, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS or os.path.lexists(target):
            raise
        _still(stamp, path)
        path.rename(target)
    else:
        try:
            _still(stamp, path, target)
        except OSError:
            target.unlink(missing_ok=True)
            raise
        path.unlink()


def _still(stamp: Stamp | None, *paths: Path) -> None:
    if stamp is not None and any(stamp_at(one) != stamp for one in paths):
        raise OSError(errno.ESTALE, "it changed before it could be moved")


def _write(path: Path, content: bytes) -> None:
    try:
        # never through a name that somebody else has made, a link say: it would be overwritten where that leads to
        path.unlink(missing_ok=True)
        with path.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        with suppress(OSError):  # what a full disk left of it
            path.unlink(missing_ok=True)
        raise


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network filesystems have no such thing
            raise
    finally:
        os.close(handle)


def _probe(folder: Path) -> None:
    path = folder / f".caregate-{os.getpid()}.tmp"
    _write(path, b"")
    path.unlink()


def _mend(watched: Path, folder: Path) -> None:
    """A report whose file has moved gets its name; what else a crash left under a hidden name is removed."""
    for hidden in folder.glob(".*.tmp"):
        free = hidden.name[1:].removesuffix(".tmp")
        moved = folder / free.removesuffix(REPORT)
        if free.endswith(REPORT) and os.path.lexists(moved) and not os.path.lexists(folder / free):
            _half_moved(watched, moved, hidden)
            hidden.replace(folder / free)
        else:
            hidden.unlink(missing_ok=True)


def _half_moved(watched: Path, moved: Path, report: Path) -> None:
    """Take away the old name of a file that already has its new one."""
    with suppress(OSError, ValueError, KeyError):
        old = watched / str(json.loads(report.read_bytes())["file"])
        if old.parent == watched and old.samefile(moved):
            old.unlink()
