"""Replies: their words are shown one by one, with a reason, and decided once."""

from __future__ import annotations

from gateway.api.staff.pages import Answer, Page
from gateway.api.staff.visit import Elsewhere, Shown, Visit
from gateway.model.access import Right
from gateway.pipeline import inspect


def _list(visit: Visit) -> Answer:
    with visit.gateway.store.read() as unit:
        now = unit.now
    given = {"lines": inspect.replies_open(visit.gateway, limit=200), "reads": visit.may(Right.REPLY_READ), "now": now}
    return Shown(template="replies.html", given=given)


def _read(visit: Visit) -> Answer:
    number = visit.number("reply", "the reply")
    found = inspect.reply_read(visit.gateway, number, reason=visit.reason(), account=visit.account)
    return Shown(template="reply.html", given={"one": found, "decides": visit.may(Right.REPLY_DECIDE)})


def _decide(visit: Visit) -> Answer:
    number = visit.number("reply", "the reply")
    about = visit.number("about", "the request") if visit.told("about") else None
    inspect.reply_decide(
        visit.gateway, number, visit.told("decision"), reason=visit.reason(), account=visit.account, about=about
    )
    return Elsewhere(path="/replies")


PAGES = (
    Page(method="GET", path="/replies", right=Right.WORKLIST_READ, answer=_list, title="Replies"),
    Page(method="POST", path="/replies/read", right=Right.REPLY_READ, answer=_read),
    Page(method="POST", path="/replies/decide", right=Right.REPLY_DECIDE, answer=_decide),
)
