"""Tables that are read row by row, and the two answers to an extract that a guard did not believe."""

from __future__ import annotations

from gateway.api.choosing import source_of
from gateway.api.staff.pages import Answer, Page
from gateway.api.staff.visit import Elsewhere, Shown, Visit
from gateway.model.access import Right
from gateway.pipeline import inspect


def _list(visit: Visit) -> Answer:
    given = {
        "lines": inspect.tables_status(visit.gateway, rows=False),
        "acts": visit.may(Right.OUTBOX_CONTROL),
        "believes": visit.may(Right.CAMPAIGN_APPROVE),
    }
    return Shown(template="tables.html", given=given)


def _believe(visit: Visit) -> Answer:
    source = source_of(visit.gateway, visit.told("source"))
    inspect.tables_believe(visit.gateway, source, reason=visit.reason(), account=visit.account)
    return Elsewhere(path="/tables")


def _give_up(visit: Visit) -> Answer:
    source = source_of(visit.gateway, visit.told("source"))
    inspect.tables_give_up(visit.gateway, source, reason=visit.reason(), account=visit.account)
    return Elsewhere(path="/tables")


PAGES = (
    Page(method="GET", path="/tables", right=Right.WORKLIST_READ, answer=_list, title="Tables"),
    Page(method="POST", path="/tables/believe", right=Right.CAMPAIGN_APPROVE, answer=_believe),
    Page(method="POST", path="/tables/give-up", right=Right.OUTBOX_CONTROL, answer=_give_up),
)
