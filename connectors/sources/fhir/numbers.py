"""Event numbers of one subscription: nothing is taken for heard before it is committed, and nothing missing is forgotten (S-18 to S-20)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.model.when import Millis

_MOST_AHEAD = 10_000  # numbers remembered above a gap; further ones are asked for again, which does no harm
_AHEAD_OF_US = 300_000  # Millis of a server's clock before ours; what is told beyond is no time that orders calls


class Heard(StrEnum):
    """What a call is to us."""

    NEW = "new"
    REPEATED = "repeated"  # the very call once more: no effect (S-36)
    RESET = "reset"  # its server counts from the start again: all must be looked at (S-20)


@dataclass(slots=True)
class Numbers:
    """`through`: every event up to it is committed. `ahead`: committed beyond. `top`: the highest its server told of.

    `newest`: the latest call by the server's clock. `whole`: when, by ours, nothing was missing last. `epoch`: how often
    the server began anew. `covered`: up to there a search stands for events; nobody told us each of them.
    """

    through: int = 0
    ahead: set[int] = field(default_factory=set)
    top: int = 0
    newest: Millis = 0
    whole: Millis | None = None
    epoch: int = 1
    covered: int = 0
    gap_since: Millis | None = None
    changed: bool = False

    def hear(self, numbers: Sequence[int], count: int | None, at: Millis | None, now: Millis) -> Heard:
        """A call has come; `settle` says that what it tells is committed.

        A smaller count than before is a reset, unless the call is older than the newest, or, where it tells no time,
        fills a gap: calls overtake each other. What only a search covers is no repetition: a counter that once jumped
        must not have all that follows passed over.
        """
        if at is not None and at > now + _AHEAD_OF_US:
            at = None
        told = max([count or 0, *numbers])
        known = bool(numbers) and all(map(self._committed, numbers))
        fills = bool(numbers) and not known
        late = fills if at is None else at <= self.newest
        if known and late:
            return Heard.REPEATED
        if told < self.top and not late:
            self._restart(told, at)
            return Heard.RESET
        self.top = max(self.top, told)
        self.newest = max(self.newest, at or 0)
        self._look(now)
        return Heard.NEW

    def settle(self, numbers: Sequence[int], epoch: int, now: Millis) -> None:
        """These are committed; `epoch`: in which they were heard."""
        if epoch != self.epoch:
            return
        if numbers and min(numbers) <= self.through + 1 and max(numbers) - min(numbers) + 1 == len(numbers):
            self.through = max(self.through, *numbers)  # the usual case, and the repair of a long gap
            self.ahead = {one for one in self.ahead if one > self.through}
        elif len(self.ahead) < _MOST_AHEAD:
            self.ahead.update([one for one in numbers if one > self.through][:_MOST_AHEAD])
        while self.through + 1 in self.ahead:
            self.through += 1
            self.ahead.remove(self.through)
        self.changed = True
        self._look(now)

    def cover(self, top: int, epoch: int, now: Millis) -> None:
        """Whatever was told up to `top` is found by a search that is committed."""
        if epoch == self.epoch and top > self.through:
            self.through = self.covered = top
            self.ahead = {one for one in self.ahead if one > top}
        self.settle((), self.epoch, now)

    @property
    def missing(self) -> tuple[int, int] | None:
        """The first run of numbers that are missing, both ends included; None: nothing is."""
        if self.through >= self.top:
            return None
        above = [one for one in self.ahead if one <= self.top]
        return self.through + 1, min(above, default=self.top + 1) - 1

    def _committed(self, number: int) -> bool:
        return self.covered < number <= self.through or number in self.ahead

    def _restart(self, told: int, at: Millis | None) -> None:
        self.through = self.top = told
        self.covered = 0
        self.ahead.clear()
        self.newest = at or 0
        self.gap_since = None
        self.epoch += 1
        self.changed = True

    def _look(self, now: Millis) -> None:
        """Note when something began to be missing, or that nothing is."""
        if self.missing is None:
            self.gap_since, self.whole, self.changed = None, now, True
        elif self.gap_since is None:
            self.gap_since = now
