"""The occurrences of a working set by person: who is asked for again and again is found without looking at everybody else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.pipeline.directory import Directory
from gateway.pipeline.rows import OccurrenceRow


class Whose:
    """Each row stands under its patient, under whom they were merged into, and under everybody it has a request of."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._rows: dict[int, list[OccurrenceRow]] = {}

    def add(self, row: OccurrenceRow) -> None:
        """Take in a row, its patient and requests loaded."""
        whose = {row.patient, self._directory.root(row.patient).token}
        whose.update(one.patient for one in row.requests)
        for token in whose:
            self._rows.setdefault(token, []).append(row)

    def of(self, patient: int) -> Sequence[OccurrenceRow]:
        """What may be theirs: a row that a request led here, or a merge, may be somebody else's all the same."""
        return self._rows.get(patient, ())

    def regroup(self, rows: Iterable[OccurrenceRow]) -> None:
        """Begin again from all rows, after one of them, or a request, was given to somebody else."""
        self._rows = {}
        for row in rows:
            self.add(row)
