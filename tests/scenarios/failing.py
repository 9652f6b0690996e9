"""Where a process dies: before and after each kind of commit, before and after the hand-over; what dies unwinds and settles nothing."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.store.uow import UnitOfWork


class Death(BaseException):
    """The process is gone: nothing catches this, open units are undone as the database undoes them."""


class Fates:
    """Says when a process dies. `rate`: of all commits; `counts`: what was injected, by name. Thread-safe."""

    def __init__(self, chance: random.Random, rate: float) -> None:
        self.chance, self.rate = chance, rate
        self.counts: Counter[str] = Counter()
        self.here = threading.local()
        self._lock = threading.Lock()

    def happens(self, rate: float, what: str) -> bool:
        """Whether it happens now; counted if so."""
        with self._lock:
            found = self.rate > 0 and self.chance.random() < rate
            self.counts[what] += found
        return found

    def note(self, what: str) -> None:
        """Something was injected."""
        with self._lock:
            self.counts[what] += 1

    @property
    def mortal(self) -> bool:
        """Whether this thread is a process that may die now (not a person at a terminal)."""
        return bool(getattr(self.here, "mortal", False))

    @contextmanager
    def alive(self) -> Iterator[None]:
        """A stretch of a process's life."""
        self.here.mortal, self.here.sent = True, False
        try:
            yield
        finally:
            self.here.mortal = False

    def at(self, point: str) -> None:
        """Die here, perhaps."""
        if self.mortal and self.happens(self.rate, f"died {point}"):
            raise Death(point)


@contextmanager
def watched(fates: Fates) -> Iterator[None]:
    """Every commit is a place to die at, before it and after it, while the block runs."""
    commit = UnitOfWork.commit

    def mortal(self: UnitOfWork) -> None:
        kind = self.actor
        if kind == "deliver":
            kind = "settle" if getattr(fates.here, "sent", False) else "clear"
        fates.at(f"before-{kind}-commit")
        commit(self)
        fates.at(f"after-{kind}-commit")

    UnitOfWork.commit = mortal  # type: ignore[method-assign]
    try:
        yield
    finally:
        UnitOfWork.commit = commit  # type: ignore[method-assign]
