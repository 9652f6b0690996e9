"""The single words of rule and policy files: each is checked as it is read, and tells an editor what it may be.

What pydantic cannot tell of itself (a duration, a weekday, a list that may be one word) is said here once, beside the
function that checks it; the JSON Schemas and rules/REFERENCE.md are made from it.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from gateway.model.consent import ChannelKind
from gateway.model.event import EventKind
from gateway.model.when import DAY, HOUR, MINUTE, Millis
from gateway.ruleset import editor

WEEK: Millis = 7 * DAY
_SPANS: dict[str, Millis] = {"w": WEEK, "d": DAY, "h": HOUR, "m": MINUTE}
_DURATION = re.compile(r"(\d{1,5})(mo|[ywdhm])")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_LONGEST = {"y": 100, "mo": 1_200, "w": 5_200, "d": 36_500}  # a lifetime; hours and minutes end at 99999 anyway
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def duration(text: str) -> tuple[int, str]:
    """("7d" → (7, "d")): a number and y, mo, w, d, h or m. Raises ValueError on anything else, or beyond a lifetime."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("must be a duration: a whole number and y, mo, w, d, h or m, like 1y, 6mo, 2w, 7d, 36h or 30m")
    count, unit = int(found[1]), found[2]
    if count > _LONGEST.get(unit, count):
        raise ValueError("must be within a hundred years")
    return count, unit


def _millis(value: object) -> Millis:
    count, unit = duration(_text(value))
    if unit not in _SPANS:
        raise ValueError("must have one length, which months and years do not: count days, like 365d")
    if count == 0:
        raise ValueError("must be longer than nothing")
    return count * _SPANS[unit]


def _minutes(value: object) -> int:
    found = _CLOCK.fullmatch(_text(value))
    if found is None:
        raise ValueError("must be a time of day like 08:00")
    return int(found[1]) * 60 + int(found[2])


def _day(value: object) -> date:
    try:
        return date.fromisoformat(_text(value))
    except ValueError:
        raise ValueError("must be a date like 2026-03-15") from None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _schema(kind: str, of: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({editor.KIND: kind, **of})


def _one_or_more(kind: str, item: dict[str, Any]) -> WithJsonSchema:
    return _schema(kind, {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]})


def _pattern(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern}


_OFFSET = _pattern(r"^\d{1,5}(mo|[ywdhm])$")
_KINDS = sorted(kind.value for kind in EventKind if kind.fires)
_LISTED = (BeforeValidator(_listed), Field(min_length=1))

Span = Annotated[Millis, BeforeValidator(_millis), _schema("a length: w, d, h, m", _pattern(r"^\d{1,5}[wdhm]$"))]
Clock = Annotated[
    int, BeforeValidator(_minutes), _schema("a time of day", _pattern(r"^([01]\d|2[0-3]):[0-5]\d$"))
]  # fmt: skip
Day = Annotated[date, BeforeValidator(_day), _schema("a date", _pattern(r"^\d{4}-\d{2}-\d{2}$"))]
Word = Annotated[str, Field(min_length=1, pattern=r"^[a-z][a-z0-9-]*$", max_length=60)]
TemplateName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=60)]
Sentence = Annotated[str, Field(min_length=1)]
Text = Annotated[str, Field(min_length=1), WithJsonSchema(editor.TEXT)]
Events = Annotated[list[str], *_LISTED, _one_or_more("an event, or a list", {"type": "string", "enum": _KINDS})]
Offset = Annotated[str, _schema("an offset: y, mo, w, d, h, m", _OFFSET)]
Offsets = Annotated[list[str], *_LISTED, _one_or_more("an offset (y, mo, w, d, h, m), or a list", _OFFSET)]
Weekdays = Annotated[
    list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]],
    *_LISTED,
    _one_or_more("`mon` … `sun`, or a list", {"type": "string", "enum": list(WEEKDAYS)}),
]
Channels = Annotated[
    list[Literal["preferred", "email", "sms", "portal"]],
    *_LISTED,
    _one_or_more(
        "`preferred`, `email`, `sms`, `portal`, or a list", {"type": "string", "enum": ["preferred", *ChannelKind]}
    ),
]
Moment = Annotated[str, WithJsonSchema(editor.MOMENTS)]  # a datetime fact, or event.occurred
Revealed = Annotated[list[str], _schema("a list of facts", {"type": "array", "items": editor.FACT_NAMES})]
Conditions = Annotated[
    dict[str, object], WithJsonSchema(editor.CONDITIONS)
]  # read by conditions.py, which knows places
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")]  # BCP 47, as folders are named
Domain = Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", max_length=253)]
Level = Literal["public", "ordinary", "sensitive", "protected"]


class Strict(BaseModel):
    """What every section is: an unknown key is an error, and nothing changes what was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ListName(Strict):
    """`{list: name}`: the codes of a named list in lists.yaml."""

    list: Word = Field(description="A list of lists.yaml.", examples=["sensitive-services"])
