"""A folder of rows that is watched, and a place for rows that keeps them in memory as the store would."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from connectors.sources.tables import TablesSource
from gateway.model.errors import GuardError, StoreUnavailable
from gateway.ports import ExtractMode, ExtractState, Row, SetClock, TableShape
from gateway.rowjson import parse

NOW = 1_772_384_400_123
SHAPE = TableShape(
    mapping="members",
    columns={"member": "text", "audience": "text", "joined": "datetime", "points": "integer"},
    key=("member", "audience"),
    at="joined",
)
HEADER = "member,audience,joined,points\n"


class MemoryRows:
    """`ports.Rows`; what it holds outlives whoever reads. `before`: asked before each call that writes."""

    keeps = True

    def __init__(self) -> None:
        self.there: dict[str, bytes] = {}
        self.unfit: list[bytes] = []
        self.taken: list[str] = []
        self.left: list[str] = []
        self.ended: list[tuple[str, ExtractState]] = []
        self.before: Callable[[str, int], None] = lambda _what, _rows: None
        self.stopped: str | None = None
        self._open: ExtractState | None = None
        self._seen: set[str] = set()
        self._cursor: str | None = None
        self._ids = 0

    def cursor(self) -> str | None:
        return self._cursor

    def open(self) -> ExtractState | None:
        self._guarded()
        return self._open

    def begin(
        self, mode: ExtractMode, *, cursor: str = "", expected: int | None = None, baseline: bool | None = None
    ) -> ExtractState:
        self._guarded()
        self.before("begin", expected or 0)
        if self._open is not None:
            self.give_up(self._open, "another was begun")
        self._ids += 1
        first = self._cursor is None if baseline is None else baseline
        self._open = ExtractState(id=self._ids, mode=mode, baseline=first, cursor=cursor, counts={})
        self._seen = set()
        return self._open

    def take(self, extract: ExtractState, chunk: Sequence[Row], cursor: str) -> ExtractState:
        assert extract == self._open, "it goes on from where it stands"
        assert json.loads(cursor)
        self.before("take", len(chunk))
        for row in chunk:
            self.taken.append(row.key)
            self._seen.add(row.key)
            if not row.body:
                self.there.pop(row.key, None)
            elif b'"unfit"' in row.body:
                self.unfit.append(row.body)
            else:
                assert parse(row.body).key == row.key
                self.there[row.key] = row.body
        count = extract.counts.get("rows", 0) + len(chunk)
        self._open = replace(extract, cursor=cursor, counts={"rows": count})
        return self._open

    def finish(self, extract: ExtractState, *, rows: int | None = None) -> ExtractState:
        assert extract == self._open
        self.before("finish", rows or 0)
        if extract.mode is ExtractMode.SNAPSHOT:
            for key in [key for key in self.there if key not in self._seen]:
                del self.there[key]
                self.left.append(key)
        self._cursor, self._open = extract.cursor, None
        self.ended.append(("finished", extract))
        return extract

    def give_up(self, extract: ExtractState, reason: str) -> None:
        self._open, self.stopped = None, None
        self.ended.append((reason, extract))

    def guard(self, name: str) -> None:
        """What the store does when a guard stops it: it waits for a person."""
        self.stopped = name
        self._guarded()

    def believe(self) -> None:
        self.stopped = None

    def _guarded(self) -> None:
        if self.stopped is not None:
            raise GuardError(self.stopped, "the table has far fewer rows than the last time")


class Trial(MemoryRows):
    """A place that keeps nothing, as a dry run has it."""

    keeps = False

    def open(self) -> None:
        return None


class Away(StoreUnavailable):
    """The database is away."""


class Heard:
    """An intake that only hears."""

    def __init__(self) -> None:
        self.times = 0

    def heard(self, source: str) -> None:
        self.times += 1


class Drops:
    """A folder and its source."""

    def __init__(self, path: Path, rows: MemoryRows, options: dict[str, object], shape: TableShape = SHAPE) -> None:
        self.path, self.rows = path, rows
        path.mkdir(exist_ok=True)
        self._more, self._shape = options, shape
        told = {"path": path, "files": "csv", "mode": "snapshot", "interval": "20ms", "settle": "40ms", **options}
        self.source = TablesSource("cdp", told, SetClock(NOW))
        self.source.extract_into(rows, shape)
        self.intake = Heard()

    def drop(self, name: str, content: str | bytes) -> Path:
        path = self.path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def pull(self, **more: object) -> ExtractState:
        return self.source.pull(lambda _: None, **more)

    def watch(self, name: str) -> dict:
        """Have a gateway find it and be through with it; its report."""
        gateway = Drops(self.path, self.rows, self._more, self._shape).start()
        places = [self.path / folder / f"{name}.report.json" for folder in ("done", "failed")]
        try:
            gateway.until(lambda: any(one.exists() for one in places))
        finally:
            gateway.stop()
        return json.loads(next(one for one in places if one.exists()).read_bytes())

    def report(self, name: str, folder: str = "done") -> dict:
        return json.loads((self.path / folder / f"{name}.report.json").read_bytes())

    def start(self) -> Drops:
        asyncio.run(self.source.start(self.intake))
        return self

    def stop(self) -> None:
        asyncio.run(self.source.stop())

    def until(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + 10
        while not done():
            assert time.monotonic() < end, "it takes too long"
            time.sleep(0.01)


def members(*numbers: int, audience: str = "kidney") -> str:
    """A table of them."""
    return HEADER + "".join(f"{one},{audience},2026-03-02T16:00:00Z,{one}\n" for one in numbers)
