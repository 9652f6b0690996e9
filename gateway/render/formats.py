"""Dates and times in the reader's language and the place's zone; a date told without a time never shows a clock (T-07)."""

from __future__ import annotations

from datetime import date, datetime, time
from functools import lru_cache
from typing import Literal, cast

import babel
from babel.dates import format_date, format_skeleton, format_time, get_timezone_name
from jinja2 import Undefined, pass_context
from jinja2.runtime import Context

from gateway.model.errors import RenderError
from gateway.model.when import Millis, Precision, When, to_datetime, to_millis
from gateway.render.names import LOCALE, name_filter

ZONE = "_zone"  # a context key, like LOCALE; a template cannot name them (underscore)
_Length = Literal["short", "medium", "long", "full"]


@lru_cache(maxsize=64)
def locale_of(language: str) -> babel.Locale | None:
    """The CLDR locale of a BCP 47 tag or of its primary language; None when there is none."""
    parts = language.replace("_", "-").split("-")
    for end in range(len(parts), 0, -1):
        try:
            return babel.Locale.parse("-".join(parts[:end]), sep="-")
        except (ValueError, babel.UnknownLocaleError):
            continue
    return None


@pass_context
def date_filter(context: Context, value: object, length: str = "long") -> str:
    """`{{ appointment.start | date }}`: "March 3, 2026"; a month or year alone when no more was told."""
    locale = _locale(context)
    if isinstance(value, When) and value.precision is Precision.YEAR:
        return _plain(format_skeleton("y", value.local().replace(tzinfo=None), locale=locale))
    if isinstance(value, When) and value.precision is Precision.MONTH:
        return _plain(format_skeleton("yMMMM", value.local().replace(tzinfo=None), locale=locale))
    return _date(_day(value, context), _length(length), locale)


@pass_context
def weekday_filter(context: Context, value: object) -> str:
    """`{{ appointment.start | weekday }}`: "Tuesday"; raises RenderError when no day was told."""
    if isinstance(value, When) and value.precision in (Precision.YEAR, Precision.MONTH):
        raise RenderError("weekday: no day was told")
    return _date(_day(value, context), "EEEE", _locale(context))


@pass_context
def time_filter(context: Context, value: object, length: str = "short") -> str:
    """`{{ appointment.start | time }}`: "2:30 PM"; raises RenderError when no time of day was told (T-07)."""
    moment = _moment(value, context, "time")
    return _time(moment.time(), _length(length), _locale(context))


@pass_context
def zone_filter(context: Context, value: object) -> str:
    """`{{ appointment.start | zone }}`: the short name of the zone the time is shown in, "EST"."""
    moment = _moment(value, context, "zone")
    first = moment.replace(day=1, hour=0, minute=0)  # as nearly always, it is called what it was all that month
    alike = (first.utcoffset(), first.dst()) == (moment.utcoffset(), moment.dst())
    return _zone_name(to_millis(first if alike else moment), _zone(context), _locale(context))


# The same words for all who come at the same time, and for each part of a message; what CLDR says does not change.


@lru_cache(maxsize=1024)
def _date(day: date, form: str, locale: babel.Locale) -> str:
    return _plain(format_date(day, format=form, locale=locale))


@lru_cache(maxsize=1024)
def _time(moment: time, length: _Length, locale: babel.Locale) -> str:
    return _plain(format_time(moment, format=length, locale=locale))


@lru_cache(maxsize=1024)
def _zone_name(at: Millis, zone: str, locale: babel.Locale) -> str:
    moment = to_datetime(at, zone)
    short = get_timezone_name(moment, width="short", locale=locale)
    # Many languages have no short name for a zone and CLDR falls back to "-0500".
    return _plain(short if short[:1].isalpha() else get_timezone_name(moment, width="long", locale=locale))


def spellings(iso: str, language: str) -> list[str]:
    """How an ISO date (YYYY-MM-DD) may be written: in numbers, either order, padded or not, and in words.

    None for a date that does not exist.
    """
    try:
        day = date.fromisoformat(iso)
    except ValueError:
        return []
    locales = [locale for tag in dict.fromkeys((language, "en")) if (locale := locale_of(tag))]
    words = [format_date(day, format=length, locale=locale) for locale in locales for length in ("long", "medium")]
    d, m, y = day.day, day.month, day.year
    return [*words, f"{m}/{d}/{y}", f"{d}/{m}/{y}", f"{m:02}/{d:02}/{y}", f"{d:02}/{m:02}/{y}", f"{y}/{m}/{d}"]


def _locale(context: Context) -> babel.Locale:
    return cast(babel.Locale, context.resolve(LOCALE))


def _zone(context: Context) -> str:
    return cast(str, context.resolve(ZONE))


def _moment(value: object, context: Context, name: str) -> datetime:
    if not isinstance(value, When) or not value.has_clock:
        _known(value)
        raise RenderError(f"{name}: no time of day was told")
    return to_datetime(value.utc, _zone(context))


def _day(value: object, context: Context) -> date:
    if isinstance(value, When):
        # Without a clock the day is the one the sender stated: another zone must not move it.
        return (to_datetime(value.utc, _zone(context)) if value.has_clock else value.local()).date()
    if isinstance(value, date):
        return value
    _known(value)
    raise RenderError("date: the value is not a date or a time")


def _known(value: object) -> None:
    """Raises jinja2's UndefinedError for what is not known: that, and not its kind, is what is wrong with it."""
    if isinstance(value, Undefined):
        str(value)


def _length(length: str) -> _Length:
    if length not in ("short", "medium", "long", "full"):
        raise RenderError("a date or time is short, medium, long or full")
    return cast(_Length, length)


def _plain(text: str) -> str:
    """CLDR puts narrow no-break spaces before "PM"; plain ones survive every mail reader and plain subjects."""
    return text.replace("\u202f", " ").replace("\u00a0", " ")


def is_timed(value: object) -> bool:
    """`{% if appointment.start is timed %}`: whether a time of day was told, so that `time` may be used (T-07)."""
    return isinstance(value, When) and value.has_clock


FILTERS = {
    "date": date_filter,
    "time": time_filter,
    "weekday": weekday_filter,
    "zone": zone_filter,
    "name": name_filter,
}
TESTS = {"timed": is_timed}
