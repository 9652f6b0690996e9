"""`ports.Rows` in memory: what a source of rows told, chunk by chunk, and a guard that says no when it is asked to."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.model.errors import GuardError
from gateway.ports import ExtractMode, ExtractState, Row


class RowsMemory:
    """Keeps bodies by key as the pipeline keeps digests; `log`: (what, …) in order; `stop_after`: rows, then it breaks."""

    keeps = True

    def __init__(self) -> None:
        self.kept: dict[str, tuple[int, bytes]] = {}
        self.log: list[tuple[object, ...]] = []
        self.chunks: list[int] = []
        self.stop_after: int | None = None
        self.guarded = False
        self._open: ExtractState | None = None
        self._finished: list[ExtractState] = []
        self._ids = 0

    def cursor(self) -> str | None:
        return self._finished[-1].cursor if self._finished else None

    def open(self) -> ExtractState | None:
        return self._open

    def begin(self, mode: ExtractMode, *, expected: int | None = None, baseline: bool | None = None) -> ExtractState:
        if self.guarded:
            raise GuardError("shrunk", "the table has far fewer rows than it had")
        self._ids += 1
        first = not self._finished if baseline is None else baseline
        self.log.append(("begin", mode.value, expected, first))
        self._open = ExtractState(id=self._ids, mode=mode, baseline=first, cursor="", counts={})
        return self._open

    def take(self, extract: ExtractState, chunk: Sequence[Row], cursor: str) -> ExtractState:
        if self.stop_after is not None and sum(self.chunks) + len(chunk) > self.stop_after:
            raise KeyboardInterrupt
        counts = dict(extract.counts)
        for row in chunk:
            known = self.kept.get(row.key)
            word = "gone" if not row.body else "new" if known is None else "same" if known[1] == row.body else "changed"
            if word in ("new", "changed"):
                self.log.append((word, row.key))
            elif word == "gone" and known is not None:
                self.log.append(("gone", row.key))
                del self.kept[row.key]
            counts[word] = counts.get(word, 0) + 1
            if row.body:
                self.kept[row.key] = (extract.id, row.body)
        self.chunks.append(len(chunk))
        self._open = ExtractState(
            id=extract.id, mode=extract.mode, baseline=extract.baseline, cursor=cursor, counts=counts
        )
        return self._open

    def finish(self, extract: ExtractState, *, rows: int | None = None) -> ExtractState:
        if extract.mode is ExtractMode.SNAPSHOT:
            for key in [one for one, (id_, _) in self.kept.items() if id_ != extract.id]:
                del self.kept[key]
                self.log.append(("left", key))
        self.log.append(("finish", rows))
        self._finished.append(extract)
        self._open = None
        return extract

    def give_up(self, extract: ExtractState, reason: str) -> None:
        self.log.append(("give-up", reason))
        self._open = None

    def told(self) -> list[tuple[object, ...]]:
        """The log since it was last asked."""
        found, self.log = self.log, []
        return found
