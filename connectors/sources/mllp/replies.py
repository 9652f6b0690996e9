"""What is written back for one outcome: nothing positive for what was not stored, and nothing at all where none is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from connectors.sources.batches import Fared
from connectors.sources.mllp.codec import frame, unframed
from connectors.sources.mllp.options import AckChannel, MllpOptions, Refusal
from connectors.sources.refusals import refused
from gateway.er7.ack import AckMode, ControlIds, acknowledge
from gateway.er7.batch import Piece
from gateway.er7.batchack import Answered, batch_acknowledgement
from gateway.er7.enhanced import Answers, answers
from gateway.er7.header import Header, read_header
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, Outcome, Place, Result
from gateway.ports import Clock

_FAILED = Result.FAILED
COMMITTED = frame(b"\x06")  # MLLP release 2: in safe storage (M2-02)
NOT_COMMITTED = frame(b"\x15")

# AR, because what is wrong is in the header and the sender must not think it final for this message (TL-03).
STRANGER = Outcome(
    result=Result.REJECTED,
    ack=AckCode.AR,
    faults=(
        Fault(
            code=199,
            rule="the sending application or facility does not belong to this connection's certificate",
            place=Place("MSH", 1, 3),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Reply:
    """Framed blocks in order, and the release 2 commit byte before them; `close`: nothing more, end the connection.

    `told` names an event for the log, raised on the event loop.
    """

    blocks: tuple[bytes, ...] = field(default=(), repr=False)
    commit: bytes = b""
    close: bool = False
    told: str = ""


class Replier:
    """Makes replies; called on the intake thread for what was committed, on the event loop for refusals of our own.

    `deferred` takes application acknowledgements that travel on a connection of their own (A-13).
    """

    def __init__(
        self,
        options: MllpOptions,
        *,
        clock: Clock,
        ids: ControlIds,
        zone: str,
        deferred: Callable[[bytes], None] | None = None,
    ) -> None:
        self._options = options
        self._clock = clock
        self._ids = ids
        self._zone = zone
        self._deferred = deferred

    def __call__(self, body: bytes, outcome: Outcome, *, stored: bool = True) -> Reply:
        """The reply to a message; `stored` False where we refused it before any store."""
        if self._options.release == 1:
            return self._content(body, outcome)
        if not stored or outcome.result is Result.FAILED:
            return Reply(commit=NOT_COMMITTED)  # nothing of its content is answered: it was not taken (M2-02)
        told = self._content(body, outcome)
        return Reply(told.blocks, COMMITTED, told.close, told.told)  # also for what is malformed (M2-03)

    def batch(self, fared: Fared) -> Reply:
        """One reply to a batch in a frame (B-03): each message as if alone, its acknowledgement within BHS and BTS."""
        failed = any(outcome.result is Result.FAILED for outcome in fared.outcomes.values())
        if (failed or fared.unstored) and self._options.release == 2:
            # as for one message alone (M2-02): the whole block comes again, and what was stored is a duplicate
            return Reply(commit=NOT_COMMITTED)
        commit = COMMITTED if self._options.release == 2 else b""
        if failed and self._options.on_failure is Refusal.CLOSE:
            return Reply(close=True)
        if self._options.ack_mode is AckMode.NONE:
            return Reply(commit=commit)
        written = batch_acknowledgement(
            fared.parts,
            lambda piece: self._answered(piece, fared.outcomes[piece.index]),
            self._options.batch_ack,
            ids=self._ids,
            now=self._clock.now(),
            zone=self._zone,
            remarks=fared.remarks,
        )
        return Reply((frame(written),), commit)

    def _answered(self, piece: Piece, outcome: Outcome) -> Answered:
        told = self._content(piece.body or b"", outcome)
        return [unframed(block) for block in told.blocks], refused(outcome)

    def _content(self, body: bytes, outcome: Outcome) -> Reply:
        header = header_of(body)
        if header is None and self._options.no_header is Refusal.CLOSE:
            return Reply(close=True)
        asked = answers(header, outcome, self._options.ack_mode, body=body)
        if asked.accept is None and asked.application is None:
            return Reply(told=_remark(asked, header))
        if outcome.result is _FAILED and self._options.on_failure is Refusal.CLOSE:
            return Reply(close=True)
        if asked.application is not None and not asked.enhanced:  # the usual way: one block, with nothing to remark
            return Reply((frame(self._made(header, outcome, asked.application, about=asked.about)),))
        blocks = [self._made(header, outcome, code, about=about) for code, about in self._on_this_link(asked)]
        self._defer(header, outcome, asked)
        return Reply(tuple(map(frame, blocks)), told=_remark(asked, header))

    def _on_this_link(self, asked: Answers) -> list[tuple[AckCode, str | None]]:
        codes = ((asked.accept, None), (None if self._separate(asked) else asked.application, asked.about))
        return [(code, about) for code, about in codes if code is not None]

    def _separate(self, asked: Answers) -> bool:
        return asked.enhanced and self._options.app_ack_channel is AckChannel.SEPARATE

    def _defer(self, header: Header | None, outcome: Outcome, asked: Answers) -> None:
        if asked.application is not None and self._separate(asked) and self._deferred is not None:
            # An exchange of its own asks for an accept acknowledgement and for no application one.
            self._deferred(self._made(header, outcome, asked.application, asks=("AL", "NE"), about=asked.about))

    def _made(
        self,
        header: Header | None,
        outcome: Outcome,
        code: AckCode,
        *,
        asks: tuple[str, str] = ("", ""),
        about: str | None = None,
    ) -> bytes:
        code_or_own = code if header is not None else None  # without MSH nothing but AR
        return acknowledge(
            header,
            outcome,
            control_id=self._ids(),
            now=self._clock.now(),
            zone=self._zone,
            code=code_or_own,
            sequence=outcome.sequence,
            asks=asks,
            about=about,
        )


def header_of(body: bytes) -> Header | None:
    """The header, or None where there is none to be read."""
    try:
        return read_header(body)
    except Unreadable:
        return None


def _remark(asked: Answers, header: Header | None) -> str:
    if asked.lonely:
        return "mllp.ack-type-missing"  # one of MSH-15/16 valued
    return "mllp.acknowledgement-received" if header is not None and header.message_code == "ACK" else ""
