"""Outcomes that a source gives itself: nothing was stored, and the sender is told whether to send again."""

from __future__ import annotations

from gateway.model.event import AckCode, Fault, Outcome, Result

TROUBLE = Outcome(
    result=Result.FAILED,
    ack=AckCode.AR,
    faults=(
        Fault(code=207, rule="the gateway takes no message at the moment; it was not stored and may be sent again"),
    ),
)
TOO_LARGE = Outcome(
    result=Result.REJECTED,
    ack=AckCode.AE,
    faults=(Fault(code=199, rule="the message is longer than this link accepts; it was not stored"),),
)
TOO_MANY = Outcome(
    result=Result.REJECTED,
    ack=AckCode.AE,
    faults=(Fault(code=199, rule="the batch holds more messages than are accepted at once; none of them was stored"),),
)
UNENDED = Outcome(
    result=Result.REJECTED,
    ack=AckCode.AE,
    faults=(Fault(code=100, rule="its MLLP frame is not whole; it was not stored"),),
)


def not_taken(problem: str | None) -> Outcome:
    """The outcome of a message that a file or batch holds and that is not offered (`er7.batch.Piece.problem`)."""
    return {"frame-not-ended": UNENDED, "too-many-parts": TOO_MANY}.get(problem or "", TOO_LARGE)


def refused(outcome: Outcome) -> bool:
    """Whether a message was not accepted (A-02 to A-04)."""
    return outcome.result is Result.FAILED or outcome.ack not in (AckCode.AA, AckCode.CA)
