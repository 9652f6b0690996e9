"""Where a person lives, as far as sending hours need it; a valued PID-11 replaces all of it, unknown parts are removed (N-03)."""

from __future__ import annotations

from gateway.er7.reader import NULL
from gateway.mapping.codes import CodeTable
from gateway.mapping.computed import Gives, computed
from gateway.mapping.scope import Scope
from gateway.model.facts import UNMAPPED
from gateway.model.party import CLEARED, Cleared

# Table 0190, where the person lives first; BA bad, BDL birth, BR, F origin, N, RH registry, V vacation: not there.
_RESIDENCE = ("H", "P", "L", "", "C", "M", "O")
_ELSEWHERE = len(_RESIDENCE)
_LONGEST_CODE = 20


@computed(Gives.STATE)
def state(scope: Scope, addresses: str, *, codes: CodeTable) -> str | Cleared:
    """Postal letters of the state at home (XAD.4): two letters as told, else through the table.

    A state that is left out or unknown is removed: with an unknown zone a message waits for hours that suit every
    plausible one, with an outdated one it would not (law 6).
    """
    told = _part(scope, addresses, 4)
    if not isinstance(told, str) or (len(told) == 2 and told.isascii() and told.isalpha()):
        return told.upper() if isinstance(told, str) else told
    return _known(scope, codes, told)


@computed(Gives.POSTAL_CODE)
def postal_code(scope: Scope, addresses: str) -> str | Cleared:
    """Postal code at home as told (XAD.5); what is longer than any country's is none."""
    told = _part(scope, addresses, 5)
    return CLEARED if isinstance(told, str) and len(told) > _LONGEST_CODE else told


@computed(Gives.COUNTRY)
def country(scope: Scope, addresses: str, *, codes: CodeTable) -> str | Cleared:
    """Country at home (XAD.6, table 0399) as ISO 3166 letters through the table; left out of an address, the source's own."""
    told = _part(scope, addresses, 6)
    if isinstance(told, str):
        return _known(scope, codes, told)
    return scope.feed.default_region if _left_out(scope, addresses) else told


def _known(scope: Scope, table: CodeTable, told: str) -> str | Cleared:
    word = table.word(told, scope.message.separators)
    return CLEARED if word is None or word == UNMAPPED else word


def _part(scope: Scope, addresses: str, number: int) -> str | Cleared:
    if addresses == NULL:
        return CLEARED
    parts = _home(scope, addresses)
    raw = parts[number - 1] if number <= len(parts) else ""
    if raw.isalnum():
        return raw
    return (scope.shown(raw) or CLEARED) if raw and raw != NULL else CLEARED


def _left_out(scope: Scope, addresses: str) -> bool:
    """Whether an address is told and its country is not: feeds within one country do not write it."""
    if addresses == NULL:
        return False
    parts = _home(scope, addresses)
    return any(one.strip() not in ("", NULL) for one in parts[:5]) and (len(parts) < 6 or not parts[5].strip())


def _home(scope: Scope, addresses: str) -> list[str]:
    if not scope.repetition or scope.repetition not in addresses:
        return scope.parts(addresses)
    return min((one.split(scope.component) for one in scope.repetitions(addresses)), key=_distance)


def _distance(parts: list[str]) -> int:
    kind = parts[6].strip(" ") if len(parts) > 6 else ""
    return _RESIDENCE.index(kind) if kind in _RESIDENCE else _ELSEWHERE
