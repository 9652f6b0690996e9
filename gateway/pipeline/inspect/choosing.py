"""Which requests of the outbox are meant: one, a patient's, a rule's, a facility's day, those held for a reason, or all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, func, select

from gateway.model.errors import CommandError
from gateway.model.request import RequestStatus
from gateway.model.verdict import Reason
from gateway.model.when import Millis, to_millis, zone_of
from gateway.pipeline.site import Site
from gateway.store import tables
from gateway.store.statement import Statement

_r, _o = tables.request.c, tables.occurrence.c
WAITING = (RequestStatus.ACTIVE.value, RequestStatus.ON_HOLD.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was asked for; everything that waits, where nothing narrows it. `patient`: a token.

    `facility`: a location or organization of caregate.yaml, with all that belongs to it; `day`: of the visit, there.
    """

    request: int | None = None
    patient: int | None = None
    rule: str | None = None
    facility: str | None = None
    day: date | None = None
    held_for: str | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing narrows it."""
        return self == Choice()


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """A choice as SQL asks for it: the bounds of a day in Millis, the names of a facility and all its places."""

    states: tuple[str, ...]
    request: int | None
    patient: int | None
    rule: str | None
    places: tuple[str, ...]
    day: tuple[Millis, Millis] | None
    held_for: str | None

    @property
    def _asked(self) -> tuple[bool, ...]:
        return (self.request is not None, self.patient is not None, self.rule is not None, self.day is not None)

    @property
    def given(self) -> tuple[Any, ...]:
        """The values of what is asked for, in the order of the statement's parameters."""
        values = (self.request, self.patient, self.rule)
        return (*(one for one in values if one is not None), *(self.day or ()))

    def page(self) -> Statement:
        """(id, patient, due) by id; parameters: `given`, after, limit."""
        return _page(self.states, self._asked, self.places, self.held_for)

    def count(self) -> Statement:
        """How many there are; parameters: `given`."""
        return _count(self.states, self._asked, self.places, self.held_for)

    def where(self, told: Select[Any]) -> tuple[Select[Any], tuple[str, ...]]:
        """The selection narrowed, and the names of the parameters it got."""
        return _narrow(told, self.states, self._asked, self.places, self.held_for)


def narrowed(site: Site, choice: Choice, *, states: tuple[str, ...] = WAITING) -> Narrowed:
    """A choice among requests in these states. Raises CommandError for a facility or reason that is not there."""
    if choice.held_for is not None and choice.held_for not in frozenset(Reason):
        raise CommandError(
            f"there is no reason `{choice.held_for}`; `caregate outbox list` shows those that hold something"
        )
    if choice.day is not None and choice.facility is None:
        raise CommandError("a day is that of a facility: say --facility too")
    return Narrowed(
        states=states,
        request=choice.request,
        patient=choice.patient,
        rule=choice.rule,
        places=() if choice.facility is None else places_of(site, choice.facility),
        day=None if choice.day is None else day_of(site, choice.facility or "", choice.day),
        held_for=choice.held_for,
    )


def places_of(site: Site, facility: str) -> tuple[str, ...]:
    """A facility and every place that belongs to it, as caregate.yaml names them. Raises CommandError."""
    known = (*site.organizations, *site.locations)
    if facility not in known:
        raise CommandError(f"there is no facility `{facility}`; caregate.yaml has {', '.join(sorted(known))}")
    return tuple(sorted({one for one in known if facility in site.facility(one).split("/")}))


def day_of(site: Site, facility: str, day: date) -> tuple[Millis, Millis]:
    """From midnight to midnight in the facility's zone, 23 or 25 hours where the clock changes. Raises CommandError."""
    places_of(site, facility)
    zone = zone_of(site.zone_of(facility))
    first, next_ = (datetime.combine(one, time(), zone) for one in (day, day + timedelta(days=1)))
    return to_millis(first), to_millis(next_)


def _narrow(
    told: Select[Any], states: tuple[str, ...], asked: tuple[bool, ...], places: tuple[str, ...], held_for: str | None
) -> tuple[Select[Any], tuple[str, ...]]:
    conditions: list[ColumnElement[bool]] = [_r.state.in_(states)]
    names: list[str] = []
    by_id, by_patient, by_rule, by_day = asked
    for wanted, column, name in (
        (by_id, _r.id, "which"),
        (by_patient, _r.patient, "whose"),
        (by_rule, _r.rule, "of_rule"),
    ):
        if wanted:
            conditions.append(column == bindparam(name))
            names.append(name)
    if by_day:
        conditions += [_o.start_utc >= bindparam("day_from"), _o.start_utc < bindparam("day_until")]
        names += ["day_from", "day_until"]
    if places:
        conditions.append(_o.facility.in_(places))
    if held_for is not None:
        conditions.append(_r.reason == held_for)
    whole = tables.request.join(tables.occurrence, _o.id == _r.occurrence) if places or by_day else tables.request
    return told.select_from(whole).where(*conditions), tuple(names)


@cache
def _page(states: tuple[str, ...], asked: tuple[bool, ...], places: tuple[str, ...], held_for: str | None) -> Statement:
    told, names = _narrow(select(_r.id, _r.patient, _r.due), states, asked, places, held_for)
    told = told.where(_r.id > bindparam("after")).order_by(_r.id).limit(bindparam("limit"))
    return Statement("request.chosen", told, params=(*names, "after", "limit"))


@cache
def _count(
    states: tuple[str, ...], asked: tuple[bool, ...], places: tuple[str, ...], held_for: str | None
) -> Statement:
    told, names = _narrow(select(func.count()), states, asked, places, held_for)
    return Statement("request.chosen-count", told, params=names)
