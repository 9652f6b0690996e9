"""Links in messages: opaque, expiring, revocable; the database holds only what a token hashes to, so what is stolen there opens nothing."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.model.audit import Action
from gateway.model.when import Millis
from gateway.store import tables
from gateway.store.uow import Reader, UnitOfWork

_BYTES = 32  # 256 bits: nobody guesses one (SM-19, EM-10)


class LinkKind(StrEnum):
    """What a link leads to; a link of one kind never serves as another."""

    PICK_UP = "pick-up"
    PREFERENCES = "preferences"
    UNSUBSCRIBE = "unsubscribe"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRow:
    """One row of `link`. Times are Millis UTC."""

    id: int
    kind: str
    patient: int
    address: int | None
    communication: int | None
    channel: str | None
    topic: str | None
    created: Millis
    expires: Millis
    ended: Millis | None

    def stands(self, now: Millis) -> bool:
        """Whether it still leads anywhere."""
        return self.ended is None and now < self.expires


_COLUMNS = ("id", "kind", "patient", "address", "communication", "channel", "topic", "created", "expires", "ended")


def make(
    uow: UnitOfWork,
    *,
    kind: str,
    patient: int,
    expires: Millis,
    address: int | None = None,
    communication: int | None = None,
    channel: str | None = None,
    topic: str | None = None,
) -> str:
    """A new link; its token, 43 URL-safe characters, which stands nowhere but where the caller puts it. Audited.

    Raises StoreError.
    """
    token = fresh_token()
    identity = uow.new_id()
    row = (identity, kind, patient, address, communication, channel, topic, uow.now, expires, None, digest(token))
    uow.insert(tables.link, (*_COLUMNS, "digest"), [row])
    uow.audit([(Action.LINK_MADE, identity, kind, expires)], patients=[patient])
    return token


def find(unit: Reader, token: str) -> LinkRow | None:
    """The link of a token, ended and expired ones too; None for what is none. One hash and one look-up, whatever it is."""
    rows = unit.lookup(tables.link, _COLUMNS, "digest", [digest(token)])
    return _row(rows[0]) if rows else None


def by_id(unit: Reader, identity: int) -> LinkRow:
    """The link of a row known to be there."""
    return _row(unit.lookup(tables.link, _COLUMNS, "id", [identity])[0])


def end(uow: UnitOfWork, ids: Sequence[int], *, why: str) -> None:
    """Revoke links; those that ended already stay as they are. Audited. Raises StoreError."""
    rows = [_row(row) for row in uow.lookup(tables.link, _COLUMNS, "id", list(ids))]
    open_ = [one for one in rows if one.ended is None]
    uow.update(tables.link, ("id",), ("ended",), [(uow.now, one.id) for one in open_])
    for one in open_:
        uow.audit([(Action.LINK_ENDED, one.id, one.kind, why)], patients=[one.patient])


def of_communication(unit: Reader, communication: int) -> list[int]:
    """The links that lead to one message."""
    return [identity for (identity,) in unit.lookup(tables.link, ("id",), "communication", [communication])]


def fresh_token() -> str:
    """An unguessable token for a link or a session."""
    return secrets.token_urlsafe(_BYTES)


def digest(token: str) -> bytes:
    """What the database holds of a token: SHA-256. It is random and long, so no salt and no slow hash are needed."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _row(row: Sequence[object]) -> LinkRow:
    return LinkRow(**dict(zip(_COLUMNS, row, strict=True)))  # type: ignore[arg-type]  # as the table says


def owners(unit: Reader, identity: int) -> list[int]:
    """Whose the message is that a link leads to, and whose the visit it is about: none for a link to preferences."""
    ((communication,),) = unit.lookup(tables.link, ("communication",), "id", [identity])
    kept = unit.lookup(tables.communication, ("patient", "request"), "id", [communication] if communication else [])
    asked = unit.lookup(tables.request, ("occurrence",), "id", [request for _, request in kept])
    about = [occurrence for (occurrence,) in asked if occurrence is not None]
    visits = unit.lookup(tables.occurrence, ("patient",), "id", about)
    return [patient for patient, *_ in (*kept, *visits)]
