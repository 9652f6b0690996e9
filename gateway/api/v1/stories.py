"""The stories of messages and requests, and what became of each attempt: ids and closed words, audited all the same."""

from __future__ import annotations

from fastapi import APIRouter

from gateway.api.v1.guard import Guarded, Site, Who, Why, guarded
from gateway.api.v1.shapes import AttemptOut, Cursor, Limit, Number, Page, StoryLine, page
from gateway.model.access import Right
from gateway.pipeline import inspect

routes = APIRouter(route_class=Guarded, tags=["stories"])


@routes.get("/messages/{message}/story", **guarded(Right.STORY_READ))
def of_message(
    message: Number, who: Who, site: Site, why: Why, cursor: Cursor = None, limit: Limit = 100
) -> Page[StoryLine]:
    """A message, by our number, and every request it planned; why the other rules kept silent."""
    inspect.look_at_message(site, "message-story", message, reason=why, account=who.account)
    return page(StoryLine, inspect.trace_message(site, message), cursor, limit)


@routes.get("/requests/{request}/story", **guarded(Right.STORY_READ))
def of_request(
    request: Number, who: Who, site: Site, why: Why, cursor: Cursor = None, limit: Limit = 100
) -> Page[StoryLine]:
    """A request, from the message that planned it."""
    inspect.look(site, "request-story", request, reason=why, account=who.account)
    return page(StoryLine, inspect.trace_request(site, request), cursor, limit)


@routes.get("/requests/{request}/receipts", **guarded(Right.STORY_READ))
def receipts(
    request: Number, who: Who, site: Site, why: Why, cursor: Cursor = None, limit: Limit = 100
) -> Page[AttemptOut]:
    """Each attempt and what the other side told of it."""
    found = inspect.attempts(site, request, reason=why, account=who.account)
    return page(AttemptOut, found, cursor, limit)
