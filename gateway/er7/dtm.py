"""HL7 date/times with their precision kept; invalid text is absent, never an exception (C2A DTM, T-01 to T-08)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from gateway.model.when import Precision, When, zone_of

_DTM = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,9}))?)?)?)?)?)?(?:([+-])(\d\d)(\d\d))?",
    re.ASCII,
)
_PRECISIONS = (
    Precision.YEAR,
    Precision.MONTH,
    Precision.DAY,
    Precision.HOUR,
    Precision.MINUTE,
    Precision.SECOND,
)
_LONGEST = 29  # characters a DTM may have: what is longer is none, and no cache remembers it
_EARLIEST, _LATEST = 1800, 2999  # 00010101 and 99991231 are how databases spell "no date" (T-08)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_ABSENT: tuple[When | None, bool] = (None, False)


def parse_dtm(text: str, *, zone: str) -> When | None:
    """The point in time `YYYY[MM[DD[HH[MM[SS[.S…]]]]]][±ZZZZ]` says, its start where it is a period.

    `zone` (IANA name or "±hh:mm") holds where no offset is told (T-02). None for empty or invalid text
    (T-08). In a daylight-saving gap the later valid time (`dtm_gap` tells), in a fold the first (T-06).
    Raises ValueError only for a zone that does not exist.
    """
    return _parse(text, zone)[0] if len(text) <= _LONGEST else None


def dtm_gap(text: str, zone: str) -> bool:
    """Whether the stated clock time does not exist in `zone` because clocks were put forward (T-06)."""
    return len(text) <= _LONGEST and _parse(text, zone)[1]


def parse_date(text: str) -> date | None:
    """The calendar day of a DTM or DT, such as a birth date, whatever its offset; None without a day (T-01)."""
    return _date(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=4096)
def _date(text: str) -> date | None:
    match = _DTM.fullmatch(text)
    if match is None or match[3] is None:
        return None
    try:
        return date(int(match[1]), int(match[2]), int(match[3])) if _plausible(match[1]) else None
    except ValueError:
        return None


def offset_zone(text: str) -> str | None:
    """The offset a DTM tells, as a zone ("-05:00"); MSH-7's is the message's default (T-02). None if untold.

    `-0000` is UTC with the local time unknown (T-03, v2.9): it tells nothing about the sender's clock.
    """
    return _offset_zone(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=256)
def _offset_zone(text: str) -> str | None:
    match = _DTM.fullmatch(text)
    if match is None or match[8] is None:
        return None
    zone = _offset(match[8], match[9], match[10])
    return None if zone == "UTC" else zone


@lru_cache(maxsize=4096)
def _parse(text: str, zone: str) -> tuple[When | None, bool]:
    match = _DTM.fullmatch(text)
    if match is None or not _plausible(match[1]):
        return _ABSENT
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = match.groups()
    name = zone if sign is None else _offset(sign, hours, minutes)
    if name is None:
        return _ABSENT
    tz = zone_of(name)
    try:
        local = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=tz
        )
    except ValueError:
        return _ABSENT
    # fold=0 is the first of two equal times; in a gap it has the offset from before, hence the later valid time.
    before, after = tz.utcoffset(local), tz.utcoffset(local.replace(fold=1))
    assert before is not None
    assert after is not None
    utc = (local.replace(tzinfo=UTC) - _EPOCH - before) // _MILLISECOND
    if fraction:
        utc += int(fraction[:3].ljust(3, "0"))
    return When(utc, name, _precision(month, day, hour, minute, second)), hour is not None and before < after


def _precision(*parts: str | None) -> Precision:
    return _PRECISIONS[parts.index(None)] if None in parts else Precision.SECOND


def _plausible(year: str) -> bool:
    return _EARLIEST <= int(year) <= _LATEST


def _offset(sign: str, hours: str, minutes: str) -> str | None:
    if int(hours) > 14 or int(minutes) > 59:
        return None
    if sign == "-" and hours == minutes == "00":
        return "UTC"  # v2.9: the instant is known, the local time is not (T-03)
    return f"{sign}{hours}:{minutes}"
