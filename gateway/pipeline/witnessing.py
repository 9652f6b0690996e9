"""Who was turned away at a source's door is audited: the first at once, a flood once a minute with its count (TL-04).

So is noted, as often, which feeds were heard without having anything to tell (S-17).
"""

from __future__ import annotations

import threading
from collections import Counter
from ipaddress import ip_address

from gateway import telemetry
from gateway.model.audit import Action, NodeFailure
from gateway.model.errors import CaregateError
from gateway.store import tables
from gateway.store.engine import Store

_Seen = tuple[str, NodeFailure, str]
_MOST = 100  # callers told apart between two rows; further ones are counted together, without their address


class Witness:
    """Takes notice without blocking anybody; a thread of its own writes (ITI-19, BALP: node authentication failure).

    Only closed words, a source's name, an IP address and a count are kept, never anything the caller said.
    """

    def __init__(self, store: Store, *, every: float = 60.0) -> None:
        self._store = store
        self._every = every  # seconds between two rows
        self._seen: Counter[_Seen] = Counter()
        self._alive: set[str] = set()
        self._lock = threading.Lock()
        self._told = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="caregate-witness", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Write what was seen and end. `timeout` in seconds."""
        self._stopping.set()
        self._told.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def __call__(self, source: str, failure: NodeFailure, host: str) -> None:
        """Somebody at `host` was turned away; from any thread."""
        seen = (source, failure, _address(host))
        with self._lock:
            if seen not in self._seen and len(self._seen) >= _MOST:
                seen = (source, failure, "")
            self._seen[seen] += 1
        self._told.set()

    def heard(self, source: str) -> None:
        """A feed told that it lives; from any thread."""
        with self._lock:
            self._alive.add(source)
        self._told.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._told.wait()
            self._told.clear()
            self._write()
            self._stopping.wait(self._every)
        self._write()

    def _write(self) -> None:
        with self._lock:
            seen, self._seen = self._seen, Counter()
            alive, self._alive = self._alive, set()
        if not seen and not alive:
            return
        try:
            with self._store.begin("listen") as uow:
                if seen:
                    uow.audit([(Action.NODE_REFUSED, *who, count) for who, count in sorted(seen.items())])
                uow.update(tables.source, ("name",), ("last_received",), [(uow.now, one) for one in sorted(alive)])
                uow.commit()
        except CaregateError as error:
            telemetry.log().error("witness.unwritten", error=type(error).__name__, count=seen.total())
            with self._lock:
                self._seen.update(seen)
                self._alive |= alive
            self._told.set()  # tried again after the pause


def _address(host: str) -> str:
    """The address in its usual spelling; empty for anything else: names are not asked for."""
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        return ""
