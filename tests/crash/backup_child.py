"""Backs up or restores a site as the command does, and kills itself at the n-th step that touches the disk."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import Path
from typing import Any

from gateway.cli import main
from gateway.store import backup
from gateway.store.uow import UnitOfWork


def kill_at(step: int) -> None:
    """Every sync, rename, commit and page copied counts as a step: before it happens, everything ends."""
    count = itertools.count(1)

    def before(call: Any) -> Any:
        def counted(*told: Any, **more: Any) -> Any:
            if next(count) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*told, **more)

        return counted

    os.fsync = before(os.fsync)
    Path.rename = before(Path.rename)  # type: ignore[method-assign]
    UnitOfWork.commit = before(UnitOfWork.commit)  # type: ignore[method-assign]
    backup._copy = before(backup._copy)
    backup._strip = before(backup._strip)
    backup._proven = before(backup._proven)
    backup._keys = before(backup._keys)


def be(step: int, site: Path, told: Path, *words: str) -> None:
    """The command in this folder, killed at this step; what it says goes to `told`."""
    with told.open("wb") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    os.chdir(site)
    os.environ["CAREGATE_CONFIG"] = str(site / "caregate.yaml")
    kill_at(step)
    sys.argv[1:] = words
    main()
