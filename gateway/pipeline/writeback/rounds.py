"""One server is told by one process at a time, message by message, each time with all of what is so now.

So statuses never overtake each other, and what was told before a crash and not noted here is told again to no harm (W-03).
What is told is looked at again for a while: a receipt, or a person, may change it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import bindparam, select, text

from gateway import telemetry
from gateway.mapping.fhir.written import communication, name_of
from gateway.model.audit import Action
from gateway.model.errors import Busy, Denied, KeyringError, ServerError
from gateway.model.policy import Policy
from gateway.model.request import CommunicationStatus
from gateway.model.when import DAY, HOUR, MINUTE, SECOND, Millis
from gateway.pipeline.alone import Alone, alone
from gateway.pipeline.directory import Directory
from gateway.pipeline.regular import Regular
from gateway.pipeline.site import SourceEntry
from gateway.pipeline.writeback.messages import Message, message
from gateway.pipeline.writeback.noting import note
from gateway.ports import WritesBack
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from gateway.store.uow import UnitOfWork

TOLD: Final = "told"  # and nothing changes any more
MOOT: Final = "moot"  # the server does not know the patient, or nobody does any more
REFUSED: Final = "refused"  # it does not take it: a person must look
GIVEN_UP: Final = "given-up"  # it did not answer for days: a person must look
DROPPED: Final = "dropped"  # by a person, once it had failed

_SOONEST, _SLOWEST = 30 * SECOND, 6 * HOUR
_MOST_TRIES = 36  # about a week
_WATCHED: Millis = 7 * DAY  # receipts come within days
_DOUBTED: Millis = 30 * DAY  # an unknown end waits for a person
_SETTLED = (CommunicationStatus.COMPLETED, CommunicationStatus.NOT_DONE, CommunicationStatus.STOPPED)
_BATCH = 50
_encode = msgspec.json.Encoder().encode
_w = tables.writeback.c
DUE = Statement(
    "writeback.due",
    select(_w.id, _w.about, _w.told, _w.server_id, _w.tries)
    # written out: only so does the little index serve
    .where(_w.source == bindparam("source"), text("state = 'open'"), _w.next_at <= bindparam("now"))
    .order_by(_w.next_at)
    .limit(bindparam("n")),
    params=("source", "now", "n"),
)


@dataclass(frozen=True, slots=True)
class _Due:
    """One message whose turn it is."""

    id: int
    about: int
    told: str | None
    server_id: str | None
    tries: int


class WritingBack(Regular):
    """A round every few seconds, in a thread of its own: the server may take long to answer."""

    def __init__(
        self,
        store: Store,
        source: SourceEntry,
        server: WritesBack,
        policy: Callable[[], Policy],
        *,
        every: float = 10.0,
    ) -> None:
        super().__init__("writeback", every=every, of=source.name)
        self._store = store
        self._source = source
        self._server = server
        self._policy = policy

    def once(self) -> int:
        """Note what left, then tell what is due; how many the server took. Raises StoreError."""
        with alone(self._store, "write-back", f"write-back:{self._source.name}") as held:
            return 0 if held is None else self._round(held)

    def _round(self, held: Alone) -> int:
        note(self._store, self._source, self._policy, self.stopping.is_set)
        told = 0
        while due := self._due():
            for one in due:
                if self.stopping.is_set() or (took := self._tell(one, held)) is None:
                    return told
                told += took
        return told

    def _due(self) -> list[_Due]:
        with self._store.read() as unit:
            return [_Due(*row) for row in unit.all(DUE, (self._source.id, unit.now, _BATCH))]

    def _tell(self, one: _Due, held: Alone) -> bool | None:
        """Whether something was told; None: not now, and neither is anything else."""
        with self._store.begin("write-back") as uow:
            if not held.renewed(uow):
                return None
            said = self._message(uow, one)
            if said is None or said.told == one.told:
                self._look_again(uow, one, said)
                uow.commit()
                return False
            uow.commit()
        resource = communication(said.sent, self._source.release)
        try:
            server_id = self._server.write(_encode(resource), identifier=name_of(resource), id=one.server_id)
        except ServerError as error:
            telemetry.log().info("writeback.untold", source=self._source.name, error=type(error).__name__)
            self._failed(one, said, error)
            return None if isinstance(error, Busy | Denied) else False
        return self._took(one, said, server_id, held)

    def _message(self, uow: UnitOfWork, one: _Due) -> Message | None:
        directory = Directory(uow, self._store.keyring, self._policy())
        try:
            return message(uow, directory, self._source, one.about)
        except KeyringError as error:  # fail closed: what cannot be opened is not told
            telemetry.log().error("writeback.unreadable", communication=one.about, error=type(error).__name__)
            return None

    def _look_again(self, uow: UnitOfWork, one: _Due, said: Message | None) -> None:
        """Later, as long as it may change; then no more."""
        if said is not None and not _is_over(said, uow.now):
            uow.update(tables.writeback, ("id",), ("next_at",), [(_later(said, uow.now), one.id)])
            return
        state = MOOT if said is None else TOLD
        uow.update(tables.writeback, ("id",), ("state", "settled"), [(state, uow.now, one.id)])
        self._audit(uow, one, said, state)

    def _took(self, one: _Due, said: Message, server_id: str, held: Alone) -> bool:
        with self._store.begin("write-back") as uow:
            ours = held.renewed(uow)
            told, again = (
                (said.told, _later(said, uow.now)) if ours else (None, uow.now)
            )  # else who is first is not known
            columns = ("told", "server_id", "tries", "next_at")
            uow.update(tables.writeback, ("id",), columns, [(told, server_id, 0, again, one.id)])
            self._audit(uow, one, said, said.sent.status)
            uow.commit()
        return True

    def _failed(self, one: _Due, said: Message, error: ServerError) -> None:
        """Asked again after a pause, or given to a person."""
        passes = isinstance(error, Busy)
        with self._store.begin("write-back") as uow:
            if passes and one.tries + 1 < _MOST_TRIES:
                pause = min(MINUTE << min(one.tries, 16), _SLOWEST)
                asked = int((error.after or 0) * 1000) if isinstance(error, Busy) else 0
                values = (one.tries + 1, uow.now + max(pause, asked), one.id)
                uow.update(tables.writeback, ("id",), ("tries", "next_at"), [values])
            else:
                state = GIVEN_UP if passes else REFUSED
                uow.update(tables.writeback, ("id",), ("state", "settled"), [(state, uow.now, one.id)])
                self._audit(uow, one, said, state)
            uow.commit()

    def _audit(self, uow: UnitOfWork, one: _Due, said: Message | None, word: str) -> None:
        entry = (Action.WRITEBACK_TOLD, one.about, self._source.name, word)
        if said is None:
            uow.audit([entry])
        else:
            uow.audit([entry], request=said.request, patients=[said.token])


def _is_over(said: Message, now: Millis) -> bool:
    age = now - said.at
    return age > (_WATCHED if said.sent.status in _SETTLED else _DOUBTED)


def _later(said: Message, now: Millis) -> Millis:
    """The older, the seldomer: what changes late is told late by as much again, at most."""
    return now + max(_SOONEST, min((now - said.at) // 2, _SLOWEST))
