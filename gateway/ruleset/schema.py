"""What may be written in a rule file; unknown keys are errors, nothing has a silent meaning.

Each key is described here and nowhere else: error messages, editors and rules/REFERENCE.md take it from here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

from gateway.model.consent import Purpose
from gateway.model.request import Priority
from gateway.model.rule import MOST_SMS_SEGMENTS, SMS_SEGMENTS
from gateway.model.when import DAY
from gateway.ruleset import editor
from gateway.ruleset.words import (
    Channels,
    Clock,
    Conditions,
    Day,
    Events,
    Moment,
    Offset,
    Offsets,
    Revealed,
    Sentence,
    Span,
    Strict,
    TemplateName,
    Weekdays,
    Word,
)


class WhenSection(Strict):
    """`when`: which events, and which conditions on their facts."""

    event: Events = Field(
        description="The event, or events, any of which led to the state that something is in now.",
        examples=["[appointment.booked, appointment.rescheduled]"],
    )
    where: Conditions = Field(
        default={},
        description="ALL must be so. A fact that is not known is not so.",
        examples=["{appointment.status: booked, patient.age: {at_least: 18}}"],
    )
    unless: Conditions = Field(
        default={},
        description="If ANY is so, or not known, nothing is planned.",
        examples=["{appointment.service: {list: sensitive-services}}"],
    )


class CancelSection(Strict):
    """`cancel`: another event of the same patient withdraws what this rule has waiting."""

    event: Events = Field(
        description="The event, or events, any of which led to the state of something else of this patient's.",
        examples=["[appointment.booked, appointment.rescheduled]"],
    )
    where: Conditions = Field(
        default={},
        description="ALL must be so of that other thing.",
        examples=["{appointment.service: primary-care}"],
    )


class EffectiveSection(Strict):
    """`effective`: the days on which the rule plans and sends, both included, where it takes place."""

    start: Day | None = Field(default=None, alias="from", description="The first day.", examples=["2026-03-01"])
    until: Day | None = Field(default=None, description="The last day.", examples=["2026-12-31"])


class AtSection(Strict):
    """`send.at`: offsets before or after a moment, and the hour and weekdays to which they move."""

    before: Moment | None = Field(
        default=None,
        description="A moment still to come, from which `by` counts back.",
        examples=["appointment.start"],
    )
    after: Moment | None = Field(
        default=None,
        description="A moment from which `by` counts on; event.occurred is the event itself.",
        examples=["event.occurred"],
    )
    by: Offsets | None = Field(
        default=None,
        description=(
            "Offsets: y, mo, w and d keep the time of day where it takes place, also across a clock change, and the"
            " 31st becomes the last day of a shorter month; h and m are elapsed time. `0m` or `0d` is at once."
        ),
        examples=["[1w, 1d]"],
    )
    time: Clock | None = Field(
        default=None,
        description=(
            "The local time of day at which it falls due, on the day the offset leads to; never on the other side of"
            " the moment: then the day before (after: the day after)."
        ),
        examples=['"09:00"'],
    )
    on: Weekdays | None = Field(
        default=None,
        description="Weekdays on which it may fall due; `before` moves to the nearest earlier one, `after` to the next later one.",
        examples=["[mon, tue, wed, thu, fri]"],
    )
    every: Offset | None = Field(
        default=None,
        description="Again after each of these, counted from `by` (or from itself when `by` is not told); with `after` only.",
        examples=["1y"],
    )
    times: Annotated[int, Field(ge=2, le=60)] | None = Field(
        default=None, description="How many times in all; `every` needs it.", examples=["3"]
    )


class VariantEntry(Strict):
    """One of `send.variants`: a wording, and how many of a hundred patients get it."""

    name: Word = Field(description="Its name in the audit log.", examples=["short"])
    template: TemplateName = Field(description="A folder in templates/.", examples=["reminder_short"])
    share: int = Field(ge=1, le=99, description="Of a hundred patients; all shares together are 100.", examples=["50"])


class FallbackSection(Strict):
    """`send.fallback`: when the next channel follows although nothing proves that the first message did not arrive."""

    on_silence: Span = Field(
        description="Without word that it was delivered or opened by then, the next channel follows, once.",
        examples=["24h"],
    )
    on_unknown: Annotated[bool, WithJsonSchema(editor.YESNO)] = Field(
        default=False,
        description="Also where nobody can tell whether it left at all; such a person may get two messages.",
        examples=["yes"],
    )


class SendSection(Strict):
    """`send`: why, about what, how, when and showing what."""

    purpose: Purpose = Field(
        description=(
            "TREAT: treatment, HPAYMT: payment, HOPERAT: operations, HMARKT: marketing, which needs a signed"
            " authorization (45 CFR 164.501, 164.508)."
        ),
        examples=["TREAT"],
    )
    remuneration: Literal["none", "at-cost", "paid"] = Field(
        description=(
            "Whether a third party pays for the message: `paid` makes it marketing, so the purpose must then be HMARKT;"
            " `at-cost`, no more than it costs, is none only about a medicine that is currently prescribed"
            " (45 CFR 164.501, marketing, (2)(i))."
        ),
        examples=["none"],
    )
    remuneration_basis: Sentence | None = Field(
        default=None,
        description="What is paid and what it costs, where it is `at-cost`: whoever audits the program asks for it.",
        examples=["Postage and printing, 2026 contract, annex B."],
    )
    topic: Word = Field(description="What people can say yes or no to; a word of your own.", examples=["appointments"])
    channels: Channels = Field(
        description=(
            "The first that may; the next on a proven failure. `preferred` comes first and puts the patient's own"
            " choice among the others first."
        ),
        examples=["[preferred, sms, email]"],
    )
    fallback: FallbackSection | None = Field(
        default=None,
        description=(
            "Whether silence is a reason for the next channel: they may then get the message twice, and of mail hardly any"
            " server tells that it arrived. Every gate is asked again. Never of marketing."
        ),
        examples=["{on_silence: 24h}"],
    )
    read_within: Span | None = Field(
        default=None,
        description="A message in the portal that nobody has picked up by then is shown to staff, once (EM-11).",
        examples=["3d"],
    )
    template: TemplateName | None = Field(
        default=None, description="A folder in templates/; or tell `variants`.", examples=["appointment_reminder"]
    )
    variants: Annotated[list[VariantEntry], Field(min_length=2)] | None = Field(
        default=None,
        description="Several wordings; each patient always gets the same one of this rule, drawn by the shares.",
        examples=["[{name: short, template: reminder_short, share: 50}, {name: long, template: reminder, share: 50}]"],
    )
    at: AtSection = Field(description="When it falls due.", examples=["{before: appointment.start, by: [7d, 1d]}"])
    expires: Moment | None = Field(
        default=None,
        description="The moment from which the message has no more sense; or tell `expires_after`.",
        examples=["appointment.start"],
    )
    expires_after: Span | None = Field(
        default=None, description="How long after it fell due the message still has sense.", examples=["3d"]
    )
    sms_segments: Annotated[int, Field(ge=1, le=MOST_SMS_SEGMENTS)] = Field(
        default=SMS_SEGMENTS,
        description="Parts one text message may take: 160 plain characters, 153 each of several; 70 and 67 with others.",
        examples=["1"],
    )
    reveals: Revealed = Field(
        description="Every fact the template may show; anything else is an error.",
        examples=["[patient.given_name, appointment.start]"],
    )


Percent = Annotated[float, Field(gt=0, le=100)]


class StopWhenSection(Strict):
    """`campaign.stop_when`: shares, in percent of what left, at which the campaign stops by itself."""

    at_least: Annotated[int, Field(ge=20, le=1_000_000)] = Field(
        default=200, description="Before so many have left nothing is concluded.", examples=["200"]
    )
    bounced: Percent = Field(default=5.0, description="Sent back for good, or not delivered.", examples=["2"])
    refused: Percent = Field(default=10.0, description="Refused by the provider.", examples=["5"])
    complained: Percent = Field(
        default=0.3, description="Reported as unwanted: mailbox providers block senders near 0.3.", examples=["0.1"]
    )
    opted_out: Percent = Field(default=5.0, description="Said STOP, or unsubscribed.", examples=["2"])


class CampaignSection(Strict):
    """`campaign`: what bounds a rule that writes to an audience. Nothing leaves before a person approved its dry run."""

    holdout: Annotated[int, Field(ge=0, le=50)] = Field(
        default=0,
        description="Of a hundred patients who fit, how many are never written to, always the same ones: to see what it did.",
        examples=["10"],
    )
    daily: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Most messages a day, in the organization's zone; the rest waits.", examples=["5000"]
    )
    hourly: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Most messages an hour; the rest waits.", examples=["500"]
    )
    ramp: Annotated[list[Annotated[int, Field(ge=1)]], Field(max_length=60)] = Field(
        default=[],
        description="Most messages on the first day on which any left, on the second, …; after these `daily` holds.",
        examples=["[200, 1000]"],
    )
    audience: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="Of more people than this the dry run cannot be approved: an audience grown out of measure is a mistake.",
        examples=["60000"],
    )
    stop_when: StopWhenSection = Field(
        default=StopWhenSection(),
        description="When it stops by itself, until a person resumes it; these bounds hold unless others are told.",
        examples=["{at_least: 200, complained: 0.1}"],
    )


class RuleFile(Strict):
    """One rule: a file in rules/ with the name of the rule."""

    rule: Word = Field(description="The same as the file's name.", examples=["appointment-reminder"])
    owner: Sentence = Field(description="Whom to ask.", examples=["access-center@lakeside.example"])
    why: Sentence = Field(
        description="For the reader in three years.", examples=["A reminder halves missed visits. Policy AC-7."]
    )
    priority: Priority | None = Field(
        default=None,
        description="Who goes first when much is due; by purpose unless told: TREAT clinical, HMARKT marketing, else routine.",
        examples=["routine"],
    )
    max_age: Span = Field(
        default=2 * DAY,
        description="An event older than this when it reaches us plans nothing (X-07).",
        examples=["2d"],
    )
    effective: EffectiveSection | None = Field(
        default=None,
        description="On other days nothing is planned, and what waits is withdrawn when it falls due: not-in-effect.",
        examples=["{from: 2026-09-01, until: 2027-03-31}"],
    )
    when: WhenSection = Field(description="What fires it.")
    once_per: Literal["patient"] | None = Field(
        default=None,
        description="Only the latest one's messages wait: a later one of the same patient withdraws the earlier one's.",
        examples=["patient"],
    )
    cancel: CancelSection | None = Field(
        default=None,
        description="Something else that happened to the same patient, at the same time or later, and makes it needless.",
        examples=["{event: appointment.booked, where: {appointment.service: primary-care}}"],
    )
    alike: Revealed = Field(
        default=[],
        description=(
            "`once_per` and `cancel` look only at what tells the same of these; what is not told is like nothing."
        ),
        examples=["[prescription.drug]"],
    )
    campaign: CampaignSection | None = Field(
        default=None,
        description=(
            "What bounds it, where it writes to an audience: nothing leaves before a person approved its dry run"
            " (`caregate campaign plan`). Rules for the events of tables must tell it."
        ),
        examples=["{holdout: 10, daily: 5000, ramp: [200, 1000]}"],
    )
    hold: Conditions = Field(
        default={},
        description="If ANY is so when it is due, or not known, the message waits; it is asked again.",
        examples=["{patient.inpatient: yes}"],
    )
    send: SendSection = Field(description="What is sent, and when.")
