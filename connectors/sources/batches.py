"""A batch in hand: its messages are offered in order and each fares for itself; one that fails stops none (B-04)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from connectors.sources.deliveries import Deliveries, Delivery, all_repeated, identity_of
from connectors.sources.offering import Offering
from connectors.sources.refusals import TROUBLE, not_taken
from gateway.er7.batch import Mismatch, Part, Piece
from gateway.model.event import Outcome, RawMessage, Result

PATIENCE = 3.0  # seconds without any progress; senders wait 5 for an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Fared:
    """What became of a batch. `outcomes`: by the index of the message. `untaken`: messages the intake did not take."""

    parts: Sequence[Part]
    outcomes: Mapping[int, Outcome]
    untaken: int
    unstored: bool  # some were refused without a look into the store: whatever says "stored" must not be said of all
    delivery: Delivery

    @property
    def mismatches(self) -> int:
        """How many envelopes' counts are wrong (B-02)."""
        return sum(isinstance(part, Mismatch) for part in self.parts)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the reply says beside the acknowledgements."""
        return (self.delivery.remark,) if self.delivery.remark else ()


async def offer_batch(
    body: bytes,
    parts: Sequence[Part],
    offering: Offering,
    deliveries: Deliveries,
    *,
    message: Callable[[bytes], RawMessage],
    stopping: Callable[[], bool],
    refusal: Callable[[bytes], Outcome | None] = lambda _body: None,
) -> Fared:
    """Offer every message of a batch in order and wait for what becomes of each (B-04).

    `refusal` gives the outcome of a message that is not to be offered at all; what the intake does not take in time
    is answered as trouble of ours, so that the sender sends it again (A-04).
    """
    found: dict[int, Outcome] = {}
    offered: list[tuple[int, bytes]] = []
    for piece in parts:
        if isinstance(piece, Piece):
            refused = not_taken(piece.problem) if piece.body is None else refusal(piece.body)
            if refused is not None:
                found[piece.index] = refused
            elif piece.body is not None:
                offered.append((piece.index, piece.body))
    taken = await offering.all((message(one) for _, one in offered), patience=PATIENCE, stopping=stopping)
    refused_here = bool(found)
    found |= {index: TROUBLE for index, _ in offered}
    found |= {index: outcome for (index, _), outcome in zip(offered, taken, strict=False)}
    untaken = len(offered) - len(taken)
    nothing = refused_here and not taken  # nobody saw it: it is no earlier delivery of what may come
    whole = not (untaken or nothing) and all(one.result is not Result.FAILED for one in taken)
    delivery = _delivery(body, parts, deliveries, taken, whole=whole)
    return Fared(parts=parts, outcomes=found, untaken=untaken, unstored=refused_here, delivery=delivery)


def _delivery(
    body: bytes, parts: Sequence[Part], deliveries: Deliveries, taken: Sequence[Outcome], *, whole: bool
) -> Delivery:
    digest, identity = hashlib.sha256(body).digest(), identity_of(parts)
    known = deliveries.known(digest, identity)
    if whole:  # one that will be sent again because of us is no repetition
        deliveries.remember(digest, identity)
    return Delivery.REPEATED if known is Delivery.NEW and all_repeated(taken) else known
