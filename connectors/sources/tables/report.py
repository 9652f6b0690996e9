"""What became of one file of rows, written beside it: lines, columns and reasons, never a value."""

from __future__ import annotations

from collections import Counter
from typing import Any

from connectors.sources.drops.report import instant
from connectors.sources.rows import Problem
from gateway.model.when import Millis
from gateway.ports import ExtractState, Poured, UnfitRow
from gateway.rowjson import RULES

_LISTED = 1_000  # unfit rows that are listed; beyond, they are counted


class Report:
    """Gathers what is found while the files of one drop are read. `reference` is what the log calls it: a name may tell a patient.

    Rows, and those without a key, of before a restart are counted too; they are not listed again.
    """

    def __init__(self, name: str, reference: str = "") -> None:
        self.name = name
        self.reference = reference
        self.rows = 0
        self.unfit = 0
        self.keyless = 0
        self.finished = False
        self.repeated = False
        self.kept = False  # whether its rows went where they stay
        self.state: ExtractState | None = None
        self.problems: list[str] = []  # what is wrong with it as a whole
        self._unfit: list[UnfitRow] = []
        self._why: Counter[str] = Counter()

    @property
    def whole(self) -> bool:
        """Whether all of it was taken, every row: `done`, else `failed`."""
        return self.finished and not (self.problems or self.unfit)

    def problem(self, sentence: str) -> None:
        """Something is wrong with it as a whole."""
        self.problems.append(sentence)

    def misfit(self, file: str, line: int, problem: Problem) -> None:
        """One row is none."""
        self.unfit += 1
        self._why[problem.why.value] += 1
        if len(self._unfit) < _LISTED:
            told = UnfitRow(file=file, line=line, column=problem.column, problem=RULES[problem.why])
            self._unfit.append(told)

    def poured(self) -> Poured:
        """As a command sees it."""
        return Poured(
            name=self.name,
            rows=self.rows,
            unfit=tuple(self._unfit),
            unfit_rows=self.unfit,
            problems=tuple(self.problems),
            state=self.state,
            finished=self.finished,
        )

    def told(self, source: str, began: Millis, now: Millis) -> dict[str, Any]:
        """The whole, as JSON takes it."""
        state = self.state
        return {
            "file": self.name,
            "reference": self.reference,
            "source": source,
            "began": instant(began),
            "ended": instant(now),
            "delivery": "repeated" if self.repeated else "new",
            "rows": self.rows,
            "outcomes": {} if state is None else dict(state.counts),
            "baseline": None if state is None else state.baseline,
            "problems": self.problems,
            "unfit": [
                {"file": one.file, "line": one.line, "column": one.column, "problem": one.problem}
                for one in self._unfit
            ],
            "unfit_rows": self.unfit,
        }
