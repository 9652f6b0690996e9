"""A sender that the provider would not let write rests for a while, so that one fault is met once and not by everybody."""

from __future__ import annotations

import threading

from gateway.model.errors import Unavailable
from gateway.model.when import MINUTE, SECOND, Millis
from gateway.ports import Clock

STOPPED: Millis = 15 * MINUTE  # a registration is not mended in seconds
_LONGEST: Millis = MINUTE  # of a rest the provider asks for
_ALL = ""


class Rests:
    """Who rests until when; thread-safe, in memory: after a restart the provider tells again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until: dict[str, Millis] = {}

    def check(self, sender: str) -> None:
        """Raises Unavailable while `sender`, or the whole account, rests."""
        now = self._clock.now()
        with self._lock:
            if self._until.get(sender, now) > now:
                raise Unavailable("the sender is stopped: see the log")
            if self._until.get(_ALL, now) > now:
                raise Unavailable("the provider asked for a pause")

    def stop(self, sender: str) -> bool:
        """Stop a sender; False when it is stopped already."""
        now = self._clock.now()
        with self._lock:
            resting = self._until.get(sender, now) > now
            self._until[sender] = now + STOPPED
        return not resting

    def pause(self, seconds: float | None) -> None:
        """Everybody pauses as long as Retry-After says, for a second where it says nothing, a minute at the most."""
        wait = min(_LONGEST, SECOND if seconds is None else int(seconds * SECOND))
        with self._lock:
            self._until[_ALL] = self._clock.now() + wait
