"""FHIR dates and times with their precision kept; what is none is absent, never an exception (R4 datatypes.html#dateTime)."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from gateway.er7.dtm import parse_dtm
from gateway.model.when import DAY, Millis, Precision, When, to_datetime, to_millis, zone_of

_TIME = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9})\d*)?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)
_LONGEST = 40  # characters a dateTime may have: what is longer is none, and no cache remembers it
_ZULU = "+0000"


def when_of(text: object, zone: str) -> When | None:
    """The point in time a FHIR date, dateTime or instant tells, its start where it is a period; None when it is none.

    `zone` (IANA name) is where the sender's clock hangs: it holds without an offset, and it is the zone of what is told in
    UTC or in its own offset, because servers store instants and not the clock somebody looked at (T-02).
    """
    return _when(text, zone) if isinstance(text, str) and len(text) <= _LONGEST else None


def ends(end: When) -> Millis:
    """The first instant after the end of a Period: a date is the whole day, 2026 the whole year (R4 datatypes.html#Period)."""
    if end.has_clock:
        return end.utc
    first = end.local().date()
    following = {
        Precision.YEAR: date(first.year + 1, 1, 1),
        Precision.MONTH: (first.replace(day=1) + timedelta(days=31)).replace(day=1),
    }.get(end.precision, first + timedelta(days=1))
    return to_millis(datetime.combine(following, time(), zone_of(end.zone)))


def after(start: When, length: Millis) -> When | None:
    """So much later, whole days by the calendar: clocks put back take none of a day. None: nobody knows on which day it starts."""
    if start.precision in (Precision.YEAR, Precision.MONTH):
        return None
    days, rest = divmod(length, DAY)
    clock = start.local().replace(tzinfo=None) + timedelta(days=days)
    return When(to_millis(clock.replace(tzinfo=zone_of(start.zone))) + rest, start.zone, start.precision)


@lru_cache(maxsize=8192)
def _when(text: str, zone: str) -> When | None:
    told = _dtm(text)
    if told is None:
        return None
    clock, offset = told
    when = parse_dtm(clock + offset, zone=zone)
    if when is None or not offset:
        return when
    return When(when.utc, zone if _is_at_home(when, offset, zone) else when.zone, when.precision)


def _is_at_home(when: When, offset: str, zone: str) -> bool:
    if offset == _ZULU or when.precision is Precision.DAY:
        return True
    return to_datetime(when.utc, zone).utcoffset() == zone_of(when.zone).utcoffset(None)


def _dtm(text: str) -> tuple[str, str] | None:
    """The same as an HL7 DTM, and its offset."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    *parts, fraction, offset = match.groups()
    clock = "".join(part for part in parts if part is not None)
    if clock[12:] == "60":  # a leap second is the second before it
        clock = f"{clock[:12]}59"
    return f"{clock}.{fraction[:4]}" if fraction else clock, _ZULU if offset == "Z" else (offset or "").replace(":", "")
