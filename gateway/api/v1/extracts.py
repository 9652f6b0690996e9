"""Tables that are read row by row: how each stands, and what a person says to what a guard did not believe."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from gateway.api.choosing import source_of
from gateway.api.v1.campaign_shapes import ExtractOut
from gateway.api.v1.guard import Guarded, Site, Who, Why, guarded
from gateway.api.v1.shapes import Cursor, Done, Limit, Page, page
from gateway.model.access import Right
from gateway.pipeline import inspect

routes = APIRouter(route_class=Guarded, tags=["tables"])
Source = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$", description="The source.")]


@routes.get("/tables", **guarded(Right.WORKLIST_READ))
def listed(site: Site, cursor: Cursor = None, limit: Limit = 100) -> Page[ExtractOut]:
    """The newest extract of every table, in counts; and of its known rows, what they came to."""
    return page(ExtractOut, inspect.tables_status(site), cursor, limit)


@routes.post("/tables/{source}/believe", **guarded(Right.CAMPAIGN_APPROVE))
def believe(source: Source, who: Who, site: Site, why: Why) -> Done:
    """What the guard saw is right: the extract goes on at its next turn."""
    inspect.tables_believe(site, source_of(site, source), reason=why, account=who.account)
    return Done()


@routes.post("/tables/{source}/give-up", **guarded(Right.OUTBOX_CONTROL))
def give_up(source: Source, who: Who, site: Site, why: Why) -> Done:
    """Nothing more of the extract that is open or stopped is taken; the next begins anew."""
    inspect.tables_give_up(site, source_of(site, source), reason=why, account=who.account)
    return Done()
