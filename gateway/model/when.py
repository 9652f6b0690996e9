"""A point in time as a feed told it: instant, zone and precision stay together (HL7 C2A DTM).

Everywhere else in Caregate time is `Millis`: milliseconds since 1970-01-01T00:00Z as an int.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

Millis = int

SECOND: Millis = 1_000
MINUTE: Millis = 60 * SECOND
HOUR: Millis = 60 * MINUTE
DAY: Millis = 24 * HOUR


class Precision(StrEnum):
    """How much of the time was told: 2026 is not the first of January 2026 (conformance T-01)."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    HOUR = "hour"
    MINUTE = "minute"
    SECOND = "second"


@dataclass(frozen=True, slots=True)
class When:
    """`utc` is the instant (start of the stated period); `zone` an IANA name or "+hh:mm"."""

    utc: Millis
    zone: str
    precision: Precision

    @property
    def has_clock(self) -> bool:
        """Whether a time of day was told; without one no text may show a clock (T-07)."""
        return self.precision in (Precision.MINUTE, Precision.SECOND)

    def local(self) -> datetime:
        """The aware local time in the stated zone."""
        return to_datetime(self.utc, self.zone)

    def pack(self) -> str:
        """One string that `unpack` reads back; the form inside sealed facts."""
        return f"{self.utc}|{self.zone}|{self.precision.value}"

    @classmethod
    def unpack(cls, text: str) -> When:
        """Inverse of `pack`. Raises ValueError on anything else."""
        utc, zone, precision = text.split("|")
        return cls(int(utc), zone, Precision(precision))


@lru_cache(maxsize=512)
def zone_of(name: str) -> tzinfo:
    """The tzinfo of an IANA zone name or of "+hh:mm"; raises ValueError if there is none."""
    if name.startswith(("+", "-")):
        sign = -1 if name[0] == "-" else 1
        hours, _, minutes = name[1:].partition(":")
        return timezone(sign * timedelta(hours=int(hours), minutes=int(minutes or 0)))
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"no such time zone: {name}") from error


@lru_cache(maxsize=4096)
def to_datetime(millis: Millis, zone: str = "UTC") -> datetime:
    """The aware datetime of an instant in a zone."""
    return datetime.fromtimestamp(millis / 1000, UTC).astimezone(zone_of(zone))


def to_millis(moment: datetime) -> Millis:
    """The instant of an aware datetime; a naive one is a programming error (ValueError)."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone is not an instant")
    return round(moment.timestamp() * 1000)


def age_at(birth: date, now: Millis, zone: str = "UTC") -> int:
    """Completed years of life at `now`, counted on the calendar of `zone`.

    Born on 29 February: the birthday in a common year is 1 March (the later, stricter day).
    """
    today = to_datetime(now, zone).date()
    return today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))
