"""What a source without enhanced mode answers for one outcome: the acknowledgement that was asked for, or none (A-16)."""

from __future__ import annotations

from connectors.sources.batches import Fared
from connectors.sources.refusals import refused
from gateway.er7.ack import AckMode, ControlIds, acknowledge
from gateway.er7.batch import Piece
from gateway.er7.batchack import Answered, BatchAck, BatchReply, batch_acknowledgement
from gateway.er7.enhanced import answers
from gateway.er7.header import Header, read_header
from gateway.model.errors import Unreadable
from gateway.model.event import Outcome
from gateway.ports import Clock


class Replier:
    """Makes acknowledgements for one feed. `zone`: the clock MSH-7 and BHS-7 are told in."""

    def __init__(
        self, *, clock: Clock, zone: str, mode: AckMode = AckMode.AUTO, batch_ack: BatchAck = BatchAck.ALL
    ) -> None:
        self._mode = mode
        self._policy = batch_ack
        self._clock = clock
        self._ids = ControlIds(clock.now())
        self._zone = zone

    def one(self, body: bytes, outcome: Outcome) -> bytes | None:
        """The acknowledgement of one message; None where it asks for none, or is one itself (A-16, A-17)."""
        header = _header(body)
        asked = answers(header, outcome, self._mode, body=body)
        if asked.application is None:
            return None
        return acknowledge(
            header,
            outcome,
            control_id=self._ids(),
            now=self._clock.now(),
            zone=self._zone,
            code=asked.application if header is not None else None,
            sequence=outcome.sequence,
            about=asked.about,
        )

    def batch(self, fared: Fared) -> bytes:
        """The reply to a batch (B-03, B-04)."""
        return batch_acknowledgement(
            fared.parts,
            lambda piece: self.answered(piece, fared.outcomes[piece.index]),
            self._policy,
            ids=self._ids,
            now=self._clock.now(),
            zone=self._zone,
            remarks=fared.remarks,
        )

    def begun(self) -> BatchReply:
        """A reply to a batch that is read bit by bit."""
        return BatchReply(self._policy, ids=self._ids, now=self._clock.now(), zone=self._zone)

    def answered(self, piece: Piece, outcome: Outcome) -> Answered:
        """The acknowledgements of one message of a batch, and whether it was refused."""
        ack = self.one(piece.body or b"", outcome)
        return [] if ack is None else [ack], refused(outcome)


def _header(body: bytes) -> Header | None:
    try:
        return read_header(body)
    except Unreadable:
        return None
