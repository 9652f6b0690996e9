"""What waits to leave, and the hand on the tap: the same functions as `caregate outbox`, each decision with its reason."""

from __future__ import annotations

from fastapi import APIRouter

from gateway.api.choosing import Wanted, chosen, stop_of
from gateway.api.v1.guard import Guarded, Site, Who, Why, guarded
from gateway.api.v1.outbox_shapes import (
    Asked,
    BrakeOut,
    ChoiceIn,
    Handled,
    OutboxOut,
    Resumed,
    StopIn,
    WorkOut,
)
from gateway.api.v1.shapes import Cursor, Done, Limit, Number, Page, Word, packed, page, unpacked
from gateway.model.access import Right
from gateway.model.errors import CommandError
from gateway.pipeline import brakes, inspect

routes = APIRouter(route_class=Guarded, tags=["outbox"])
_MOST = 10_000  # lines that can be paged through; whoever needs more narrows it


@routes.get("/worklist", **guarded(Right.WORKLIST_READ))
def worklist(site: Site, cursor: Cursor = None, limit: Limit = 100) -> Page[WorkOut]:
    """Everything that waits for a person, oldest first, with the command that settles it."""
    return page(WorkOut, inspect.worklist(site), cursor, limit)


@routes.get("/outbox", **guarded(Right.OUTBOX_READ))
def listed(
    site: Site,
    rule: Word | None = None,
    facility: Word | None = None,
    date: Word | None = None,
    held_for: Word | None = None,
    held: bool = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> OutboxOut:
    """What waits and why: what is stopped, all of it counted, and line by line, the most urgent first."""
    wanted = Wanted(rule=rule, facility=facility, date=date, held_for=held_for)
    return _outbox(site, chosen(wanted), held, cursor, limit)


@routes.post("/outbox/search", **guarded(Right.PERSON_READ))
def of_person(about: Asked, who: Who, site: Site, why: Why) -> OutboxOut:
    """What waits of one person."""
    token = inspect.patient_of(site, about.identifier.identifier, reason=why, account=who.account)
    return _outbox(site, inspect.Choice(patient=token), about.held, about.cursor, about.limit)


def _outbox(site: inspect.Inspectable, choice: inspect.Choice, held: bool, cursor: str | None, limit: int) -> OutboxOut:
    at = unpacked(cursor)
    if at + limit > _MOST:
        raise CommandError("that is too far down the list: narrow it by rule, facility or reason")
    found = inspect.outbox(site, choice, held=held, limit=at + limit + 1)
    more = len(found.lines) > at + limit
    told = {
        "at": found.at,
        "total": found.total,
        "stopped": found.stopped,
        "counts": found.counts,
        "items": found.lines[at : at + limit],
        "next": packed(at + limit) if more else None,
    }
    return OutboxOut.model_validate(told)


@routes.post("/outbox/hold", **guarded(Right.OUTBOX_CONTROL))
def hold(told: ChoiceIn, who: Who, site: Site, why: Why) -> Handled:
    """Let what is planned wait for a person."""
    choice = chosen(told.wanted, acts=True)
    return Handled(done=inspect.hold_requests(site, choice, reason=why, account=who.account))


@routes.post("/outbox/release", **guarded(Right.OUTBOX_CONTROL))
def release(told: ChoiceIn, who: Who, site: Site, why: Why) -> Handled:
    """Have what is held judged again by every gate; nothing is bypassed. What fell due a day ago is withdrawn."""
    choice = chosen(told.wanted, acts=True)
    if choice.request is not None and choice == inspect.Choice(request=choice.request):
        inspect.release_request(site, choice.request, reason=why, account=who.account)
        return Handled(done=1)
    released, ended = inspect.release_requests(site, choice, reason=why, account=who.account)
    return Handled(done=released, withdrawn=ended)


@routes.post("/outbox/withdraw", **guarded(Right.OUTBOX_CONTROL))
def withdraw(told: ChoiceIn, who: Who, site: Site, why: Why) -> Handled:
    """Never send what waits; no later message plans it again."""
    choice = chosen(told.wanted, acts=True)
    if choice.request is not None and choice == inspect.Choice(request=choice.request):
        inspect.withdraw_request(site, choice.request, reason=why, account=who.account)
        return Handled(done=1)
    return Handled(done=inspect.withdraw_requests(site, choice, reason=why, account=who.account))


@routes.post("/unread/{communication}/seen", **guarded(Right.OUTBOX_CONTROL))
def seen(communication: Number, who: Who, site: Site, why: Why) -> Done:
    """Somebody saw to a message that lies in the portal unread; it can still be picked up."""
    inspect.unread_seen(site, communication, reason=why, account=who.account)
    return Done()


@routes.post("/outbox/stop", **guarded(Right.OUTBOX_CONTROL))
def stop(told: StopIn, who: Who, site: Site, why: Why) -> BrakeOut:
    """The big red button: nothing of it leaves any more, on any worker, within a second."""
    brake = brakes.stop(site.store, stop_of(site, told.wanted), why=why, account=who.account)
    return BrakeOut.model_validate(brake)


@routes.post("/outbox/resume", **guarded(Right.OUTBOX_CONTROL))
def resume(told: StopIn, who: Who, site: Site, why: Why) -> Resumed:
    """Let go what was stopped, said with the same words; what waited is judged again."""
    released, ended = brakes.resume(site.store, site.site, stop_of(site, told.wanted), why=why, account=who.account)
    with site.store.read() as unit:
        still = [BrakeOut.model_validate(one) for one in brakes.on(unit)]
    return Resumed(released=released, withdrawn=ended, still_stopped=still)
