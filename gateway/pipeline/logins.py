"""How a reader gets from a link to what it leads to: birth date, a code sent elsewhere, few tries, and nothing told on the way.

Whoever asks learns nothing: a wrong link, a wrong date and a rest after too many tries all look the same. The rows of
one patient are changed under that patient's lock.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import date
from enum import StrEnum

from gateway.model.audit import Action
from gateway.model.consent import ChannelKind
from gateway.model.errors import KeyringError
from gateway.model.request import RequestKind
from gateway.model.when import HOUR, Millis
from gateway.pipeline import builtin, links, tries
from gateway.pipeline.directory import Directory
from gateway.pipeline.links import LinkKind, LinkRow
from gateway.pipeline.notices import CODE_LASTS
from gateway.pipeline.rows import PatientRow
from gateway.pipeline.site import Site
from gateway.pipeline.tries import COLUMNS, IDLE, LoginRow, State
from gateway.pipeline.weighing import code_ways
from gateway.ports import Channel
from gateway.store import tables
from gateway.store.uow import Reader, UnitOfWork

LONGEST: Millis = 2 * HOUR
_MOST_STARTS = 10  # of one link in an hour


class Why(StrEnum):
    """Why a reader got no further; stands in the audit log and nowhere else."""

    LINK = "link-ended"
    CROWDED = "too-many"
    RESTS = "locked"
    BIRTH = "birth-date"
    CODE = "code"
    NOWHERE = "no-address"


def start(uow: UnitOfWork, directory: Directory, token: str) -> str | None:
    """Begin a log-in for a link that stands; the session's token, None for every other link. Audited."""
    link = links.find(uow, token)
    if link is None:
        return None
    directory.load_tokens([link.patient])
    patient = directory.root(link.patient)
    if not link.stands(uow.now):
        _refused(uow, patient, link.id, Why.LINK)
        return None
    known = tries.rows_of(uow, "link", link.id)
    if sum(one.started > uow.now - HOUR for one in known) >= _MOST_STARTS:
        _refused(uow, patient, link.id, Why.CROWDED)
        return None
    session = links.fresh_token()
    identity = uow.new_id()
    row = (identity, link.id, patient.token, State.STARTED, None, None, None, 0, None, uow.now, uow.now + IDLE)
    uow.insert(tables.login, (*COLUMNS, "digest"), [(*row, links.digest(session))])
    uow.audit([(Action.PORTAL_STARTED, identity, link.id, link.kind)], patients=[patient.token])
    return session


def is_known(unit: Reader, session: str) -> bool:
    """Whether there ever was such a session, and nobody left it; all else is asked of its patient under the lock."""
    return bool(unit.lookup(tables.login, ("id",), "digest", [links.digest(session)]))


def find(uow: UnitOfWork, directory: Directory, session: str) -> tuple[LoginRow, PatientRow] | None:
    """The log-in of a session that is not over, its patient locked; None for every other token."""
    rows = tries.rows_of(uow, "digest", links.digest(session))
    if not rows:
        return None
    directory.lock_people([rows[0].patient, *links.owners(uow, rows[0].link)])
    directory.load_tokens([rows[0].patient])
    (login,) = tries.rows_of(uow, "id", rows[0].id)  # as it is now that its patient is locked
    if uow.now >= min(login.ends, login.started + LONGEST) or login.state in (State.LOCKED, State.ENDED):
        return None
    return login, directory.root(login.patient)


def tell_birth(
    uow: UnitOfWork,
    directory: Directory,
    site: Site,
    channels: Mapping[ChannelKind, Channel],
    session: str,
    told: date | None,
) -> int | None:
    """Check a birth date and have a code sent; the id of the request to ring, None for everything else. Audited."""
    found = find(uow, directory, session)
    if found is None or found[0].state not in (State.STARTED, State.CODE_SENT):
        return None
    login, patient = found
    if tries.rests(uow, login):
        _refused(uow, patient, login.id, Why.RESTS)
        return None
    if not _is_birth(directory, patient, told):
        tries.fail(uow, login)
        _refused(uow, patient, login.id, Why.BIRTH)
        return None
    link = links.by_id(uow, login.link)
    sent = tries.codes(uow, login)
    if sent is None:
        _refused(uow, patient, login.id, Why.CROWDED)
        return None
    way = _elsewhere(uow, directory, site, channels, patient, link)
    if way is None:
        _refused(uow, patient, login.id, Why.NOWHERE)
        return None
    channel, address = way
    row = (State.CODE_SENT, address, uow.now + IDLE, login.id)
    uow.update(tables.login, ("id",), ("state", "code_address", "ends"), [row])
    return builtin.plan(
        uow,
        kind=RequestKind.CODE,
        patient=patient.token,
        about=login.id,
        channel=channel,
        address=address,
        due=uow.now,
        expires=uow.now + CODE_LASTS,
        step=str(sent + 1),
    )


