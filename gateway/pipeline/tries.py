"""How often somebody may try to get in, and how long a link rests after that; one link locks nobody out of another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from gateway.model.when import DAY, MINUTE, Millis
from gateway.store import tables
from gateway.store.uow import UnitOfWork

IDLE: Millis = 15 * MINUTE
MOST_TRIES = 5  # of one link
MOST_OF_A_PERSON = 3 * MOST_TRIES  # a day: one link alone never shuts anybody out of the others
_REST: Millis = 15 * MINUTE  # after the first lock-out; four times as long after each further one
_LONGEST_REST: Millis = DAY
_REMEMBERED: Millis = 30 * DAY
_MOST_CODES, _MOST_CODES_A_DAY = 3, 10  # texts of one log-in; of one patient


class State(StrEnum):
    """Of a log-in."""

    STARTED = "started"
    CODE_SENT = "code-sent"
    OPEN = "open"
    LOCKED = "locked"
    ENDED = "ended"


@dataclass(slots=True, kw_only=True)
class LoginRow:
    """One row of `login`. Times are Millis UTC."""

    id: int
    link: int
    patient: int
    state: str
    code_digest: bytes | None
    code_address: int | None
    code_expires: Millis | None
    tries: int
    locked_until: Millis | None
    started: Millis
    ends: Millis


COLUMNS = (
    "id", "link", "patient", "state", "code_digest", "code_address", "code_expires", "tries", "locked_until", "started",
    "ends",
)  # fmt: skip


def fail(uow: UnitOfWork, login: LoginRow) -> None:
    """One try less; after the last the link rests, longer each time. A new log-in brings no new tries."""
    tries, of_link = login.tries + 1, rows_of(uow, "link", login.link)
    others = sum(
        one.tries for one in of_link if one.id != login.id and one.state != State.LOCKED and one.started > uow.now - DAY
    )
    if tries + others < MOST_TRIES:
        uow.update(tables.login, ("id",), ("tries", "ends"), [(tries, uow.now + IDLE, login.id)])
        return
    before = sum(one.state == State.LOCKED and one.started > uow.now - _REMEMBERED for one in of_link)
    rest = min(_REST * 4**before, _LONGEST_REST)
    row = (tries, State.LOCKED, uow.now + rest, None, login.id)
    uow.update(tables.login, ("id",), ("tries", "state", "locked_until", "code_digest"), [row])


def rests(uow: UnitOfWork, login: LoginRow) -> bool:
    """Whether the link rests, or the person: who tried at several links reads their mail, and gets no further by the next."""
    of_link = rows_of(uow, "link", login.link)
    if any(one.locked_until is not None and uow.now < one.locked_until for one in of_link):
        return True
    tries = Counter[int]()
    for one in related(uow, login):
        tries[one.link] += one.tries if one.started > uow.now - DAY else 0
    return sum(min(told, MOST_TRIES) for told in tries.values()) >= MOST_OF_A_PERSON


def _today(uow: UnitOfWork, login: LoginRow) -> list[int]:
    return [one.id for one in related(uow, login) if one.started > uow.now - DAY]


def codes(uow: UnitOfWork, login: LoginRow) -> int | None:
    """How many codes this log-in asked for; None when it, or its person today, had as many as anybody gets."""
    sent, of_person = _asked(uow, [login.id]), _asked(uow, _today(uow, login))
    return None if sent >= _MOST_CODES or of_person >= _MOST_CODES_A_DAY else sent


def _asked(uow: UnitOfWork, ids: list[int]) -> int:
    return len(uow.lookup(tables.request, ("id",), "about", ids))


def related(uow: UnitOfWork, login: LoginRow) -> list[LoginRow]:
    """Every log-in of the same link or the same person."""
    found = {one.id: one for key in ("link", "patient") for one in rows_of(uow, key, getattr(login, key))}
    return list(found.values())


def rows_of(uow: UnitOfWork, key: str, value: object) -> list[LoginRow]:
    """Log-ins by their id, link, patient or digest."""
    rows = uow.lookup(tables.login, COLUMNS, key, [value])
    return [LoginRow(**dict(zip(COLUMNS, row, strict=True))) for row in rows]
