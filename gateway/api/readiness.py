"""Ready means that every part this process needs is fit for work; what is not is named in one closed word."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from gateway.model.errors import CaregateError
from gateway.telemetry import log, set_ready

Check = Callable[[], bool]
"""Whether a part is fit for work; a CaregateError means that it is not."""


class Readiness:
    """Asks the parts by their names ("database", "broker", "intake")."""

    def __init__(self, parts: Mapping[str, Check]) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        self._known: tuple[str, ...] = ()

    def lacking(self) -> tuple[str, ...]:
        """The parts that are not fit, in the order they were given; a change is logged, by name. Never raises CaregateError."""
        found = tuple(name for name, check in self._parts.items() if not _fit(name, check))
        with self._lock:
            before, self._known = self._known, found
        for name in found:
            if name not in before:
                log().warning("health.not-ready", part=name)
        for name in before:
            if name not in found:
                log().info("health.ready-again", part=name)
        return found


def _fit(name: str, check: Check) -> bool:
    try:
        fit = check()
    except CaregateError as error:
        log().debug("health.failed", part=name, error=type(error).__name__)
        fit = False
    set_ready(name, ready=fit)
    return fit
