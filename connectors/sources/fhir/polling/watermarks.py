"""How far one type was read, by the server's own clock alone; kept only after all up to there is committed (Q-02)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import msgspec

from gateway.model.when import Millis
from gateway.ports import Notes

_MOST = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """`changed`: nothing older that was not read. `deleted`: likewise of deletions. None: not from a certain time on."""

    changed: Millis | None = None
    deleted: Millis | None = None


def read(notes: Notes, kind: str) -> Mark | None:
    """The mark of a type; None before its first round, or where a note cannot be read: then all is read again."""
    told = notes.get(_name(kind))
    try:
        return msgspec.json.decode(told, type=Mark) if told else None
    except msgspec.DecodeError:
        return None


def write(notes: Notes, kind: str, mark: Mark) -> None:
    """Committed when it returns."""
    notes.put(_name(kind), msgspec.json.encode(mark).decode())


def after(before: Millis | None, begun: Millis | None, newest: Millis | None, *, now: Millis) -> Millis | None:
    """The next mark: the newest change that was read, never beyond the server's clock when the round began (Q-02).

    A server whose resources are dated ahead of its clock must not make us pass over what comes before them; nor, where
    it tells no time, ahead of ours (`now`).
    """
    told = [one for one in (before, newest) if one is not None]
    if not told:
        return begun
    return max(min(max(told), now if begun is None else begun), before or 0)


class Seen:
    """Versions of resources that were committed: the overlap of two rounds is not offered again (Q-01). Bounded."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._seen

    def add(self, key: str) -> None:
        """It is committed."""
        self._seen[key] = None
        self._seen.move_to_end(key)
        if len(self._seen) > _MOST:
            self._seen.popitem(last=False)


def _name(kind: str) -> str:
    return f"poll:{kind}"
