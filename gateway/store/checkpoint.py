"""The WAL is moved into the SQLite file by a thread of its own, so that no commit pays for it, and it stays bounded."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress

from gateway.model.errors import StoreError
from gateway.store.sqlite import SqliteDatabase, connect

PAUSE_SECONDS = 0.25
"""Between two looks at the WAL; more often competes with the commits for the disk, less often moves more at once."""
RESTART_PAGES = 500
"""From this size on the WAL is made to start again (2 MB)."""
BOUND_BYTES = 64 * 1024 * 1024
"""Above this the writer waits until the WAL starts again from its beginning."""
PATIENCE_MILLIS = 250
"""How long the writer waits then for readers that still look at old pages."""


class Checkpointer:
    """Runs PASSIVE checkpoints beside the writer, and one under the writer lock when the WAL outgrows its bound."""

    def __init__(self, database: SqliteDatabase, *, bound: int = BOUND_BYTES, pause: float = PAUSE_SECONDS) -> None:
        self._database = database
        self._bound = bound
        self._pause = pause
        self._wal = database.path.with_name(database.path.name + "-wal")
        self._stop = threading.Event()
        self._moved = -1
        self._thread = threading.Thread(target=self._run, name="caregate-checkpoint", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what is left in the WAL stays there, durable, for the next start."""
        self._stop.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        link: sqlite3.Connection | None = None
        try:
            while not self._stop.wait(self._pause):
                with suppress(sqlite3.Error, StoreError):  # a full disk is told by the next commit; we try again
                    link = link or self._connect()
                    self._once(link)
        finally:
            if link is not None:
                with suppress(sqlite3.Error):
                    link.close()

    def _connect(self) -> sqlite3.Connection:
        link = connect(self._database.path, cached=8)
        link.execute(f"PRAGMA busy_timeout={PATIENCE_MILLIS}")
        return link

    def _once(self, link: sqlite3.Connection) -> None:
        """Move the bulk beside the writer, then the few pages of the meantime while it waits a moment.

        Only a WAL that was moved completely starts again from its beginning; without the second step a busy
        writer would make it grow for ever.
        """
        changed = link.execute("PRAGMA data_version").fetchone()[0]
        if changed == self._moved:  # nobody wrote: no needless fsync on an idle machine
            return
        self._moved = changed
        _, pages, _ = link.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if pages < RESTART_PAGES and self._size() <= self._bound:
            return
        link.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        with self._database.writer:
            mode = "TRUNCATE" if self._size() > self._bound else "PASSIVE"
            link.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()

    def _size(self) -> int:
        try:
            return self._wal.stat().st_size
        except OSError:
            return 0
