"""Parts of a message wait, sealed, until the last has come; half a message is never applied, nor parts that may not belong together (B-07).

A part waits in `fragment` under the keyed digests of its continuation pointers, which are forgotten once it waits no
more: senders use them again. What a joined message consists of stays written there, so that it can be read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from sqlalchemy import func, select

from gateway.er7.continuation import join
from gateway.model.audit import Action
from gateway.model.errors import KeyringError, Unreadable
from gateway.model.event import AckCode, Fault, Fragment, Place, RawMessage, Result
from gateway.pipeline.rawform import restored
from gateway.store import tables
from gateway.store.datakeys import open_key
from gateway.store.keyring import Keyring, unseal
from gateway.store.statement import Statement
from gateway.store.uow import Reader, UnitOfWork

MOST_PARTS = 100
MOST_BYTES = 16 << 20  # of all parts together, as one frame may be long (F-11)

AMBIGUOUS = "two parts of a message have the same continuation pointer"
CIRCULAR = "the parts of the message go on each other in a circle"
EXCESSIVE = "the message has too many parts, or they are too long together"
GONE = "the bytes of a part of the message are gone"
OVERDUE = "the other parts of the message did not come in time"
_PLACE, _CODE = Place("DSC", 1, 1), 199

_COLUMNS = ("raw", "source", "continues_hmac", "continued_hmac", "size")
_ALL = (*_COLUMNS, "at", "place", "ended")
_QUARANTINE = ("raw", "control_hmac", "code", "place", "rule", "state", "at", "decided")
_f, _q = tables.fragment.c, tables.quarantine.c

UNJOINED = Statement(
    "fragment.unjoined",
    select(_f.source, func.min(_q.at), func.count())
    .select_from(tables.fragment.join(tables.quarantine, _q.raw == _f.raw))
    .where(_q.state == "open", _f.place.is_(None), _f.ended.is_not(None))
    .group_by(_f.source),
)


class Apart(Unreadable):
    """Parts that cannot be made whole: `parts` by message id; the fault tells why."""

    def __init__(self, parts: Sequence[int], rule: str) -> None:
        super().__init__(Fault(code=_CODE, rule=rule, place=_PLACE), AckCode.AE)
        self.parts = tuple(parts)


@dataclass(frozen=True, slots=True)
class Part:
    """One row of `fragment` that waits. Without `continues` it is the first, without `continued` the last."""

    raw: int
    source: int
    continues: bytes | None = field(repr=False)
    continued: bytes | None = field(repr=False)
    size: int


class Joins:
    """The waiting parts one unit of work touches; whoever makes it holds the feed's cursor `join`."""

    def __init__(self, uow: UnitOfWork, keyring: Keyring) -> None:
        self._uow = uow
        self._keyring = keyring
        self._here: dict[int, RawMessage] = {}  # of this unit: their rows are not written yet

    def awaited(self, source: str, fragment: Fragment) -> bool:
        """Whether some part waits for this one to go on."""
        return bool(self._look("continued_hmac", self._sought(source, fragment.continues)))

    def add(self, raw: int, source: int, message: RawMessage, fragment: Fragment) -> list[Part] | None:
        """Take a part in. The parts of the whole message, in order, when this was the last missing; else None.

        Those that wait do so anew from now. Raises Apart, with this part among the others.
        """
        before = self._sought(message.source, fragment.continues)
        after = self._sought(message.source, fragment.continued)
        part = Part(raw, source, before[0] if before else None, after[0] if after else None, len(message.body))
        self._here[raw] = message
        try:
            chain = self._chain(part, before, after)
        finally:
            row = (raw, source, part.continues, part.continued, part.size, self._uow.now, None, None)
            self._uow.insert(tables.fragment, _ALL, [row])
        if chain[0].continues is None and chain[-1].continued is None:
            return chain
        self._uow.update(tables.fragment, ("raw",), ("at",), [(self._uow.now, one.raw) for one in chain])
        return None

    def whole(self, chain: Sequence[Part]) -> RawMessage:
        """The message the parts make. Raises Apart when their bytes are gone or do not go together."""
        ids = [one.raw for one in chain]
        found = read_again(self._uow, [one for one in ids if one not in self._here])
        found |= {raw: (one.body, one.charset) for raw, one in self._here.items()}
        joined = _joined([found.get(one) for one in ids])
        if isinstance(joined, str):
            raise Apart(ids, joined)
        newest = next(reversed(self._here.values()))
        return replace(newest, body=joined[0], charset=joined[1], sequenced=False)

    def end(self, chain: Sequence[Part], whole: int) -> None:
        """From now on the parts are the message `whole`."""
        values = [(None, None, place, whole, one.raw) for place, one in enumerate(chain)]
        self._uow.update(tables.fragment, ("raw",), ("continues_hmac", "continued_hmac", "place", "ended"), values)

    def _sought(self, source: str, pointer: str) -> tuple[bytes, ...]:
        return self._keyring.sought("pointer", f"{source}\x1f{pointer}") if pointer else ()

    def _look(self, column: str, digests: Sequence[bytes]) -> list[Part]:
        return [Part(*row) for row in self._uow.lookup(tables.fragment, _COLUMNS, column, list(digests))]

    def _chain(self, part: Part, before: Sequence[bytes], after: Sequence[bytes]) -> list[Part]:
        """Every waiting part this one hangs together with, in order. Raises Apart."""
        rivals = self._look("continues_hmac", before) + self._look("continued_hmac", after)
        if rivals:
            raise Apart([part.raw, *(one.raw for one in rivals)], AMBIGUOUS)
        chain = [part]
        while (found := self._next(chain, "continued_hmac", before)) is not None:
            chain.insert(0, found)
            before = self._either(found.continues)
        while (found := self._next(chain, "continues_hmac", after)) is not None:
            chain.append(found)
            after = self._either(found.continued)
        return chain

    def _next(self, chain: Sequence[Part], column: str, digests: Sequence[bytes]) -> Part | None:
        """The one part that goes on at an end of the chain; None when it has not come, or there is none."""
        found = self._look(column, digests)
        ids = [one.raw for one in chain]
        if len(found) > 1:
            raise Apart([*ids, *(one.raw for one in found)], AMBIGUOUS)
        if (found and found[0].raw in ids) or any(one.continues and one.continues == one.continued for one in chain):
            raise Apart(ids, CIRCULAR)
        if len(chain) > MOST_PARTS or sum(one.size for one in chain) > MOST_BYTES:
            raise Apart(ids, EXCESSIVE)
        return found[0] if found else None

    def _either(self, digest: bytes | None) -> tuple[bytes, ...]:
        """A stored digest as it is, and under the current index key."""
        return () if digest is None else (digest, self._keyring.advance(digest))


