"""The portal's own messages: a notice that something waits, and a log-in code; neither says a word about the person (EM-10).

Link and code are made in the unit of work that records the attempt, so that they stand nowhere but in its sealed body.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from gateway.model.consent import ANY, ChannelKind, Purpose
from gateway.model.errors import RenderError
from gateway.model.party import ContactSystem
from gateway.model.request import CommunicationStatus, RequestKind
from gateway.model.verdict import Reason
from gateway.model.when import DAY, MINUTE, Millis
from gateway.pipeline import builtin, links, pickups
from gateway.pipeline.builtin import Asked, Concern, Kind
from gateway.pipeline.directory import Directory
from gateway.pipeline.links import LinkKind
from gateway.pipeline.rows import ContactRow
from gateway.store import tables
from gateway.store.uow import UnitOfWork

CODE_LASTS: Millis = 10 * MINUTE
_NOTICE_WITHIN: Millis = 7 * DAY  # of a message that does not expire itself; later nobody would understand it
_CHANNEL_OF = {ContactSystem.EMAIL: ChannelKind.EMAIL, ContactSystem.SMS: ChannelKind.SMS}


def announce(uow: UnitOfWork, communication: int) -> int | None:
    """Plan the notice of a message that lies in the portal; its id to ring, None when there is one already (EM-11).

    Call it in the unit that settles the message: both are there, or neither. Raises StoreError.
    """
    columns = ("request", "patient", "address")
    ((request, patient, address),) = uow.lookup(tables.communication, columns, "id", [communication])
    ((expires,),) = uow.lookup(tables.request, ("expires",), "id", [request])
    systems = uow.lookup(tables.contact_point, ("system",), "address", [address])
    channel = next((_CHANNEL_OF[one] for (one,) in systems if one in _CHANNEL_OF), None)
    if channel is None:  # the address went away in this very moment
        return None
    return builtin.plan(
        uow,
        kind=RequestKind.PICK_UP_NOTICE,
        patient=patient,
        about=communication,
        channel=channel,
        address=address,
        due=uow.now,
        expires=min(uow.now + _NOTICE_WITHIN, expires or uow.now + _NOTICE_WITHIN),
    )


def _link(uow: UnitOfWork, _directory: Directory, asked: Asked) -> Mapping[str, str]:
    """A link to the message the notice is about; of an attempt before this one nothing leads anywhere any more."""
    url = asked.site.public_url
    rows = uow.lookup(tables.communication, ("at", "status", "patient"), "id", [asked.about])
    if url is None or not rows or rows[0][1] != CommunicationStatus.COMPLETED:
        raise RenderError("there is nothing to pick up, or no `api.public_url` to do it at")
    at, _, patient = rows[0]
    links.end(uow, links.of_communication(uow, asked.about), why="replaced")
    token = links.make(
        uow,
        kind=LinkKind.PICK_UP,
        patient=patient,
        expires=at + asked.policy.portal_keeps,
        address=asked.address,
        communication=asked.about,
        channel=asked.channel.value,
    )
    return {"link": f"{url}/p/{token}"}


def _same_topic(uow: UnitOfWork, asked: Asked) -> tuple[str, Purpose]:
    """A notice is about what its message is about: whoever does not want that wants no notice of it either."""
    rows = uow.lookup(tables.communication, ("topic", "purpose"), "id", [asked.about])
    return (rows[0][0], Purpose(rows[0][1])) if rows else (ANY, Purpose.TREAT)


def _concerns(uow: UnitOfWork, asked: Asked) -> Concern:
    """What stops the message stops its notice, and of a visit that is off nothing is announced (OR-05, SI-25)."""
    ((request,),) = uow.lookup(tables.communication, ("request",), "id", [asked.about])
    ((rule, occurrence),) = uow.lookup(tables.request, ("rule", "occurrence"), "id", [request])
    visit = pickups.occurrence_of(uow, occurrence)
    over = Reason.NOT_AS_ANNOUNCED if pickups.is_over(visit) else None
    return Concern(about=pickups.about(asked.site, rule, visit), over=over)


def _elsewhere(uow: UnitOfWork, directory: Directory, asked: Asked) -> int | None:
    """The same notice to the next address nobody has tried; its own gates decide whether it may go there (EM-11)."""
    known = uow.lookup(tables.request, ("kind", "address"), "about", [asked.about])
    tried = {address for kind, address in known if kind == asked.kind}
    ways = [(_CHANNEL_OF[ContactSystem(one.system)], one) for one in _reachable(directory, asked)]
    left = sorted((way is ChannelKind.SMS, one.rank, one.id, way, one.address) for way, one in ways)
    found = next(((way, address) for *_, way, address in left if address not in tried), None)
    if found is None or asked.request.expires is None:
        return None
    return builtin.plan(
        uow,
        kind=asked.kind,
        patient=asked.patient.token,
        about=asked.about,
        channel=found[0],
        address=found[1],
        due=uow.now,
        expires=asked.request.expires,
        step=str(len(tried) + 1),
    )


def _reachable(directory: Directory, asked: Asked) -> list[ContactRow]:
    return [one for one in directory.contacts(asked.patient) if one.system in _CHANNEL_OF]


def _code(uow: UnitOfWork, directory: Directory, asked: Asked) -> Mapping[str, str]:
    """Six digits for one log-in; the database holds a keyed digest of them, an earlier code is worth nothing now."""
    code = f"{secrets.randbelow(1_000_000):06d}"
    row = (code_digest(directory, asked.about, code), uow.now + CODE_LASTS, asked.about)
    uow.update(tables.login, ("id",), ("code_digest", "code_expires"), [row])
    return {"code": code}


def code_digest(directory: Directory, login: int, code: str) -> bytes:
    """What the database holds of a code, of one log-in only: six digits alone could be tried out."""
    return directory.keyring.digest("code", f"{login}:{code}")


builtin.KINDS[RequestKind.PICK_UP_NOTICE] = Kind(
    template="pick_up_notice",
    open_allowed=True,
    unsubscribes=True,
    given=_link,
    otherwise=_elsewhere,
    of=_same_topic,
    concerns=_concerns,
)
builtin.KINDS[RequestKind.CODE] = Kind(template="code", open_allowed=True, given=_code)
