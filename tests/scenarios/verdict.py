"""Judges a world by the provider's own list: what left twice, what left although it was denied, what never ended."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from gateway.store import seal, tables, verify
from gateway.store.statement import Statement
from tests.scenarios.liveness import expected
from tests.scenarios.provider import Left
from tests.scenarios.site import STEPS

if TYPE_CHECKING:
    from tests.scenarios.world import World

_WORDS = re.compile(r"\[(\w+)@([^\]]+)\]")
_SPACES = re.compile(r"\s+")
_c, _r = tables.communication.c, tables.request.c
_ENDS = {
    "attempt": Statement("test.attempts", select(_c.status, func.count()).group_by(_c.status)),
    "send": Statement("test.sends", select(_r.state, _r.reason, func.count()).group_by(_r.state, _r.reason)),
}


def words(text: str) -> tuple[str, str] | None:
    """(rule, slot) of a message; None for what the gateway says of its own accord."""
    found = _WORDS.search(text)
    return None if found is None else (found[1], _SPACES.sub(" ", found[2]))


class Judge:
    """Hears of everything that leaves, at the moment it leaves."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.wrong: list[str] = []
        self.outcomes: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()

    def leaves(self, left: Left) -> None:
        """Nothing may leave that was denied and committed before it was handed over."""
        said = words(left.text)
        self.left[f"{said[0] if said else 'built in'} by {left.channel.value}"] += 1
        if said is None:
            return
        why = self._world.truth.against(left, *said)
        if why is not None:
            self.wrong.append(f"left although {why}: {said[0]} by {left.channel.value}, request {left.message_id}")

    def ends(self) -> None:
        """Once the world has ended."""
        self._once()
        if not self._world.plan.rate:
            self._left()
        self._ended()
        self._audited()

    def _once(self) -> None:
        """At most one per request, recipient and channel; and no more requests than versions were told."""
        left = self._world.provider.left
        for (message, channel, _), count in Counter((one.message_id, one.channel, one.to) for one in left).items():
            if count > 1:
                self.wrong.append(f"left {count} times: {message} by {channel.value}")
        told = Counter((one.channel, one.to, said) for one in left if (said := words(one.text)) is not None)
        for (channel, _, (rule, slot)), count in told.items():
            versions = len(self._world.truth.entered[slot])
            if count > versions * STEPS[rule]:
                self.wrong.append(f"said {count} times in {versions} versions: {rule} of {slot} by {channel.value}")

    def _left(self) -> None:
        """Nothing failed: so whatever had to leave has left."""
        left = Counter(said for one in self._world.provider.left if (said := words(one.text)) is not None)
        due = expected(self._world.lives)
        self.left["expected and seen"] += sum(due.values())
        self.wrong += [
            f"never left: {rule} of {slot}" for (rule, slot), count in due.items() if left[rule, slot] < count
        ]

    def _ended(self) -> None:
        with self._world.crew.houses[0].gateway.store.read() as unit:
            for status, count in unit.all(_ENDS["attempt"]):
                self.ended[f"attempt {status}"] += count
            for state, reason, count in unit.all(_ENDS["send"]):
                self.ended[f"send {state}" + (f" {reason}" if reason else "")] += count
        if self.ended["attempt in-progress"]:
            self.wrong.append(f"{self.ended['attempt in-progress']} attempts have no end")

    def _audited(self) -> None:
        store = self._world.crew.houses[0].gateway.store
        seal.seal(store)
        report = verify.verify(store)
        if not report.ok:
            self.wrong.append(f"the audit log is not whole: {report.verdict}")
