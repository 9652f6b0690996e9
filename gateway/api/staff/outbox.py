"""The outbox and its big red button: asked twice before everything stops, and let go again with a reason."""

from __future__ import annotations

from gateway.api.choosing import Wanted, stop_of
from gateway.api.staff.pages import Answer, Page
from gateway.api.staff.visit import Elsewhere, Shown, Visit
from gateway.model.access import Right
from gateway.model.consent import ChannelKind
from gateway.model.errors import CommandError
from gateway.pipeline import brakes, inspect
from gateway.pipeline.brakes import Scope

_LINES = 100


def _outbox(visit: Visit) -> Answer:
    found = inspect.outbox(visit.gateway, inspect.Choice(), limit=_LINES)
    given = {
        "found": found,
        "acts": visit.may(Right.OUTBOX_CONTROL),
        "channels": list(ChannelKind),
        "rules": sorted(visit.gateway.rules.current().ruleset.rules),
        "facilities": sorted((*visit.gateway.site.organizations, *visit.gateway.site.locations)),
    }
    return Shown(template="outbox.html", given=given)


def _wanted(visit: Visit) -> Wanted:
    what = visit.told("what")
    if what not in frozenset(Scope):
        raise CommandError("say what to stop: everything, a channel, a rule or a facility's day")
    told = {name: visit.told(name) or None for name in ("channel", "rule", "facility", "date")}
    return Wanted(
        everything=what == Scope.EVERYTHING,
        channel=told["channel"] if what == Scope.CHANNEL else None,
        rule=told["rule"] if what == Scope.RULE else None,
        facility=told["facility"] if what == Scope.FACILITY else None,
        date=told["date"] if what == Scope.FACILITY else None,
    )


def _stop(visit: Visit) -> Answer:
    wanted, why = _wanted(visit), visit.reason()
    stop = stop_of(visit.gateway, wanted)
    if visit.told("sure") != "yes":
        waits = inspect.outbox(visit.gateway, inspect.Choice(), limit=0).total
        given = {"wanted": wanted, "what": stop.scope.value, "why": why, "waits": waits}
        return Shown(template="sure.html", given=given)
    brakes.stop(visit.gateway.store, stop, why=why, account=visit.account)
    return Elsewhere(path="/outbox")


def _resume(visit: Visit) -> Answer:
    number, why = visit.number("brake", "what is stopped"), visit.reason()
    with visit.gateway.store.read() as unit:
        found = next((one for one in brakes.on(unit) if one.id == number), None)
    if found is None:
        raise CommandError("that is not stopped any more")
    brakes.resume(visit.gateway.store, visit.gateway.site, found.stop, why=why, account=visit.account)
    return Elsewhere(path="/outbox")


def _hold(visit: Visit) -> Answer:
    choice = inspect.Choice(request=visit.number("request", "the request"))
    if not inspect.hold_requests(visit.gateway, choice, reason=visit.reason(), account=visit.account):
        raise CommandError("it is not planned any more: it left, ended, or waits for a person already")
    return Elsewhere(path="/outbox")


def _lift(visit: Visit) -> Answer:
    patient, hold = visit.number("patient", "the patient"), visit.needed("hold", "the hold")
    if not all(one in "abcdefghijklmnopqrstuvwxyz0123456789-" for one in hold):
        raise CommandError("a hold is a word like identity-conflict")
    inspect.release_patient(visit.gateway, patient, hold, reason=visit.reason(), account=visit.account)
    return Elsewhere(path="/")


PAGES = (
    Page(method="GET", path="/outbox", right=Right.OUTBOX_READ, answer=_outbox, title="Outbox"),
    Page(method="POST", path="/outbox/stop", right=Right.OUTBOX_CONTROL, answer=_stop),
    Page(method="POST", path="/outbox/resume", right=Right.OUTBOX_CONTROL, answer=_resume),
    Page(method="POST", path="/outbox/hold", right=Right.OUTBOX_CONTROL, answer=_hold),
    Page(method="POST", path="/patients/lift", right=Right.OUTBOX_CONTROL, answer=_lift),
)
