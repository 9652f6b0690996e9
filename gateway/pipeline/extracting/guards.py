"""What a table says of many people at once is believed only within bounds (SN-03); pure, and told in counts."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from gateway.model.errors import GuardError

SHRUNK, GROWN, EXITS, SHARED = "shrunk", "grown", "exits", "shared-address"
WORDS: Mapping[str, str] = {
    SHRUNK: "the table has far fewer rows than the last time: half loaded, perhaps",
    GROWN: "the table has many times the rows it had the last time",
    EXITS: "far more people leave at once than ever should",
    SHARED: "one address or number is told for far too many people",
}
"""What each guard saw, for staff."""

FEW = 20
"""Fewer rows than this, more or less, are no accident of a table; none at all where there were some is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """The bounds of one source. Shares are of 1.

    `shrink`: the least share of the rows of the last extract. `grow`: so many times its rows are too many. `exits`: the
    share of the known rows that may end in one extract. `shared`: how many people one address may be told for.
    """

    shrink: float = 0.5
    grow: float = 10
    exits: float = 0.3
    shared: int = 5

    def sized(self, rows: int, before: int | None, *, whole: bool, believed: AbstractSet[str]) -> None:
        """Raises GuardError when a table of `before` rows (None: nobody knows) cannot have `rows` now.

        `whole`: all of them were counted; else there may be more to come, and only too many are told.
        """
        if before is None:
            return
        if before and rows >= before * self.grow and rows - before >= FEW:
            _refuse(GROWN, believed, rows, before)
        lost = before - rows
        if whole and lost > 0 and (rows == 0 or (lost >= FEW and rows < before * self.shrink)):
            _refuse(SHRUNK, believed, rows, before)

    def leaving(self, ended: int, known: int, *, believed: AbstractSet[str]) -> None:
        """Raises GuardError when so many of the known rows cannot have ended in one extract."""
        if ended >= FEW and ended > known * self.exits:
            _refuse(EXITS, believed, ended, known)

    def alike(self, people: int, *, believed: AbstractSet[str]) -> None:
        """Raises GuardError when one address is that of too many `people`: a column holds one value for everyone."""
        if people > self.shared:
            _refuse(SHARED, believed, people, self.shared)


def _refuse(guard: str, believed: AbstractSet[str], count: int, against: int) -> None:
    if guard not in believed:
        raise GuardError(guard, f"{WORDS[guard]} ({count}, against {against})")
