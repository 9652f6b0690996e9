"""The world before the feed: 100,000 people the gateway already knows, made once by the real receiver, then copied."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path

from gateway import app, settings
from gateway.model.event import Format, RawMessage, Result
from gateway.ports import SystemClock
from gateway.store import tables
from gateway.store.seal import seal
from tests.bench import corpus, site

_BATCH = 500
_CORPUS = 60_000


class World:
    """One folder with a site that knows everybody, and the feed that will be played to its copies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = folder / "site"
        self.feed = folder / "feed.mllp"

    def build(self) -> None:
        """Make it, unless an earlier run left it in this folder."""
        mark = self.folder / "world.json"
        if not mark.exists():
            shutil.rmtree(self.site, ignore_errors=True)
            self.tell(corpus.PATIENTS)
            mark.write_text(json.dumps({"day": datetime.now(UTC).date().isoformat()}))
        day = date.fromisoformat(json.loads(mark.read_text())["day"])
        corpus.write(self.feed, corpus.Feed(now=datetime.now(UTC) - timedelta(minutes=5), day=day).messages(_CORPUS))

    def tell(self, people: int) -> Path:
        """A new site that knows so many; returns its configuration file."""
        self.site.mkdir(parents=True)
        now, config = datetime.now(UTC), site.make(self.site)
        feed = corpus.Feed(now=now - timedelta(hours=1), day=now.date(), prefix="K")
        _tell(config, islice(feed.known(), people))
        return config

    def copy(self, folder: Path) -> Path:
        """A fresh copy of the site; returns its configuration file."""
        shutil.copytree(self.site, folder)
        return folder / "caregate.yaml"

    def into_postgres(self, url: str) -> None:
        """The same rows in a migrated PostgreSQL database."""
        import psycopg

        with (
            sqlite3.connect(f"file:{self.site / 'caregate.db'}?mode=ro", uri=True) as source,
            psycopg.connect(url, autocommit=True) as link,
        ):
            for table in tables.metadata.sorted_tables:
                names = ", ".join(f'"{column.name}"' for column in table.columns)
                link.execute(f'TRUNCATE "{table.name}"'.encode())
                with link.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN'.encode()) as copy:
                    for row in source.execute(f'SELECT {names} FROM "{table.name}"'):
                        copy.write_row(row)
            link.execute("VACUUM ANALYZE")
            link.execute("CHECKPOINT")


def _tell(config: Path, messages: Iterator[bytes]) -> None:
    """Everything through `receive`, in big batches; then sealed, as it would be by now."""
    clock = SystemClock()
    gateway = app.assemble(settings.load(config), clock=clock)
    try:
        while batch := list(islice(messages, _BATCH)):
            told = [RawMessage(source="ehr", format=Format.HL7V2, body=one, received=clock.now()) for one in batch]
            results = {outcome.result for outcome in gateway.receiver.receive(told)}
            assert results == {Result.ACCEPTED}, results
        seal(gateway.store)
    finally:
        gateway.close()
