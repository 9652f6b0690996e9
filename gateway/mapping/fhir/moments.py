"""Dates and times as FHIR writes them stand in order only as far as both tell (FHIRPath 2.0 §6.2)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

_MOMENT = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d(?:\.\d{1,12})?))?(Z|[+-]\d\d:\d\d)?)?)?)?T?", re.ASCII
)
_DATE, _CLOCK = 3, 5  # parts of a date, of a time to the minute


class Moment(str):
    """A date or time written in a path (`@2026-01-01`): what is compared with it is read as one."""

    __slots__ = ()


class _Time(NamedTuple):
    parts: tuple[int | Decimal, ...]  # year, month, day, hour, minute, second; as far as told
    zone: int | None  # minutes east of UTC


def compare(one: str, other: str) -> int | None:
    """Below, at or above zero as `one` is before, at or after `other`; None when one tells less, or one alone a zone.

    A date beside a time with a zone is compared with the day where it happened. ValueError: one is no date or time.
    """
    left, right = _told(one), _told(other)
    if left.zone is not None and right.zone is not None:
        left, right = _in_utc(left, left.zone), _in_utc(right, right.zone)
    for mine, theirs in zip(left.parts, right.parts, strict=False):
        if mine != theirs:
            told = len(left.parts) == len(right.parts) and (left.zone is None) != (right.zone is None)
            return None if told else -1 if mine < theirs else 1
    return 0 if len(left.parts) == len(right.parts) and left.zone == right.zone else None


def _told(text: str) -> _Time:
    return _of_path(text) if isinstance(text, Moment) else _read(text)


@lru_cache(maxsize=256)
def _of_path(moment: Moment) -> _Time:
    return _read(moment)


def _read(text: str) -> _Time:
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError("it is not a date")
    *numbers, zone = match.groups()
    told = [number for number in numbers if number is not None]
    parts: tuple[int | Decimal, ...] = (*map(int, told[:_CLOCK]), *map(Decimal, told[_CLOCK:]))
    datetime(*(*parts[:_CLOCK], 1, 1)[: max(len(told[:_CLOCK]), _DATE)], tzinfo=UTC)  # type: ignore[arg-type, misc]
    return _Time(parts, None if zone is None else _minutes(zone))


def _minutes(zone: str) -> int:
    if zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[4:])
    return -minutes if zone[0] == "-" else minutes


def _in_utc(time: _Time, zone: int) -> _Time:
    try:
        at = datetime(*time.parts[:_CLOCK], tzinfo=UTC) - timedelta(minutes=zone)  # type: ignore[arg-type, misc]
    except OverflowError:
        raise ValueError("it is not a date") from None
    return _Time((at.year, at.month, at.day, at.hour, at.minute, *time.parts[_CLOCK:]), 0)