def give_up(uow: UnitOfWork, parts: Sequence[int], rule: str) -> int:
    """Put parts that wait into quarantine, each by itself, audited under the id returned; their rows are written."""
    audit = uow.audit(
        [(Action.MESSAGE_QUARANTINED, Result.QUARANTINED, rule, {"place": str(_PLACE), "parts": list(parts)})]
    )
    controls = uow.lookup(tables.raw, ("id", "control_hmac"), "id", parts)
    rows = [(raw, control or None, _CODE, str(_PLACE), rule, "open", uow.now, None) for raw, control in controls]
    uow.insert(tables.quarantine, _QUARANTINE, rows)
    uow.update(tables.raw, ("id",), ("result",), [(Result.QUARANTINED.value, raw) for raw in parts])
    ended = [(None, None, audit, raw) for raw in parts]
    uow.update(tables.fragment, ("raw",), ("continues_hmac", "continued_hmac", "ended"), ended)
    return audit


def parts_of(unit: Reader, message: int) -> list[int]:
    """The messages a joined message was put together from, in order; empty for any other."""
    rows = unit.lookup(tables.fragment, ("place", "raw"), "ended", [message])
    return [raw for place, raw in sorted(row for row in rows if row[0] is not None)]


def reread(unit: Reader, message: int) -> tuple[bytes, str | None] | None:
    """Bytes and told charset of a stored message, whole where it came in parts; None when bytes or key are gone."""
    ids = parts_of(unit, message) or [message]
    found = read_again(unit, ids)
    if len(ids) == 1:
        return found.get(message)
    joined = _joined([found.get(one) for one in ids])
    return None if isinstance(joined, str) else joined


def read_again(unit: Reader, messages: Sequence[int]) -> dict[int, tuple[bytes, str | None]]:
    """Bytes and told charset of those of these messages whose bytes and keys are still there."""
    found: dict[int, tuple[bytes, str | None]] = {}
    for raw, key, sealed in unit.lookup(tables.raw, ("id", "feed_key", "sealed"), "id", messages):
        if sealed is not None:
            with suppress(KeyringError):
                found[raw] = restored(unseal(open_key(unit, key), bytes(sealed), b"raw.sealed:%d" % raw))
    return found


def _joined(parts: Sequence[tuple[bytes, str | None] | None]) -> tuple[bytes, str | None] | str:
    """The whole and its charset, or the rule that forbids it."""
    there = [one for one in parts if one is not None]
    if len(there) < len(parts):
        return GONE
    # of a part that is ASCII nobody may have told one (H-03): it is in whatever the others are
    charsets = {charset for body, charset in there if charset or not body.isascii()}
    if len(charsets) > 1:
        return "the parts of the message differ in how they are written"
    try:
        return join([body for body, _ in there]), next(iter(charsets), None)
    except Unreadable as error:
        return error.fault.rule
