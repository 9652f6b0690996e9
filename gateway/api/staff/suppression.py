"""Addresses that are not written to, by row; restored one by one with a reason."""

from __future__ import annotations

from gateway.api.staff.pages import Answer, Page
from gateway.api.staff.visit import Elsewhere, Shown, Visit
from gateway.model.access import Right
from gateway.pipeline import inspect

_PAGE = 100


def _list(visit: Visit) -> Answer:
    told = visit.query.get("after", "")
    after = int(told) if told.isascii() and told.isdigit() and len(told) <= 18 else 0
    lines = inspect.suppressed(visit.gateway, after=after, limit=_PAGE + 1)
    more = lines[_PAGE - 1].address if len(lines) > _PAGE else None
    return _shown(visit, lines[:_PAGE], more, "All")


def _search(visit: Visit) -> Answer:
    lines = inspect.suppressed_of(visit.gateway, visit.person(), reason=visit.reason(), account=visit.account)
    return _shown(visit, lines, None, "Of this person")


def _shown(visit: Visit, lines: list[inspect.SuppressedLine], more: int | None, whose: str) -> Answer:
    given = {
        "lines": lines,
        "more": more,
        "whose": whose,
        "people": visit.may(Right.PERSON_READ),
        "writes": visit.may(Right.SUPPRESSION_WRITE),
    }
    return Shown(template="suppression.html", given=given)


def _restore(visit: Visit) -> Answer:
    address = visit.number("address", "the address")
    inspect.restore_address(visit.gateway, address, reason=visit.reason(), account=visit.account)
    return Elsewhere(path="/suppression")


PAGES = (
    Page(method="GET", path="/suppression", right=Right.SUPPRESSION_READ, answer=_list, title="Suppression"),
    Page(method="POST", path="/suppression", right=Right.PERSON_READ, answer=_search),
    Page(method="POST", path="/suppression/restore", right=Right.SUPPRESSION_WRITE, answer=_restore),
)
