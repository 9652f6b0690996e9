"""The suppression list: which addresses are not written to, and the way back with a reason."""

from __future__ import annotations

from fastapi import APIRouter

from gateway.api.v1.guard import Guarded, Site, Who, Why, guarded
from gateway.api.v1.shapes import About, Cursor, Done, Limit, Number, Page, SuppressedOut, keyed, page, unpacked
from gateway.model.access import Right
from gateway.pipeline import inspect

routes = APIRouter(route_class=Guarded, tags=["suppression"])


@routes.get("/suppression", **guarded(Right.SUPPRESSION_READ))
def listed(site: Site, cursor: Cursor = None, limit: Limit = 100) -> Page[SuppressedOut]:
    """Addresses that bounced for good or complained, by row; nobody is named, no address is shown."""
    found = inspect.suppressed(site, after=unpacked(cursor), limit=limit + 1)
    return keyed(SuppressedOut, found, limit, lambda one: int(one.address))


@routes.post("/suppression/search", **guarded(Right.PERSON_READ))
def of_person(about: About, who: Who, site: Site, why: Why) -> Page[SuppressedOut]:
    """Those of a person's addresses."""
    found = inspect.suppressed_of(site, about.identifier.identifier, reason=why, account=who.account)
    return page(SuppressedOut, found, about.cursor, about.limit)


@routes.post("/suppression/{address}/restore", **guarded(Right.SUPPRESSION_WRITE))
def restore(address: Number, who: Who, site: Site, why: Why) -> Done:
    """Write there again; an opt-out stands."""
    inspect.restore_address(site, address, reason=why, account=who.account)
    return Done()
