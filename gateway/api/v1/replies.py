"""What people wrote back and staff must see to: listed without words, read one by one, decided once."""

from __future__ import annotations

from fastapi import APIRouter

from gateway.api.v1.guard import Guarded, Site, Who, Why, guarded
from gateway.api.v1.shapes import (
    Cursor,
    DecisionIn,
    Done,
    Limit,
    Number,
    Page,
    ReplyOut,
    ReplyWordsOut,
    keyed,
    unpacked,
)
from gateway.model.access import Right
from gateway.pipeline import inspect

routes = APIRouter(route_class=Guarded, tags=["replies"])


@routes.get("/replies", **guarded(Right.WORKLIST_READ))
def waiting(site: Site, cursor: Cursor = None, limit: Limit = 100) -> Page[ReplyOut]:
    """Those that wait for a person, oldest first."""
    found = inspect.replies_open(site, after=unpacked(cursor), limit=limit + 1)
    return keyed(ReplyOut, found, limit, lambda one: int(one.id))


@routes.get("/replies/{reply}", **guarded(Right.REPLY_READ))
def read(reply: Number, who: Who, site: Site, why: Why) -> ReplyWordsOut:
    """The words of one, and whose number they came from."""
    return ReplyWordsOut.model_validate(inspect.reply_read(site, reply, reason=why, account=who.account))


@routes.post("/replies/{reply}/decision", **guarded(Right.REPLY_DECIDE))
def decide(reply: Number, told: DecisionIn, who: Who, site: Site, why: Why) -> Done:
    """Say what it means; a STOP opts the address out, an answer becomes a fact of the visit."""
    about = None if told.about is None else int(told.about)
    inspect.reply_decide(site, reply, told.decision, reason=why, account=who.account, about=about)
    return Done()
