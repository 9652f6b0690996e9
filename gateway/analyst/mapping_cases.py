"""What may be written in a *.test.yaml beside a mapping: a message as text, and what must be understood from it.

Each key is described here and nowhere else: editors and mappings/REFERENCE.md take it from here.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.mapping.feed import Feed
from gateway.model.event import EventKind, Release
from gateway.model.verdict import Reason


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Answer = Literal["yes", "no"]


class FeedGiven(_Strict):
    """How the sender of a test speaks; the same words as under `sources:` in the configuration.

    `source`: its name there, where files are for that source alone.
    """

    source: str = Field(
        default="", description="Its name, where files are for that source alone (X-08).", examples=["lab"]
    )
    zone: str = Field(
        default="America/Chicago", description="Where times without an offset are meant.", examples=["America/New_York"]
    )
    authority: str = Field(
        default="", description="Of identifiers that name no assigning authority.", examples=["LAKESIDE"]
    )
    region: str = Field(
        default="US", description="The country of telephone numbers and states that name none.", examples=["CA"]
    )
    organization: str | None = Field(
        default=None, description="Where a visit is when no configured place is told.", examples=["lakeside"]
    )
    locations: dict[str, str] = Field(
        default={},
        description="A place as the sender writes it, and the location it is.",
        examples=["{CARD: cardiology}"],
    )
    not_vip: list[str] = Field(
        default=[], description="Values of PV1-16 that mean an ordinary patient.", examples=["[N]"]
    )
    test_identifiers: list[str] = Field(
        default=[], description="Made-up patients, who are never written to.", examples=["[LAKESIDE|999]"]
    )
    strict: Answer = Field(
        default="no", description="Whether a message that nothing maps is refused instead of ignored.", examples=["yes"]
    )

    release: Release = Field(default=Release.R4, description="Of FHIR: the release its server speaks.", examples=["R5"])
    base: str = Field(
        default="",
        description="Of FHIR: the server whose logical ids these are.",
        examples=["https://ehr.example.org/fhir"],
    )
    also: list[str] = Field(
        default=[],
        description="Of FHIR: other URLs by which that server calls itself in references.",
        examples=['["https://old.example.org/fhir"]'],
    )
    systems: dict[str, str] = Field(
        default={},
        description="Of FHIR: identifier systems, and the assigning authority (and type) they are.",
        examples=["{urn:oid:1.2.3: LAKESIDE|MR}"],
    )
    mapping: str = Field(
        default="", description="Of tables: the mapping its rows are read by.", examples=["segment-audience"]
    )

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
            release=self.release,
            base=self.base,
            also=tuple(self.also),
            systems=dict(self.systems),
            mapping=self.mapping,
        )


class EventExpected(_Strict):
    """One event; what is not written is not compared. Times are "2026-03-15 09:30" in the feed's zone, or a date."""

    event: EventKind | None = Field(default=None, description="Its kind.", examples=["appointment.booked"])
    key: str | None = Field(
        default=None, description="What tells it from others; `none`: there is none.", examples=["filler|F1|LAKE|"]
    )
    status: str | None = Field(default=None, description="The FHIR status it brings.", examples=["booked"])
    facility: str | None = Field(default=None, description="The configured location.", examples=["cardiology"])
    start: str | None = Field(default=None, description="When it begins.", examples=["2026-03-20 09:30"])
    end: str | None = Field(default=None, description="When it ends.", examples=["2026-03-20 10:00"])
    occurred: str | None = Field(default=None, description="When it happened.", examples=["2026-03-02 08:50"])
    recorded: str | None = Field(
        default=None, description="When the sender recorded it.", examples=["2026-03-02 09:04"]
    )
    production: Answer | None = Field(
        default=None, description="`no` for a test message (MSH-11) or a made-up patient.", examples=["no"]
    )
    facts: dict[str, str] = Field(
        default={},
        description="Facts and their values; a code that no table knows is `unmapped`.",
        examples=["{appointment.service: cardiology}"],
    )
    absent: list[str] = Field(
        default=[], description="Facts that must not be there.", examples=["[appointment.status]"]
    )
    cleared: list[str] = Field(
        default=[], description='Facts that the message deletes (`""`).', examples=["[appointment.practitioner]"]
    )
    person: dict[str, str] = Field(
        default={},
        description="What is told of the person; `none`: nothing, `cleared`: deleted.",
        examples=["{given_name: Alma, deceased: none}"],
    )
    telecom: list[str] | None = Field(
        default=None,
        description="All contact points: field, use, kind, address.",
        examples=["[PID-13 home email alma@example.org]"],
    )
    identifiers: list[str] | None = Field(
        default=None,
        description="All numbers that may match a person: authority, type, value.",
        examples=["[LAKESIDE|MR|1234]"],
    )
    merged_from: list[str] | None = Field(
        default=None, description="All numbers of whom MRG names.", examples=["[LAKESIDE|MR|99]"]
    )
    by_reference: Answer | None = Field(
        default=None,
        description="Of FHIR: `yes` where the person is only referred to, and fetched when nobody knows them.",
        examples=["yes"],
    )
    also: list[str] | None = Field(
        default=None,
        description="Other keys of the very same thing.",
        examples=["[fhir|a1|https://ehr.example.org/fhir]"],
    )
    parent: str | None = Field(
        default=None, description="The key of what it is a part of.", examples=["filler|F1|LAKE|"]
    )
    representatives: list[str] | None = Field(
        default=None,
        description="Who receives in the patient's stead: role, yes or no, name, addresses.",
        examples=["[parent yes Pat Doe home email pat@example.org]"],
    )
    replaces: str | None = Field(
        default=None, description="The key of what it takes the place of.", examples=["visit|V1|LAKESIDE"]
    )
    consents: list[str] | None = Field(
        default=None,
        description="What CON segments come to.",
        examples=["[permit TREAT/email/*]"],
    )
    flags: dict[Reason, Answer] | None = Field(
        default=None, description="All holds told of the person.", examples=["{protection-indicator: yes}"]
    )
    visit_flags: dict[Reason, Answer] | None = Field(
        default=None, description="All holds told of the visit.", examples=["{confidential-visit: yes}"]
    )


