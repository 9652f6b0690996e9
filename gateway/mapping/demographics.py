"""What a message says about the person: absent keeps, `""` removes, and nothing is guessed (PI-11, PI-12, T-01)."""

from __future__ import annotations

import re
from functools import lru_cache

from gateway.er7.bounds import CACHED
from gateway.er7.dtm import parse_date
from gateway.er7.reader import NULL
from gateway.mapping.codes import CodeTable
from gateway.mapping.computed import Gives, computed
from gateway.mapping.encounters import finished
from gateway.mapping.scope import Scope
from gateway.model.facts import UNMAPPED
from gateway.model.party import CLEARED, Cleared

Part = str | Cleared | None
_PARTIAL_DATE = re.compile(r"(1[89]\d\d|20\d\d)(0[1-9]|1[0-2])?", re.ASCII)


@computed(Gives.BIRTH_DATE)
def birth_date(scope: Scope, raw: str) -> Part:
    """Birth date as ISO text of its own precision; invalid is absent with a warning (PID-7, T-01, T-08)."""
    if raw == NULL:
        return CLEARED
    text = scope.first(raw).strip(" ")
    told = iso_date(text) if len(text) <= CACHED else None
    if told is None:
        scope.warn(102, "PID", 7, "the birth date is not a date")
    return told


@lru_cache(maxsize=8192)
def iso_date(text: str) -> str | None:
    """`YYYY[MM[DD…]]` as "1980", "1980-03" or "1980-03-15"; None when it is no plausible date (T-08)."""
    day = parse_date(text)
    if day is not None:
        return day.isoformat() if day.year < 2100 else None
    match = _PARTIAL_DATE.fullmatch(text)
    return None if match is None else "-".join(part for part in match.groups() if part)


@computed(Gives.LANGUAGE)
def language(scope: Scope, raw: str, *, codes: CodeTable) -> Part:
    """Language of communication as BCP 47; an unknown code keeps the default and warns (PID-15, PI-11)."""
    if raw == NULL:
        return CLEARED
    word = codes.word(scope.repetitions(raw)[0], scope.message.separators)
    if word == UNMAPPED:
        scope.warn(103, "PID", 15, "the language is not in the code table")
        return None
    return word


@computed(Gives.DECEASED)
def deceased(scope: Scope, indicator: str, died: str, disposition: str, *, codes: CodeTable) -> bool | None:
    """Whether the message says that the person is dead, or takes it back (PID-30, PID-29, PV1-36; PI-12, AD-03).

    Dead: PID-30 = Y, a date of death, or a discharge with a disposition that means expired. Taken back only by
    PID-30 = N or `""` together with PID-29 = `""`: N alone is what forms say by default, and proves nothing.
    """
    told = scope.first(indicator).strip(" ").upper()
    if told == "Y" or (died and died != NULL):
        return True
    if disposition and finished(scope.kind) and codes.word(disposition, scope.message.separators) == "expired":
        return True
    return False if died == NULL and told in ("N", NULL) else None
