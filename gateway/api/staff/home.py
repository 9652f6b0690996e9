"""Everything that waits for a person, oldest first, and of each message the two answers a person can give."""

from __future__ import annotations

from gateway.api.staff.pages import Answer, Page
from gateway.api.staff.visit import Elsewhere, Shown, Visit
from gateway.model.access import Right
from gateway.pipeline import inspect

_MOST = 200


def _worklist(visit: Visit) -> Answer:
    lines = inspect.holds(visit.gateway, limit=_MOST)
    with visit.gateway.store.read() as unit:
        now = unit.now
    waiting = inspect.replies_open(visit.gateway, limit=_MOST)
    given = {
        "items": inspect.worklist(visit.gateway, limit=_MOST),
        "holds": lines,
        "replies": waiting,
        "now": now,
        "unread": inspect.unread(visit.gateway, limit=_MOST),
        "untold": inspect.revocations(visit.gateway, failed=True, limit=_MOST),
        "tells": visit.may(Right.CONSENT_WRITE),
        "acts": visit.may(Right.OUTBOX_CONTROL),
        "reads": visit.may(Right.REPLY_READ),
    }
    return Shown(template="worklist.html", given=given)


def _release(visit: Visit) -> Answer:
    request = visit.number("request", "the request")
    inspect.release_request(visit.gateway, request, reason=visit.reason(), account=visit.account)
    return Elsewhere(path="/")


def _withdraw(visit: Visit) -> Answer:
    request = visit.number("request", "the request")
    inspect.withdraw_request(visit.gateway, request, reason=visit.reason(), account=visit.account)
    return Elsewhere(path="/")


def _seen(visit: Visit) -> Answer:
    number = visit.number("message", "the message")
    inspect.unread_seen(visit.gateway, number, reason=visit.reason(), account=visit.account)
    return Elsewhere(path="/")


def _told(visit: Visit) -> Answer:
    number = visit.number("revocation", "the opt-out")
    inspect.revocation_settle(visit.gateway, number, reason=visit.reason(), account=visit.account)
    return Elsewhere(path="/")


PAGES = (
    Page(method="GET", path="/", right=Right.WORKLIST_READ, answer=_worklist, title="Worklist"),
    Page(method="POST", path="/requests/release", right=Right.OUTBOX_CONTROL, answer=_release),
    Page(method="POST", path="/requests/withdraw", right=Right.OUTBOX_CONTROL, answer=_withdraw),
    Page(method="POST", path="/unread/seen", right=Right.OUTBOX_CONTROL, answer=_seen),
    Page(method="POST", path="/revocations/told", right=Right.CONSENT_WRITE, answer=_told),
)
