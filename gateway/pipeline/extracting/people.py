"""Whom rows are about, found without taking them: most of those that were nobody's stay so, and a dry run takes none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gateway.model.event import AckCode, RawMessage, Reading
from gateway.model.party import ContactSystem
from gateway.pipeline.directory import identifier_digests
from gateway.pipeline.extracting.known import RowState
from gateway.store import tables
from gateway.store.uow import Reader

_OWNED = tables.identifier.join(tables.patient, tables.patient.c.token == tables.identifier.c.patient)
_COLUMNS = ("identifier_hmac", "patient_token", "patient_survivor")


class People:
    """Looks for the people of rows. `read`: the reader of their source."""

    def __init__(self, read: Callable[[RawMessage], Reading]) -> None:
        self._read = read

    def dated(self, message: RawMessage) -> bool:
        """Whether a row says which of its versions it is: not just when it was read."""
        return any(event.recorded != message.received for event in self._read(message).events)

    def states(self, unit: Reader, messages: Sequence[RawMessage]) -> list[RowState]:
        """What each row would come to now: its people are none who is known, one, or several."""
        return [_state(reading, some) for reading, some in self._looked(unit, messages)]

    def seen(self, unit: Reader, messages: Sequence[RawMessage]) -> tuple[list[RowState], int]:
        """As `states`; and how many people these rows give the address that most share, told by one column."""
        looked = self._looked(unit, messages)
        sharing: dict[object, set[int]] = {}
        for reading, some in looked:
            if _state(reading, some) is RowState.TAKEN:
                for address in _addresses(reading):
                    sharing.setdefault(address, set()).update(some)
        return [_state(*one) for one in looked], max(map(len, sharing.values()), default=0)

    def _looked(self, unit: Reader, messages: Sequence[RawMessage]) -> list[tuple[Reading, set[int]]]:
        """Each row as it is read, and the known people whom its numbers name."""
        keyring, readings = unit.store.keyring, [self._read(one) for one in messages]
        named = [
            [digest for event in one.events for told in event.identifiers for digest in identifier_digests(keyring, told)]
            for one in readings
        ]  # fmt: skip
        wanted = list(dict.fromkeys(digest for some in named for digest in some))
        rows = unit.lookup(_OWNED, _COLUMNS, "identifier_hmac", wanted)
        owners = {bytes(digest): token if survivor is None else survivor for digest, token, survivor in rows}
        people = [{owners[digest] for digest in some if digest in owners} for some in named]
        return list(zip(readings, people, strict=True))


def _addresses(reading: Reading) -> Iterator[tuple[str, ContactSystem, str]]:
    for event in reading.events:
        for origin, points in event.person.told.demographics.telecom:
            if isinstance(points, tuple):  # else it says that there is none any more
                yield from ((origin, one.system, one.value.strip().casefold()) for one in points)


def _state(reading: Reading, people: set[int]) -> RowState:
    if reading.ack is not AckCode.AA:
        return RowState.UNREADABLE
    if reading.ignored:
        return RowState.IGNORED
    if not people:
        return RowState.NOBODY
    return RowState.TAKEN if len(people) == 1 else RowState.SEVERAL
