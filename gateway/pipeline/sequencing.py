"""The sequence number protocol: a number moves on only with a message that is stored under it (D-07 to D-11, C2 §2.10.1)."""

from __future__ import annotations

from collections import Counter

from gateway.model.audit import Action
from gateway.model.event import AckCode, Fault, Outcome, Place, Reading, Result
from gateway.pipeline.cursors import REFUSED, SEQUENCE, Wanted, move, put
from gateway.store.uow import UnitOfWork

_NONE = -1  # in MSA-4: no number was accepted yet, the next one is adopted
_UNEXPECTED = Fault(code=199, rule="the sequence number is not the expected one", place=Place("MSH", 1, 13))


class Numbers:
    """The last numbers of the feeds of one unit of work, whose cursors are locked; `flush` writes them back.

    A number is spent by every message that is kept, an unreadable one too: a poison message must not freeze the
    link (A-08). `refused` counts what came out of turn, by source.
    """

    def __init__(self, uow: UnitOfWork, values: dict[Wanted, str]) -> None:
        self._uow = uow
        self._last = {
            source: int(value) if value else None for (source, name), value in values.items() if name == SEQUENCE
        }
        self._moved: set[int] = set()
        self._out_of_turn: set[int] = set()
        self.refused: Counter[str] = Counter()

    def expects(self, source: int, number: int) -> bool:
        """Whether it is this number's turn; any is, where none was accepted yet or the sender resynchronised (D-09)."""
        last = self._last[source]
        return last is None or number == last + 1

    def is_last(self, source: int, number: int) -> bool:
        """Whether the number was the last one taken."""
        return self._last[source] == number

    def take(self, source: int, number: int) -> None:
        """A message was kept, or repeated, under this number; out of turn it moves nothing."""
        if self.expects(source, number):
            self._set(source, number)

    def restart(self, source: int, reading: Reading, name: str) -> Outcome:
        """0 starts the link again where it stood (D-08), -1 forgets where that was (D-09); nothing is processed (D-10)."""
        last = self._last[source]
        if reading.sequence == 0:
            told = _NONE if last is None else last + 1
            self._uow.audit([(Action.SEQUENCE_STARTED, name, told)])
        else:
            told = _NONE
            self._uow.audit([(Action.SEQUENCE_RESET, name, last)])
            self._set(source, None)
        return Outcome(
            result=Result.IGNORED,
            ack=AckCode.AA,
            type=reading.type,
            control_id=reading.control_id,
            reason=reading.ignored,
            sequence=told,
        )

    def refuse(self, source: int, reading: Reading, name: str) -> Outcome:
        """A message out of turn is neither stored nor processed; MSA-4 says which one is expected (D-11)."""
        last = self._last[source]
        assert last is not None, "without one every number is expected"
        self.refused[name] += 1
        self._out_of_turn.add(source)
        self._uow.audit([(Action.SEQUENCE_REFUSED, name, reading.sequence, last + 1)])
        return Outcome(
            result=Result.REJECTED,
            ack=AckCode.AE,
            type=reading.type,
            control_id=reading.control_id,
            reason=_UNEXPECTED.rule,
            faults=(_UNEXPECTED,),
            sequence=last + 1,
        )

    def flush(self) -> None:
        """Write back the numbers that moved, and when something came out of turn."""
        move(self._uow, {(source, SEQUENCE): _text(self._last[source]) for source in self._moved})
        put(self._uow, {(source, REFUSED): str(self._uow.now) for source in self._out_of_turn})

    def _set(self, source: int, number: int | None) -> None:
        self._last[source] = number
        self._moved.add(source)


def _text(number: int | None) -> str:
    return "" if number is None else str(number)
