"""What we know of one subscription at its server, kept between looks and restarts; never what it notified of."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from gateway.model.when import Millis
from gateway.ports import Notes


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`id`: the server's. `status`: as seen last. `end`: when the server stops by itself (our clock).

    `made`: when we subscribed, `good`: when it was last seen active (or made), both by the server's clock. `lost`: since when something may have been
    missed, None: nothing. `failed`: looks in vain, one after the other. `next`: not looked at before (our clock).
    """

    id: str
    status: str = "requested"
    end: Millis = 0
    made: Millis | None = None
    good: Millis | None = None
    lost: Millis | None = None
    failed: int = 0
    next: Millis = 0


def read(notes: Notes, name: str) -> Standing | None:
    """None where nobody subscribed, or unsubscribed."""
    told = notes.get(_key(name))
    try:
        return msgspec.json.decode(told, type=Standing) if told else None
    except msgspec.DecodeError:
        return None


def write(notes: Notes, name: str, standing: Standing | None) -> None:
    """Committed when it returns. None: it is ours no longer."""
    notes.put(_key(name), "" if standing is None else msgspec.json.encode(standing).decode())


def _key(name: str) -> str:
    return f"subscription:{name}"
