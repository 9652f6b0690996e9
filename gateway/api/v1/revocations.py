"""Opt-outs that others must honour too: who acknowledged them by when, and the word of a person where nobody did."""

from __future__ import annotations

from fastapi import APIRouter

from gateway.api.v1.guard import Guarded, Site, Who, Why, guarded
from gateway.api.v1.shapes import Cursor, Done, Limit, Number, Page, RevocationOut, page
from gateway.model.access import Right
from gateway.pipeline import inspect

routes = APIRouter(route_class=Guarded, tags=["consents"])
_MOST = 10_000


@routes.get("/revocations", **guarded(Right.WORKLIST_READ))
def listed(site: Site, cursor: Cursor = None, limit: Limit = 100) -> Page[RevocationOut]:
    """The newest first; no address is shown."""
    return page(RevocationOut, inspect.revocations(site, limit=_MOST), cursor, limit)


@routes.post("/revocations/{revocation}/told", **guarded(Right.CONSENT_WRITE))
def told(revocation: Number, who: Who, site: Site, why: Why) -> Done:
    """They were told by hand; only of one that failed."""
    inspect.revocation_settle(site, revocation, reason=why, account=who.account)
    return Done()
