"""Where a person is reached and lives: a fax, an old number or somebody else's address is never written to (PI-05 to PI-10)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.er7.bounds import MOST_REPETITIONS
from gateway.mapping.codes import CodeTable
from gateway.mapping.computed import Gives
from gateway.mapping.fhir.register import resource_computed
from gateway.mapping.fhir.scope import Scope
from gateway.mapping.fhir.times import ends
from gateway.mapping.telecom import addressed
from gateway.model.facts import UNMAPPED
from gateway.model.party import CLEARED, Cleared, ContactPoint, ContactUse

FIELD = "Patient.telecom"
"""Where the contact points of a Patient come from; each resource tells the whole set (N-03)."""
_USES = {"work": ContactUse.WORK, "temp": ContactUse.TEMP, "mobile": ContactUse.MOBILE}
_UNRANKED = 99
# address-use and -type, where the person lives first; `old`, `billing` and postal addresses: not there.
_RESIDENCE = ("home", "", "temp", "work")
_LONGEST_CODE = 20

Told = tuple[tuple[str, tuple[ContactPoint, ...]], ...]


@resource_computed(Gives.TELECOM)
def telecom(scope: Scope, points: list[Any]) -> Told:
    """The whole set of contact points in force: use, rank and period as told; `sms`, and a phone of use `mobile`, take texts (PI-06)."""
    return ((FIELD, contact_points(scope, points)),)


def contact_points(scope: Scope, told: Iterable[Any]) -> tuple[ContactPoint, ...]:
    """ContactPoints as we know them, each address once; only the first of very many are read."""
    found: dict[tuple[str, str], ContactPoint] = {}
    every = list(told)
    if len(every) > MOST_REPETITIONS:
        scope.warn(198, "telecom", "only the first of so many contact points are read")
    for one in every[:MOST_REPETITIONS]:
        point = _point(scope, one) if isinstance(one, dict) else None
        if point is not None:
            found.setdefault((point.system.value, point.value), point)
    return tuple(found.values())


def _point(scope: Scope, told: dict[str, Any]) -> ContactPoint | None:
    value, use, period = told.get("value"), told.get("use"), told.get("period")
    if not isinstance(value, str) or not value.strip() or use == "old" or scope.past(period):
        return None  # PI-09
    value = value.strip()
    since, until = (
        (scope.when(period.get(part)) for part in ("start", "end")) if isinstance(period, dict) else (None, None)
    )
    system, address = addressed(told.get("system"), value, scope.feed.default_region, mobile=use == "mobile")
    rank = told.get("rank")
    return ContactPoint(
        system=system,
        value=address,
        use=_USES.get(str(use), ContactUse.HOME),
        rank=rank if type(rank) is int and 0 < rank < _UNRANKED else _UNRANKED,
        valid_from=None if since is None else since.utc,
        valid_until=None if until is None else ends(until),
    )


@resource_computed(Gives.STATE)
def state(scope: Scope, addresses: list[Any], *, codes: CodeTable) -> str | Cleared:
    """Postal letters of the state at home: two letters as told, else through the table; left out or unknown removes ours."""
    told = _part(scope, addresses, "state")
    if told is None or (len(told) == 2 and told.isascii() and told.isalpha()):
        return told.upper() if told else CLEARED
    return _known(codes, told)


@resource_computed(Gives.POSTAL_CODE)
def postal_code(scope: Scope, addresses: list[Any]) -> str | Cleared:
    """Postal code at home as told; what is longer than any country's is none."""
    told = _part(scope, addresses, "postalCode")
    return told if told and len(told) <= _LONGEST_CODE else CLEARED


@resource_computed(Gives.COUNTRY)
def country(scope: Scope, addresses: list[Any], *, codes: CodeTable) -> str | Cleared:
    """Country at home as ISO 3166 letters through the table; left out of an address that tells a place, the source's own."""
    told = _part(scope, addresses, "country")
    if told:
        return _known(codes, told)
    placed = any(_part(scope, addresses, one) for one in ("state", "postalCode", "city", "district"))
    return scope.feed.default_region if placed else CLEARED


def _known(table: CodeTable, told: str) -> str | Cleared:
    word = table.known(told)
    return CLEARED if word is None or word == UNMAPPED else word


def _part(scope: Scope, addresses: list[Any], part: str) -> str | None:
    here = [one for one in addresses[:MOST_REPETITIONS] if isinstance(one, dict) and _is_home(scope, one)]
    if not here:
        return None
    told = min(here, key=lambda one: _RESIDENCE.index(one.get("use", ""))).get(part)
    return (told.strip() or None) if isinstance(told, str) else None


def _is_home(scope: Scope, address: dict[str, Any]) -> bool:
    return (
        address.get("use", "") in _RESIDENCE
        and address.get("type") != "postal"
        and not scope.past(address.get("period"))
    )
