"""What is measured, as a program of its own: the gateway with its real pipeline, an empty one, or bare commits.

`python -m tests.bench.served FULL|WORK|EMPTY|BARE CONFIG` prints {"port", "pid"} once it listens and ends on SIGTERM.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gateway import app, settings, telemetry
from gateway.model.event import AckCode, Outcome, RawMessage, Result
from gateway.store.engine import parsed, sqlite_path

Commit = Callable[[list[bytes]], None]
_ROLES = {"FULL": app.ROLES, "WORK": ("work",)}
_TAKEN = Outcome(result=Result.ACCEPTED, ack=AckCode.AA)


class Bare:
    """Takes every message: `commit` is all that happens before its acknowledgement."""

    def __init__(self, commit: Commit) -> None:
        self._commit = commit

    def receive(self, batch: Sequence[RawMessage]) -> list[Outcome]:
        """One commit of the very bytes, one outcome each."""
        self._commit([message.body for message in batch])
        return [_TAKEN] * len(batch)


def bare_commit(url: str) -> Commit:
    """One insert of a batch's bytes and a durable commit; the connection opens in the thread that commits."""
    opened: list[Commit] = []

    def commit(bodies: list[bytes]) -> None:
        if not opened:
            opened.append(_postgres(url) if url.startswith("postgresql") else _sqlite(sqlite_path(parsed(url))))
        opened[0](bodies)

    return commit


def _sqlite(path: Path) -> Commit:
    from gateway.store.sqlite import connect

    link: sqlite3.Connection = connect(path)
    link.execute("PRAGMA wal_autocheckpoint=1000")
    link.execute("CREATE TABLE bare (body BLOB NOT NULL)")

    def commit(bodies: list[bytes]) -> None:
        link.execute("BEGIN IMMEDIATE")
        link.executemany("INSERT INTO bare VALUES (?)", [(body,) for body in bodies])
        link.execute("COMMIT")

    return commit


def _postgres(url: str) -> Commit:
    import psycopg

    from gateway.store.postgres import connect

    link: psycopg.Connection[Any] = connect(parsed(url))
    link.execute("CREATE TABLE bare (body BYTEA NOT NULL)")

    def commit(bodies: list[bytes]) -> None:
        with link.pipeline():
            link.execute("BEGIN")
            link.execute("INSERT INTO bare SELECT unnest(%b::bytea[])", (bodies,), prepare=True)
            link.execute("COMMIT")

    return commit


def main(variant: str, config: Path) -> None:
    """Run until SIGTERM."""
    telemetry.configure()
    gateway = app.assemble(settings.load(config))
    if variant not in _ROLES:
        commit = bare_commit(gateway.settings.database_url) if variant == "BARE" else lambda _: None
        gateway.receiver = Bare(commit)  # type: ignore[assignment]  # all that the intake asks of a receiver
    try:
        gateway.run(_ROLES.get(variant, ("listen",)), ready=_say)
    finally:
        gateway.close()


def _say(opened: dict[str, Any]) -> None:
    print(json.dumps({"port": opened["ports"].get("ehr"), "pid": os.getpid()}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
