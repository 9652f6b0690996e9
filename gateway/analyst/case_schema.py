"""What may be written in a *.test.yaml beside a rule: a patient, an event, facts, and what is expected to come of it.

Each key is described here and nowhere else: error messages, editors and rules/REFERENCE.md take it from here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from gateway.model.consent import ChannelKind
from gateway.model.event import EventKind
from gateway.model.verdict import Reason
from gateway.ruleset import editor
from gateway.ruleset.words import Strict


def _one(value: object) -> object:
    return [value] if isinstance(value, dict | str) else value


def _or_one(schema: dict[str, Any]) -> None:
    """For an editor: what may be a list may be a single entry too."""
    items, kind = schema.pop("items"), schema.pop("type")
    schema["anyOf"] = [items, {"type": kind, "items": items}]


YesNo = Annotated[bool, WithJsonSchema(editor.YESNO)]
Facts = Annotated[dict[str, str], WithJsonSchema(editor.FACT_VALUES)]
_LOCAL = "Local date and time where it takes place, like 2026-03-15 09:30."


class PatientGiven(Strict):
    """The patient of a test; what is not told is an adult with one usable e-mail address."""

    age: Annotated[int, Field(ge=0, le=130)] | Literal["unknown"] = Field(
        default=44, description="Years.", examples=["17"]
    )
    zone: str | None = Field(
        default=None, description="Where they are; the place's zone unless told.", examples=["America/Los_Angeles"]
    )
    reachable: list[ChannelKind] = Field(
        default=[ChannelKind.EMAIL], description="Channels for which there is an address.", examples=["[email, sms]"]
    )
    prefers: ChannelKind | None = Field(default=None, description="Their own choice among channels.", examples=["sms"])
    opted_out: list[ChannelKind] = Field(default=[], description="Addresses that said STOP.", examples=["[email]"])
    inpatient: YesNo = Field(default=False, description="In hospital now.", examples=["yes"])
    represented: YesNo = Field(
        default=False, description="One representative is recorded, for every topic, and reachable.", examples=["yes"]
    )
    deceased: YesNo = Field(default=False, description="Known to have died.", examples=["yes"])
    merged: YesNo = Field(default=False, description="Merged into somebody else.", examples=["yes"])
    holds: list[Reason] = Field(
        default=[], description="What a person must look at first.", examples=["[identity-doubtful]"]
    )


class Situation(Strict):
    """The state of the world; `given` at the top of a file has the same keys as defaults for its tests."""

    event: EventKind | None = Field(default=None, description="What happened.", examples=["appointment.booked"])
    now: str | None = Field(default=None, description=f"When it reaches us. {_LOCAL}", examples=["2026-03-02 10:00"])
    occurred: str | None = Field(
        default=None, description=f"When it happened, if not `now`. {_LOCAL}", examples=["2026-03-02 09:45"]
    )
    zone: str | None = Field(
        default=None, description="Where it takes place; America/New_York unless told.", examples=["America/Chicago"]
    )
    production: YesNo | None = Field(default=None, description="`no` for a test message (MSH-11).", examples=["no"])
    facts: Facts = Field(
        default={},
        description="What the event told; `absent` takes one of `given` away, `unmapped` is a code no table knows.",
        examples=["{appointment.start: 2026-03-20 09:30, appointment.status: booked}"],
    )
    patient: PatientGiven | None = Field(default=None, description="The person.", examples=["{age: 17}"])
    consents: list[str] | None = Field(
        default=None,
        description=(
            "`permit` or `deny`, purpose, channel, topic; `*` is any. A fifth word is its kind (texts, authorization, …);"
            " a permit without one is of every kind that is needed. Not told: everything is permitted."
        ),
        examples=['["permit TREAT * *", "deny * sms *"]'],
    )
    sent: list[str] | None = Field(
        default=None,
        description="When earlier messages of this purpose and topic left, perhaps with the channel; for the caps.",
        examples=['["2026-03-03 08:00", "2026-03-03 09:00 sms"]'],
    )


class LaterEntry(Strict):
    """One of `then`: what happened to something else of the same patient's (another visit, result or prescription)."""

    event: EventKind = Field(description="What led to its state.", examples=["appointment.booked"])
    at: str = Field(description=f"When. {_LOCAL}", examples=["2026-04-01 10:00"])
    facts: Facts = Field(
        default={},
        description="What is known of it; nothing is taken over.",
        examples=["{appointment.service: primary-care}"],
    )


class SendExpected(Strict):
    """One message: which step, when it leaves (local), by which channel."""

    step: str = Field(description="The offset as written; of `every`, the sum (1y, 2y, …).", examples=["7d"])
    at: str = Field(description=_LOCAL, examples=["2026-03-13 09:30"])
    by: ChannelKind = Field(description="The channel.", examples=["email"])


class NotExpected(Strict):
    """A step (every one when not told) that does not leave, and why."""

    step: str | None = Field(default=None, description="The offset as written.", examples=["7d"])
    because: Reason = Field(description="A reason from gateway/policy/README.md.", examples=["deceased"])


class SilentExpected(Strict):
    """Nothing is planned, and what decided."""

    because: str = Field(
        description="The fact of the condition that decided, or `when.event`, or `effective`.",
        examples=["appointment.service"],
    )


class Expected(Strict):
    """What should come of it; every step of the rule must be accounted for, unless the rule is `silent`."""

    sends: list[SendExpected] = Field(
        default=[], description="Messages that leave.", examples=["[{step: 7d, at: 2026-03-13 09:30, by: email}]"]
    )
    withheld: Annotated[list[NotExpected], BeforeValidator(_one)] = Field(
        default=[],
        description="Never leaves: one, or a list.",
        examples=["{because: deceased}"],
        json_schema_extra=_or_one,
    )
    held: Annotated[list[NotExpected], BeforeValidator(_one)] = Field(
        default=[],
        description="Waits for a person or a feed: one, or a list.",
        examples=["{because: held-by-rule}"],
        json_schema_extra=_or_one,
    )
    skipped: Annotated[list[str], BeforeValidator(_one)] = Field(
        default=[], description="Steps whose time was past.", examples=["[7d]"], json_schema_extra=_or_one
    )
    silent: SilentExpected | None = Field(
        default=None, description="Nothing is planned.", examples=["{because: when.event}"]
    )


class CaseEntry(Situation):
    """One of `tests`."""

    name: Annotated[str, Field(min_length=1)] = Field(
        description="A sentence about the patient.", examples=["nobody writes to the dead"]
    )
    then: list[LaterEntry] = Field(
        default=[],
        description="What happened to something else of this patient's; for `cancel` and `once_per`.",
        examples=["[{event: appointment.booked, at: 2026-04-01 10:00}]"],
    )
    expect: Expected = Field(description="What should come of it.", examples=["{withheld: {because: deceased}}"])


class CaseFile(Strict):
    """One *.test.yaml beside a rule."""

    given: Situation = Field(default=Situation(), description="Defaults for every test of the file.")
    tests: Annotated[list[CaseEntry], Field(min_length=1)] = Field(
        description="At least one that sends and one that does not."
    )
