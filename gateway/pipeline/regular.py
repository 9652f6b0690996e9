"""A round every so often, in a thread of its own: trouble of one round is told, and the next goes on."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

from gateway import telemetry


class Regular(ABC):
    """Calls `once` every `every` seconds from `start` on until `stop`; a round may take long, and asks `stopping` itself.

    `name`: of what it does, in the log ("doubts.failed") and of its thread, where `of` tells several apart.
    """

    def __init__(self, name: str, *, every: float, of: str = "") -> None:
        self.stopping = threading.Event()
        self._name = name
        self._every = every
        thread = "-".join(filter(None, ("caregate", name, of)))
        self._thread = threading.Thread(target=self._run, name=thread, daemon=True)

    @abstractmethod
    def once(self) -> int:
        """One round; how many it came to. Raises StoreError."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: float = 40.0) -> None:
        """Begin no further round. `timeout` in seconds, for the one under way."""
        self.stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self.stopping.wait(self._every):
            try:
                self.once()
            except Exception as error:  # noqa: BLE001  # the next round goes on, whatever it was
                telemetry.log().error(f"{self._name}.failed", error=type(error).__name__, exc_info=True)
