"""The right to read one folder: of several gateways that watch it one has it, and its death gives it to another."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Self

NAME = ".caregate.lock"
_NOT_KNOWN = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


class Lock:
    """An flock on a hidden file in the folder; the kernel lifts it when we end, however. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._handle = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o660)

    def take(self) -> bool:
        """Whether we have it now; also where the filesystem knows no locks: then one gateway only must be set on it."""
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _NOT_KNOWN:
                raise
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)
