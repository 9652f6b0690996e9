"""One file in `rules/` as data: what fires it, for whom, and what is sent when."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from gateway.model.consent import ChannelKind, Purpose
from gateway.model.facts import FactValue
from gateway.model.request import Priority
from gateway.model.when import Millis

Bound = int | date


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A fact and what it may be. Exactly one of `values`, bounds (all of them at once), or `present` is told.

    `values`: any of them satisfies. `at_least`/`at_most` are inclusive; `after`/`before` exclusive. Bounds of
    a datetime fact are dates: the fact's local calendar day is compared.
    `line` is where it stands in the rule file, so that every refusal can name it.
    """

    fact: str
    line: int
    values: frozenset[FactValue] | None = None
    at_least: Bound | None = None
    at_most: Bound | None = None
    after: Bound | None = None
    before: Bound | None = None
    present: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One planned moment of a rule: its label as written ("7d") and its signed offset from the anchor.

    Whole days are kept apart from millis because a day is wall time in the location's zone.
    """

    label: str
    days: int  # negative: before the anchor
    millis: Millis  # negative: before the anchor


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """`anchor`: a datetime fact, or "event.occurred"."""

    anchor: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `hold` are conditions that keep a due send waiting (never drop it) while any holds.

    `expires`: a datetime fact at whose time the send has no more sense, or None with `expires_after`
    (millis after due). `max_age`: an event older than this at receipt plans nothing (X-07).
    """

    name: str
    file: str
    owner: str
    why: str
    events: frozenset[str]
    where: tuple[Condition, ...]
    unless: tuple[Condition, ...]
    hold: tuple[Condition, ...]
    purpose: Purpose
    remuneration: str
    topic: str
    channels: tuple[ChannelKind, ...]
    template: str
    schedule: Schedule
    expires: str | None
    expires_after: Millis | None
    reveals: tuple[str, ...]
    max_age: Millis
    priority: Priority
    preferred_first: bool = False  # the patient's own choice among `channels` comes first

    material: tuple[str, ...] = field(init=False, compare=False)
    """Facts whose change makes a send worth repeating: what it reveals and what schedules it."""
    named: frozenset[str] = field(init=False, compare=False)
    """Facts that conditions ask about or that are revealed."""

    def __post_init__(self) -> None:
        extra = [] if self.schedule.anchor == "event.occurred" else [self.schedule.anchor]
        object.__setattr__(self, "material", tuple(sorted({*self.reveals, *extra})))
        asked = (condition.fact for condition in (*self.where, *self.unless, *self.hold))
        object.__setattr__(self, "named", frozenset((*asked, *self.reveals)))
