"""What goes in and out about campaigns and the tables they come from."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from gateway.api.v1.shapes import At, Id, Shape


class PeopleIn(Shape):
    """Which dry run whoever approves has read (`id` of the campaign's `runs`), and how many people it counted."""

    run: Annotated[str, Field(pattern=r"^[0-9]{1,19}$")]
    people: Annotated[int, Field(ge=0)]


class CampaignOut(Shape):
    """How one campaign stands. `command`: what it waits for, as typed at the host; `sent`: since it was approved or resumed."""

    rule: str
    state: str
    said: str
    command: str | None
    people: int
    sent: int
    decided: At | None


class StopWhenOut(Shape):
    """What stops it, in percent of what it handed over, once that is `at_least`."""

    at_least: int
    bounced: float
    refused: float
    complained: float
    opted_out: float


class BoundsOut(Shape):
    """What the rule bounds it by; null: without a bound."""

    holdout: int
    daily: int | None
    hourly: int | None
    ramp: list[int]
    audience: int | None
    stop_when: StopWhenOut


class VariantOut(Shape):
    """One wording, and the percent of people who get it."""

    name: str
    template: str
    share: int


class HealthOut(Shape):
    """What became of it since it was approved or resumed."""

    sent: int
    bounced: int
    refused: int
    complained: int
    opted_out: int


class ProgressOut(Shape):
    """A dry run that is under way, or why it came to nothing."""

    done: int
    of: int
    failed: str | None


class DryRunOut(Shape):
    """A dry run, its counts by channel and by reason, and what a person said to it."""

    id: Id
    state: str
    people: int
    forecast: dict[str, Any]
    at: At
    by: str
    decided: At | None
    decided_by: str | None
    why: str | None


class WaitsOut(Shape):
    """How many of its messages wait alike."""

    state: str
    reason: str
    count: int


class CampaignWhole(Shape):
    """One campaign whole; its dry runs newest first."""

    campaign: CampaignOut
    bounds: BoundsOut
    variants: list[VariantOut]
    health: HealthOut | None
    waits: list[WaitsOut]
    runs: list[DryRunOut]
    planning: ProgressOut | None


class ExtractOut(Shape):
    """The newest extract of a table: its counts by what became of rows, and what stopped it."""

    source: str
    state: str
    mode: str
    baseline: bool
    counts: dict[str, int]
    rows: dict[str, int]
    started: At | None
    ended: At | None
    why: str
