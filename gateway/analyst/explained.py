"""An explanation as data, for people and programs: names, places and reasons, and no value above ordinary sensitivity."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.model.when import Millis
from gateway.policy.legal import version


class Answer(StrEnum):
    """What a condition came to; not knowing is never a yes to sending."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    LOST = "cannot be answered"  # the fact may have been told, and nobody kept it


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One condition. `part`: where, unless or hold; `wants`, `told`: in words; `decided`: the first that did."""

    part: str
    line: int
    fact: str
    wants: str
    told: str
    answer: Answer
    decided: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate's answer: permit, hold or deny; `until` is Millis UTC."""

    gate: str
    answer: str
    reason: str | None = None
    released_by: str | None = None
    until: Millis | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelAsked:
    """One channel at one moment (Millis UTC), with every gate in order; `decided` is the first that did not permit."""

    channel: str
    at: Millis
    gates: tuple[Gate, ...]
    decided: Gate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One planned moment. `outcome`: sends | withheld | held | skipped; `because`: reasons; `leaves`: Millis UTC.

    `planning`: what the planning gates have against it, at the message's receipt. `stands`: the stored request.
    """

    step: str
    due: Millis
    expires: Millis
    outcome: str
    because: tuple[str, ...]
    gate: str
    leaves: Millis | None
    by: str
    planning: Gate | None
    channels: tuple[ChannelAsked, ...]
    stands: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSaid:
    """What one rule made of the event. `because`: what keeps it silent (a fact, when.event, effective), at `line`.

    `lost`: facts it asks for that nobody kept, so that it can be judged only in part.
    """

    rule: str
    file: str
    matches: bool
    because: str | None
    line: int | None
    conditions: tuple[Asked, ...]
    steps: tuple[Step, ...]
    variant: str | None = None
    lost: tuple[str, ...] = ()
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSaid:
    """One event as it was read. `facts`: what of it may be shown; times are Millis UTC."""

    event: str
    standing: str
    status: str | None
    occurred: Millis
    now: Millis
    looked: Millis
    zone: str
    patient: int | None
    holds: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    rules: tuple[RuleSaid, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The whole answer. `ruleset`: digest; `log`: what the audit log says, or would; `notes`: what limits the answer.

    `law`: the version of `legal.csv` that the gates asked.
    """

    source: str | None
    message: int | None
    type: str | None
    received: Millis | None
    ruleset: str
    ignored: str | None
    faults: tuple[str, ...]
    log: tuple[str, ...]
    notes: tuple[str, ...]
    events: tuple[EventSaid, ...]
    law: str = field(default_factory=version)
