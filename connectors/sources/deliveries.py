"""Recognises a batch that was delivered before: the sender is told, and its messages are duplicates anyway (B-05)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from gateway.er7.batch import Envelope, Part
from gateway.model.event import Outcome, Result

_MOST = 1_000  # batches remembered of one source
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

Identity = tuple[str, str, str]
"""Sending application, facility and the batch's control id (BHS-3, 4, 11, or those of FHS)."""


class Delivery(StrEnum):
    """What is known of a batch."""

    NEW = "new"
    REPEATED = "repeated"  # the very same bytes
    REUSED = "reused"  # other bytes under the same control id

    @property
    def remark(self) -> str | None:
        """What the sender is told of it."""
        return _REMARKS.get(self)


_REMARKS = {
    Delivery.REPEATED: "this batch was received before",
    Delivery.REUSED: "its control id was used before, for another batch",
}


class Deliveries:
    """The last batches of one source. A hint and no more: after a restart duplicates are told by message (D-01)."""

    def __init__(self) -> None:
        self._digests: OrderedDict[bytes, None] = OrderedDict()
        self._identities: OrderedDict[Identity, bytes] = OrderedDict()

    def known(self, digest: bytes, identity: Identity | None) -> Delivery:
        """Whether these bytes, or this control id with other bytes, came before.

        `digest`: SHA-256 of the batch. `identity` None: the batch does not name itself.
        """
        if digest in self._digests:
            return Delivery.REPEATED
        reused = identity is not None and self._identities.get(identity, digest) != digest
        return Delivery.REUSED if reused else Delivery.NEW

    def remember(self, digest: bytes, identity: Identity | None) -> None:
        """It was taken; the oldest are forgotten."""
        _remember(self._digests, digest, None)
        if identity is not None:
            _remember(self._identities, identity, digest)


def identity_of(parts: Iterable[Part]) -> Identity | None:
    """How a batch names itself: by its first FHS or BHS with a control id."""
    for part in parts:
        if isinstance(part, Envelope) and part.segment in ("FHS", "BHS") and part.identity[2]:
            return part.identity
    return None


def all_repeated(outcomes: Iterable[Outcome]) -> bool:
    """Whether there are messages and each was received before: what is left of the memory after a restart."""
    results = {outcome.result for outcome in outcomes}
    return results == {Result.DUPLICATE}


def _remember(kept: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > _MOST:
        kept.popitem(last=False)
