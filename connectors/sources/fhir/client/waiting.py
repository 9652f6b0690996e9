"""How long a server is left alone: as long as it says, else longer each time, and nobody's clock decides when all return (Q-08)."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TypeVar

from gateway.model.errors import Busy
from gateway.model.when import Millis

_FIRST, _LONGEST = 1.0, 3_600.0  # seconds
_DAY = 86_400.0  # seconds; no server silences us for longer, whatever year it writes
_BRIEF = 5.0  # seconds that a thread waits for its turn rather than do something else

T = TypeVar("T")


def http_date(text: str | None) -> Millis | None:
    """The instant of an HTTP date (RFC 9110 §5.6.7); None for what is none."""
    try:
        found = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return int(found.timestamp() * 1000)


def retry_after(told: str | None, date: Millis | None, now: Millis) -> float | None:
    """Seconds of Retry-After, told as such or as a date, which counts from the answer's own `date` where it has one."""
    text = (told or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _DAY)
    at = http_date(text)
    return None if at is None else min(max(0.0, (at - (now if date is None else date)) / 1000), _DAY)


def back_off(tries: int) -> float:
    """Seconds to wait after `tries` (0, 1, …) in vain: double each time, an hour at most, a random half of it."""
    most = min(_LONGEST, _FIRST * 2.0 ** min(tries, 20))
    return most * random.uniform(0.5, 1.0)  # noqa: S311 - so that not all return at once; nothing secret


class Pace:
    """Spreads requests evenly, shared by threads, and lets all of them rest when the server asks for it."""

    def __init__(self, rate: float, stopping: threading.Event) -> None:
        self._gap = 1.0 / rate
        self._stopping = stopping
        self._lock = threading.Lock()
        self._next = 0.0

    def turn(self) -> None:
        """Wait for our turn. Raises Busy, with how long, when that would take longer than a moment or we are stopping."""
        with self._lock:
            now = time.monotonic()
            at = max(now, self._next)
            if at - now > _BRIEF:
                raise Busy("the server asked to be left alone", at - now)
            self._next = at + self._gap
        if self._stopping.wait(at - now):
            raise Busy("the source is stopping")

    def rest(self, seconds: float) -> None:
        """Nobody asks for so long."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


def patiently(ask: Callable[[], T], stopping: threading.Event, most: float) -> T:
    """What `ask` returns, asked again while it is Busy, for `most` seconds in all; then, or when stopping, Busy."""
    until = time.monotonic() + most
    tries = 0
    while True:
        try:
            return ask()
        except Busy as error:
            wait = back_off(tries) if error.after is None else error.after
            if time.monotonic() + wait > until or stopping.wait(wait):
                raise
            tries += 1
