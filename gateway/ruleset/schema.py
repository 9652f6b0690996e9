"""What may be written in a rule file and in policy.yaml; unknown keys are errors, nothing has a silent meaning."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gateway.model.consent import ChannelKind, Purpose
from gateway.model.request import Priority
from gateway.model.when import DAY, HOUR, MINUTE, Millis

_UNITS: dict[str, Millis] = {"d": DAY, "h": HOUR, "m": MINUTE}
_DURATION = re.compile(r"(\d{1,5})([dhm])")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


def duration(text: str) -> tuple[int, str]:
    """("7d" → (7, "d")): a number and d, h or m. Raises ValueError on anything else."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("must be a duration: a whole number and d, h or m, like 7d, 36h or 30m")
    return int(found[1]), found[2]


def _millis(value: object) -> Millis:
    count, unit = duration(_text(value))
    if count == 0:
        raise ValueError("must be longer than nothing")
    return count * _UNITS[unit]


def _minutes(value: object) -> int:
    found = _CLOCK.fullmatch(_text(value))
    if found is None:
        raise ValueError("must be a time of day like 08:00")
    return int(found[1]) * 60 + int(found[2])


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Span = Annotated[Millis, BeforeValidator(_millis)]
Clock = Annotated[int, BeforeValidator(_minutes)]
Word = Annotated[str, Field(min_length=1, pattern=r"^[a-z][a-z0-9-]*$", max_length=60)]
TemplateName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=60)]
Sentence = Annotated[str, Field(min_length=1)]
Words = Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)]
Channels = Annotated[
    list[Literal["preferred", "email", "sms", "portal"]], BeforeValidator(_listed), Field(min_length=1)
]
Level = Literal["public", "ordinary", "sensitive", "protected"]
Conditions = dict[str, object]  # read by conditions.py, which knows where each one stands


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WhenSection(_Strict):
    """`when`: which events, and which conditions on their facts."""

    event: Words
    where: Conditions = {}
    unless: Conditions = {}


class AtSection(_Strict):
    """`send.at`: offsets before or after a datetime fact (or event.occurred)."""

    before: str | None = None
    after: str | None = None
    by: Words


class SendSection(_Strict):
    """`send`: why, about what, how, when and showing what."""

    purpose: Purpose
    remuneration: Literal["none", "paid"]
    topic: Word
    channels: Channels
    template: TemplateName
    at: AtSection
    expires: str | None = None
    expires_after: Span | None = None
    reveals: list[str]


class RuleFile(_Strict):
    """One rule file. `hold`: conditions, any of which keeps a due send waiting."""

    rule: Word
    owner: Sentence
    why: Sentence
    when: WhenSection
    send: SendSection
    hold: Conditions = {}
    max_age: Span = 2 * DAY  # what is older at receipt plans nothing
    priority: Priority | None = None


class BasisEntry(_Strict):
    """A declared basis. HMARKT is never implied (45 CFR 164.508(a)(3)), so it is no choice here."""

    purpose: Literal["TREAT", "HPAYMT", "HOPERAT"]
    channel: ChannelKind
    topic: Literal["*"] | Word = "*"
    because: Sentence


class QuietEntry(_Strict):
    """Local times of day between which nothing is sent."""

    start: Clock = Field(alias="from")
    end: Clock = Field(alias="until")


class CapEntry(_Strict):
    """At most so many messages within a time, per patient or per address."""

    per: Literal["patient", "address"]
    purpose: Literal["*", "TREAT", "HPAYMT", "HOPERAT", "HMARKT"] = "*"
    topic: Literal["*"] | Word = "*"
    at_most: int = Field(ge=1)
    within: Span


class PolicyFile(_Strict):
    """policy.yaml."""

    version: Sentence
    basis: list[BasisEntry] = []
    quiet_hours: dict[ChannelKind, Literal["none"] | QuietEntry] = {}
    caps: list[CapEntry] = []
    ceilings: dict[Purpose, dict[ChannelKind, Level]]
    protected_services: list[Word]
    minimum_age: int = Field(default=18, ge=18)  # lower only once representatives are known (45 CFR 164.502(g))
    hold_expires: Span = 30 * DAY
    look_again: Span = HOUR
