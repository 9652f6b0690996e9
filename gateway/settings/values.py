"""The scalars of caregate.yaml: each text is checked here once, so that nothing later meets a zone or a duration it cannot use."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from gateway.er7.charsets import codec_of
from gateway.model.when import DAY, HOUR, MINUTE, SECOND, Millis, zone_of

# a year of keeping is never shorter than a calendar year
_UNITS: dict[str, Millis] = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY, "y": 366 * DAY}
_DURATION = re.compile(r"(\d{1,6})\s*([smhdwy])")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
# deliberately narrow: one mailbox, no display name, no quoting, nothing a header could be smuggled in with (RFC 5321 4.1.2)
_MAILBOX = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def duration(text: object) -> Millis:
    """Milliseconds of "90s", "15m", "2h", "30d", "1w" or "6y" (a year counts 366 days). Raises ValueError."""
    if isinstance(text, int):
        return text
    match = _DURATION.fullmatch(str(text).strip())
    if match is None:
        raise ValueError("must be a duration like 90s, 15m, 2h, 30d or 6y")
    return int(match[1]) * _UNITS[match[2]]


def shown_duration(millis: Millis) -> str:
    """The shortest way to write a duration so that `duration` reads it back."""
    unit = next(unit for unit in ("y", "w", "d", "h", "m", "s") if millis % _UNITS[unit] == 0)
    return f"{millis // _UNITS[unit]}{unit}"


def _zone(text: str) -> str:
    try:
        zone_of(text)
    except ValueError:
        raise ValueError("must be an IANA time zone like America/Chicago, or an offset like -06:00") from None
    return text


def _name(text: str) -> str:
    if _NAME.fullmatch(text) is None:
        raise ValueError("must be a name of lower-case letters, digits, dots, dashes and underscores")
    return text


def _mailbox(text: str) -> str:
    if _MAILBOX.fullmatch(text) is None:
        raise ValueError("must be one e-mail address like care@lakeside.example")
    return text


def _line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be one line of text")
    return text


def _charset(text: str) -> str:
    if codec_of(text) is None:
        raise ValueError("must be a character set of HL7 table 0211, like UNICODE UTF-8 or 8859/1")
    return text


def between(least: Millis, most: Millis | None = None) -> AfterValidator:
    """Bounds of a duration, told as durations are written."""

    def check(span: Millis) -> Millis:
        if span < least:
            raise ValueError(f"must be at least {shown_duration(least)}")
        if most is not None and span > most:
            raise ValueError(f"must be at most {shown_duration(most)}")
        return span

    return AfterValidator(check)


Duration = Annotated[Millis, BeforeValidator(duration)]
Zone = Annotated[str, AfterValidator(_zone)]
Name = Annotated[str, AfterValidator(_name)]
Mailbox = Annotated[str, AfterValidator(_mailbox)]
Line = Annotated[str, AfterValidator(_line)]
Charset = Annotated[str, AfterValidator(_charset)]
