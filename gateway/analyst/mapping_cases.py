"""What may be written in a *.test.yaml beside a mapping: a message as text, and what must be understood from it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from gateway.mapping.feed import Feed
from gateway.model.event import EventKind
from gateway.model.verdict import Reason


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Answer = Literal["yes", "no"]


class FeedGiven(_Strict):
    """How the sender of a test speaks; the same words as under `sources:` in the configuration.

    `source`: its name there, where files are for that source alone.
    """

    source: str = ""
    zone: str = "America/Chicago"
    authority: str = ""
    region: str = "US"
    organization: str | None = None
    locations: dict[str, str] = {}
    not_vip: list[str] = []
    test_identifiers: list[str] = []
    strict: Answer = "no"

    def feed(self) -> Feed:
        """The feed as the reader takes it."""
        return Feed(
            name="test",
            zone=self.zone,
            default_authority=self.authority,
            default_region=self.region,
            organization=self.organization,
            locations=dict(self.locations),
            not_vip=frozenset(self.not_vip),
            test_identifiers=frozenset(self.test_identifiers),
            strict_types=self.strict == "yes",
        )


class EventExpected(_Strict):
    """One event; what is not written is not compared. Times are "2026-03-15 09:30" in the feed's zone, or a date."""

    event: EventKind | None = None
    key: str | None = None
    status: str | None = None
    facility: str | None = None
    start: str | None = None
    end: str | None = None
    occurred: str | None = None
    recorded: str | None = None
    production: Answer | None = None
    facts: dict[str, str] = {}
    absent: list[str] = []
    cleared: list[str] = []
    person: dict[str, str] = {}
    telecom: list[str] | None = None
    identifiers: list[str] | None = None
    merged_from: list[str] | None = None
    replaces: str | None = None
    consents: list[str] | None = None
    flags: dict[Reason, Answer] | None = None
    visit_flags: dict[Reason, Answer] | None = None


class Expected(_Strict):
    """Events (one or a list), or the reason why the message is ignored, or the refusal such as "AE 101 PID^1^3"."""

    events: EventExpected | list[EventExpected] | None = None
    ignored: str | None = None
    refused: str | None = None
    warnings: list[str] | None = None

    @property
    def every_event(self) -> list[EventExpected] | None:
        """The events as a list, whichever way they were written; None when not told."""
        return [self.events] if isinstance(self.events, EventExpected) else self.events


class MappingCase(_Strict):
    """One test: a name that is a sentence, a message, what is expected."""

    name: str
    message: str
    feed: FeedGiven | None = None
    expect: Expected


class CaseFile(_Strict):
    """A *.test.yaml; its `feed` holds for every test that has none of its own."""

    feed: FeedGiven = FeedGiven()
    tests: list[MappingCase]
