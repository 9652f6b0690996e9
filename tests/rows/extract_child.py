"""A process that reads a table twice and dies at the commit it is told."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from extract_site import Audience, members

from gateway.pipeline.extracting import book, extracts
from gateway.ports import SetClock
from gateway.store.engine import Store
from gateway.store.keyring import Keyring
from gateway.store.uow import UnitOfWork

PEOPLE = [f"P{number}" for number in range(12)]
FIRST = members(*PEOPLE, "X")
SECOND = {**members(*PEOPLE[:4], note="changed"), **members(*PEOPLE[4:9], "X"), **members("N1", "N2")}
"""Four say something new, three have left, two have entered, and one is nobody."""


def story(audience: Audience) -> None:
    """The baseline, then one more extract; whatever of it is done already is not done again."""
    if len(ended(audience)) == 0:
        audience.pulls(FIRST, chunk=7)
    if len(ended(audience)) == 1:
        audience.pulls(SECOND, chunk=7)


def ended(audience: Audience) -> list[extracts.Extract]:
    """The extracts that came to their end, the newest first."""
    with audience.store.read() as unit:
        return [one for one in extracts.latest(unit, audience.entry.id, 9) if one.state == extracts.FINISHED]


def opened(url: str, home: Path, now: int) -> Audience:
    """The site of the story."""
    book.PAGE = 2
    store = Store.open(url, Keyring.load(home / "keys.json"), SetClock(now), holder=f"test:{os.getpid()}")
    return Audience(store, home / "rules")


def live(url: str, home: str, now: int, word: str, nth: int) -> None:
    """Read on, and die `word` (before, during, after) the `nth` commit of an extract; end well when there are fewer."""
    audience = opened(url, Path(home), now)
    seen, commit = 0, UnitOfWork.commit

    def watched(self: UnitOfWork) -> None:
        nonlocal seen
        seen += self.actor in ("receive", "extract")
        if seen == nth and word == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if seen == nth and word == "during":
            threading.Thread(target=_soon, daemon=True).start()
        commit(self)
        if seen == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    UnitOfWork.commit = watched  # type: ignore[method-assign]
    story(audience)
    audience.store.close()


def _soon() -> None:
    time.sleep(0.0005)
    os.kill(os.getpid(), signal.SIGKILL)