def tell_code(uow: UnitOfWork, directory: Directory, session: str, code: str) -> str | None:
    """Check a code; the token of the open session (a new one: a fixed one is worth nothing), None otherwise. Audited."""
    found = find(uow, directory, session)
    if found is None or found[0].state != State.CODE_SENT:
        return None
    login, patient = found
    if tries.rests(uow, login):
        _refused(uow, patient, login.id, Why.RESTS)
        return None
    if not _is_code(uow, directory, login, code):
        tries.fail(uow, login)
        _refused(uow, patient, login.id, Why.CODE)
        return None
    token = links.fresh_token()
    row = (State.OPEN, links.digest(token), None, None, uow.now + IDLE, login.id)
    uow.update(tables.login, ("id",), ("state", "digest", "code_digest", "code_expires", "ends"), [row])
    uow.update(tables.login, ("id",), ("tries",), [(0, one.id) for one in tries.related(uow, login) if one.tries])
    uow.audit([(Action.PORTAL_ENTERED, login.id, login.link)], patients=[patient.token])
    return token


def entered(uow: UnitOfWork, directory: Directory, session: str) -> tuple[LoginRow, PatientRow, LinkRow] | None:
    """The open session of a token, its idle time begun anew; None when there is none. The caller audits what it does."""
    found = find(uow, directory, session)
    if found is None or found[0].state != State.OPEN:
        return None
    login, patient = found
    link = links.by_id(uow, login.link)
    if not link.stands(uow.now):
        return None
    uow.update(tables.login, ("id",), ("ends",), [(uow.now + IDLE, login.id)])
    return login, patient, link


def leave(uow: UnitOfWork, directory: Directory, session: str) -> None:
    """End a session, whatever its state; audited when there was one."""
    found = find(uow, directory, session)
    if found is not None:
        login, patient = found
        uow.update(tables.login, ("id",), ("state", "digest", "ends"), [(State.ENDED, None, uow.now, login.id)])
        uow.audit([(Action.PORTAL_LEFT, login.id)], patients=[patient.token])


# -- what is right


def _is_birth(directory: Directory, patient: PatientRow, told: date | None) -> bool:
    """Whole birth dates only: where we know but the year, nobody can prove anything (law 6)."""
    try:
        known = directory.person(patient).get("birth", "")
    except KeyringError:  # erased
        known = ""
    typed = "" if told is None else told.isoformat()
    return hmac.compare_digest(known.encode(), typed.encode()) and len(known) == len("1980-03-15")


def _is_code(uow: UnitOfWork, directory: Directory, login: LoginRow, code: str) -> bool:
    if login.code_digest is None or login.code_expires is None or uow.now >= login.code_expires:
        return False
    return directory.keyring.same("code", f"{login.id}:{code}", bytes(login.code_digest))


def _elsewhere(
    uow: UnitOfWork,
    directory: Directory,
    site: Site,
    channels: Mapping[ChannelKind, Channel],
    patient: PatientRow,
    link: LinkRow,
) -> tuple[ChannelKind, int] | None:
    """Where a code may go: not where the link went, by the other channel first; else there, where the policy lets it."""
    ways = code_ways(uow, directory, site, channels, patient)
    others = [one for one in ways if one[1] != link.address]
    others.sort(key=lambda way: way[0] == link.channel)  # stable: preferred first within a channel
    same = [one for one in ways if one[1] == link.address] if directory.policy.portal_same_contact_point else []
    return next(iter([*others, *same]), None)


# -- what is wrong


def _refused(uow: UnitOfWork, patient: PatientRow, about: int, why: Why) -> None:
    uow.audit([(Action.PORTAL_REFUSED, about, why)], patients=[patient.token])


__all__ = ["IDLE", "LinkKind", "LoginRow", "State", "Why", "entered", "find", "leave", "start"]
