"""The scalars of caregate.yaml: each text is checked here once, so that nothing later meets a zone or a duration it cannot use."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from gateway.er7.charsets import codec_of
from gateway.model.pace import Pace
from gateway.model.when import DAY, HOUR, MINUTE, SECOND, Millis, zone_of

# a year of keeping is never shorter than a calendar year
_UNITS: dict[str, Millis] = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY, "y": 366 * DAY}
_PER: dict[str, Millis] = {"s": SECOND, "min": MINUTE, "h": HOUR}
_PACE = re.compile(r"([1-9]\d{0,5})\s*/\s*(s|min|h)")
_DURATION = re.compile(r"(\d{1,6})\s*([smhdwy])")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
# deliberately narrow: one mailbox, no display name, no quoting, nothing a header could be smuggled in with (RFC 5321 4.1.2)
_MAILBOX = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")

_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>\[::1\]|[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)(?::\d{1,5})?")

_BASE_PATH = re.compile(r"[A-Za-z0-9._~/-]{0,200}")


def duration(text: object) -> Millis:
    """Milliseconds of "90s", "15m", "2h", "30d", "1w" or "6y" (a year counts 366 days). Raises ValueError."""
    if isinstance(text, int):
        return text
    match = _DURATION.fullmatch(str(text).strip())
    if match is None:
        raise ValueError("must be a duration like 90s, 15m, 2h, 30d or 6y")
    return int(match[1]) * _UNITS[match[2]]


def pace(text: object) -> Pace:
    """How fast a provider takes messages, of "10/s", "600/min" or "5000/h". Raises ValueError."""
    if isinstance(text, Pace):
        return text
    match = _PACE.fullmatch(str(text).strip())
    if match is None:
        raise ValueError("must be a pace like 10/s, 600/min or 5000/h")
    return Pace(count=int(match[1]), per=_PER[match[2]])


def shown_pace(told: Pace) -> str:
    """How a pace is written, so that `pace` reads it back."""
    unit = next(name for name, per in _PER.items() if per == told.per)
    return f"{told.count}/{unit}"


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


def _public_url(text: str) -> str:
    """An origin as RFC 6454 writes it; patients' links never travel in clear beyond this machine."""
    found = _ORIGIN.fullmatch(text)
    if found is None or (found["scheme"] == "http" and found["host"] not in ("localhost", "127.0.0.1", "[::1]")):
        raise ValueError(
            "must be like https://messages.lakeside.example, no path or slash behind it; http is only for this machine"
        )
    return text


def _fhir_base(text: str) -> str:
    """A FHIR server's base URL (R4 http "Service Base URL"), without the slash at the end; only this machine without TLS."""
    origin, _, path = text.rstrip("/").partition("//")[2].partition("/")
    scheme = text.partition("://")[0]
    found = _ORIGIN.fullmatch(f"{scheme}://{origin}")
    clear = found is not None and found["scheme"] == "http" and found["host"] not in ("localhost", "127.0.0.1", "[::1]")
    if found is None or clear or _BASE_PATH.fullmatch(path) is None:
        raise ValueError("must be like https://fhir.lakeside.example/r4; http is only for this machine")
    return text.rstrip("/")


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


def _share(told: object) -> object:
    """A share of 1 from "30%". Raises ValueError for what is no share."""
    text = told.strip() if isinstance(told, str) else ""
    number = text.removesuffix("%").rstrip()
    if number == text or not number.replace(".", "", 1).isdigit() or not 0 < float(number) <= 100:
        raise ValueError("write a share like 30%")
    return float(number) / 100


Share = Annotated[float, BeforeValidator(_share)]
Rate = Annotated[Pace, BeforeValidator(pace)]
Duration = Annotated[Millis, BeforeValidator(duration)]
Zone = Annotated[str, AfterValidator(_zone)]
Name = Annotated[str, AfterValidator(_name)]
Mailbox = Annotated[str, AfterValidator(_mailbox)]
Line = Annotated[str, AfterValidator(_line)]
Lines = Annotated[tuple[Line, ...], BeforeValidator(lambda told: [told] if isinstance(told, str) else told)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
FhirBase = Annotated[str, AfterValidator(_fhir_base)]
Charset = Annotated[str, AfterValidator(_charset)]
