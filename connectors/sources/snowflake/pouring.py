"""The rows of one answer into the place they go: chunk by chunk, each with the cursor that stands for it, and all of them or it is no end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from connectors.sources.rows import RowMaker
from connectors.sources.snowflake.session import Answer, Values
from connectors.sources.tally import Tally
from gateway.model.errors import Busy
from gateway.ports import ExtractMode, ExtractState, Row, Rows

Step = Callable[[ExtractState], None]


@dataclass(slots=True)
class Pouring:
    """One extract. `alive` raises Busy when it must not go on; `step` is told of every chunk that is committed."""

    rows: Rows
    state: ExtractState
    maker: RowMaker
    tally: Tally
    alive: Callable[[], None]
    step: Step
    taken: int = 0
    keyless: int = 0
    _cursor: str | None = field(default=None)

    def row(self, values: Values) -> Row:
        """One row; what does not fit is counted, and lies in quarantine once it is taken."""
        row, problem = self.maker.row(values)
        if problem is not None:
            self.tally.tell("snowflake.unfit", reason=problem.why, column=problem.column)
            self.keyless += problem.keyless
        return row

    def all(self, chunks: Iterable[Sequence[Row]], cursor: Callable[[], dict[str, object]]) -> None:
        """Commit each. `cursor`: how far the source is, asked after the chunk was made; never a value of a key (PHI)."""
        for chunk in chunks:
            self.alive()
            self.take(chunk, cursor())
        told = cursor()
        if self._cursor != json.dumps(told):
            self.take((), told)

    def take(self, chunk: Sequence[Row], cursor: dict[str, object]) -> None:
        """Commit one."""
        self._cursor = json.dumps(cursor)
        self.state = self.rows.take(self.state, chunk, self._cursor)
        self.taken += len(chunk)
        self.step(self.state)

    def finish(self, rows: int | None) -> ExtractState:
        """End it. Busy where nobody could leave: rows that do not tell their key may be anybody's (SN-03)."""
        if self.keyless and self.state.mode is ExtractMode.SNAPSHOT:
            self.rows.give_up(self.state, "rows do not tell their key")
            raise Busy(f"{self.keyless} rows do not tell their key, so that nobody who is missing has left")
        self.state = self.rows.finish(self.state, rows=rows)
        self.step(self.state)
        return self.state


def whole(answer: Answer, most: int) -> Iterator[Sequence[Values]]:
    """Its rows; Busy where there are not as many as it told: half a table is no table (SN-03), and one without end ends."""
    count = 0
    for batch in answer.batches(most):
        count += len(batch)
        if count > answer.total:
            raise Busy("the answer has more rows than it told")
        yield batch
    if count != answer.total:
        raise Busy("the answer ended before its last row")