class Expected(_Strict):
    """Events (one or a list), or the reason why the message is ignored, or the refusal such as "AE 101 PID^1^3"."""

    events: EventExpected | list[EventExpected] | None = Field(
        default=None,
        description="What it came to: one event, or a list.",
        examples=["{event: appointment.cancelled, status: cancelled}"],
    )
    ignored: str | None = Field(
        default=None, description="Instead of events: the reason why there are none.", examples=["not a pharmacy order"]
    )
    refused: str | None = Field(
        default=None,
        description="Instead of events: acknowledgement, error code (table 0357) and place.",
        examples=["AE 101 PID^1^3"],
    )
    warnings: list[str] | None = Field(
        default=None, description="All warnings: error code and place.", examples=["[102 PID^1^7]"]
    )

    @property
    def every_event(self) -> list[EventExpected] | None:
        """The events as a list, whichever way they were written; None when not told."""
        return [self.events] if isinstance(self.events, EventExpected) else self.events


class MappingCase(_Strict):
    """One test: a name that is a sentence; a message, a resource or a row; what is expected."""

    name: str = Field(description="A sentence that is true.", examples=["a cancelled visit is cancelled"])
    message: str | None = Field(
        default=None,
        description="The message, one segment a line (write `|` after the colon).",
        examples=["MSH|^~\\&|ADT|LAKESIDE"],
    )
    row: dict[str, str | None] | None = Field(
        default=None,
        description="Or the row of a table, by its columns; nothing after one: it is empty.",
        examples=["{user_id: u1, audience_entered: true}"],
    )
    gone: str | None = Field(
        default=None, description="Or the key of a row that is no longer there (SN-03).", examples=["u1"]
    )
    resource: str | None = Field(
        default=None,
        description="Or the FHIR resource as JSON (write `|` after the colon).",
        examples=['\'{"resourceType": "Patient", "id": "12"}\''],
    )
    feed: FeedGiven | None = Field(
        default=None, description="How its sender speaks, instead of the file's.", examples=["{zone: America/New_York}"]
    )
    expect: Expected = Field(description="What must be understood.", examples=["{ignored: not a pharmacy order}"])


class CaseFile(_Strict):
    """A *.test.yaml; its `feed` holds for every test that has none of its own."""

    feed: FeedGiven = Field(
        default=FeedGiven(),
        description="How the sender speaks.",
        examples=["{zone: America/Chicago, authority: LAKESIDE}"],
    )
    tests: list[MappingCase] = Field(description="The tests, each a message by itself.")
