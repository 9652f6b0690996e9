"""The WAL is moved into the SQLite file by a thread of its own, so that no commit pays for it, and it stays bounded."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress

from gateway.model.errors import StoreError
from gateway.store.sqlite import SqliteDatabase, connect

PAUSE_SECONDS = 0.25
"""Between two looks at the WAL; more often competes with the commits for the disk, less often moves more at once."""
RESTART_PAGES = 8_000
"""From this size on the WAL is made to start again (32 MB); each time the writer waits a moment."""
LAST_PAGES = 250
"""So few may be left to move while the writer waits; more are moved beside it first."""
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
        left, pages = self._passive(link)
        if pages < RESTART_PAGES and self._size() <= self._bound:
            return
        for _ in range(3):  # what came while the last ones were moved is less each time
            if left > LAST_PAGES:
                left, _ = self._passive(link)
        with self._database.writer:
            mode = "TRUNCATE" if self._size() > self._bound else "PASSIVE"
            link.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()

    @staticmethod
    def _passive(link: sqlite3.Connection) -> tuple[int, int]:
        """Move what can be moved beside the writer; pages written since and not moved, and all in the WAL."""
        _, pages, moved = link.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return pages - moved, pages

    def _size(self) -> int:
        try:
            return self._wal.stat().st_size
        except OSError:
            return 0
