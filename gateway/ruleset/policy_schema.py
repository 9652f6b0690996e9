"""What may be written in policy.yaml and lists.yaml; what is not told is the stricter of what it might mean.

Each key is described here and nowhere else: error messages, editors and rules/REFERENCE.md take it from here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

from gateway.model.consent import ChannelKind, Purpose
from gateway.model.when import DAY, HOUR
from gateway.ruleset import editor
from gateway.ruleset.words import Clock, Domain, Language, Level, ListName, Sentence, Span, Strict, Text, Word


class BasisEntry(Strict):
    """One of `basis`. HMARKT is never implied (45 CFR 164.508(a)(3)), so it is no choice here."""

    purpose: Literal["TREAT", "HPAYMT", "HOPERAT"] = Field(description="What it permits.", examples=["TREAT"])
    channel: ChannelKind = Field(description="By which channel.", examples=["email"])
    topic: Literal["*"] | Word = Field(
        default="*", description="About what; `*` is anything.", examples=["appointments"]
    )
    kinds: Annotated[list[Literal["messages", "texts"]], Field(min_length=1)] = Field(
        default=["messages"],
        description="What it is consent to; `texts` only by sms, where the number was given for them (47 CFR 64.1200(a)(1)).",
        examples=["[messages, texts]"],
    )
    because: Sentence = Field(
        description="Why people are taken to agree; kept as the evidence.", examples=["Notice of privacy practices, 4"]
    )


class QuietEntry(Strict):
    """Local times of day between which nothing is sent."""

    start: Clock = Field(alias="from", description="From this local time on it is quiet.", examples=['"21:00"'])
    end: Clock = Field(alias="until", description="From this local time on it is not.", examples=['"08:00"'])


class CapEntry(Strict):
    """One of `caps`: at most so many messages within a time; what is over it waits."""

    per: Literal["patient", "address"] = Field(description="Who or what is counted.", examples=["patient"])
    purpose: Literal["*", "TREAT", "HPAYMT", "HOPERAT", "HMARKT"] = Field(
        default="*", description="Only messages of this purpose; `*` is any.", examples=["HMARKT"]
    )
    topic: Literal["*"] | Word = Field(
        default="*", description="Only messages of this topic; `*` is any.", examples=["appointments"]
    )
    channel: Literal["*"] | ChannelKind = Field(
        default="*", description="Only messages by this channel; `*` is any.", examples=["sms"]
    )
    at_most: int = Field(ge=1, description="How many.", examples=["4"])
    within: Span = Field(description="In how long.", examples=["1d"])


class PortalEntry(Strict):
    """The secure portal: how long a message lies there, and how its reader is known."""

    keeps: Span = Field(default=30 * DAY, description="A message can be picked up for this long.", examples=["30d"])
    read_within: Span | None = Field(
        default=None,
        description="What nobody has picked up by then is shown to staff, once, unless its rule says otherwise.",
        examples=["7d"],
    )
    same_contact_point: Annotated[bool, WithJsonSchema(editor.YESNO)] = Field(
        default=False,
        description=(
            "Whether the log-in code may go to the very address or number the link went to, for people of whom no other"
            " is known; whoever holds that phone or mailbox then needs only the birth date."
        ),
        examples=["no"],
    )


class PolicyFile(Strict):
    """policy.yaml: what the site allows, whatever a rule says."""

    version: Text = Field(
        description="Cited as the evidence of a basis; change it with the file.", examples=["2026-03-01"]
    )
    basis: list[BasisEntry] = Field(
        default=[],
        description="Consent entries the gateway may write by itself when a feed tells a fitting address.",
        examples=["[{purpose: TREAT, channel: email, because: Notice of privacy practices}]"],
    )
    quiet_hours: dict[ChannelKind, Literal["none"] | QuietEntry] = Field(
        default={},
        description="By channel; one that is not listed is quiet from 21:00 to 08:00 (47 CFR 64.1200(c)(1)).",
        examples=['{sms: {from: "21:00", until: "08:00"}, portal: none}'],
    )
    caps: list[CapEntry] = Field(
        default=[],
        description="Across all rules. What is over a cap waits, and is not tried by another channel.",
        examples=["[{per: patient, channel: sms, at_most: 2, within: 1d}]"],
    )
    ceilings: dict[Purpose, dict[ChannelKind, Level]] = Field(
        description="The most sensitive thing that may be shown, by purpose and channel; what is not listed is `public`.",
        examples=["{TREAT: {email: ordinary, portal: sensitive}}"],
    )
    protected_services: list[Word] | ListName = Field(
        description="Care that no rule ever tells of (42 CFR Part 2); a list, or `{list: name}`.",
        examples=["[behavioral-health, substance-use]"],
    )
    # 45 CFR 164.502(g)
    minimum_age: int = Field(
        default=18, ge=18, description="What is about younger patients goes to their representative.", examples=["18"]
    )
    adolescent_from: int = Field(
        default=12,
        ge=0,
        le=18,
        description="From this age on a representative is told nothing about `minors_own`, nor about care nobody named.",
        examples=["12"],
    )
    minors_own: list[Word] = Field(
        default=[],
        description="Care that minors may consent to alone by the law of your states; nobody else is told of it.",
        examples=["[family-planning, counseling]"],
    )
    hold_expires: Span = Field(default=30 * DAY, description="A hold nobody lifted ends after this.", examples=["30d"])
    look_again: Span = Field(
        default=HOUR, description="A hold that a feed may lift is judged again after this.", examples=["1h"]
    )
    languages: Annotated[list[Language], Field(min_length=1)] = Field(
        default=["en"],
        description=(
            "Languages every template must be there in: the first is what the files of templates/<name>/ are written in,"
            " each other one has a folder of its name there."
        ),
        examples=["[en, es]"],
    )
    link_domains: list[Domain] = Field(
        default=[],
        description="Your own domains, the only ones a template may link to; their subdomains too (SM-19).",
        examples=["[lakeside.example]"],
    )

    portal: PortalEntry = Field(
        default=PortalEntry(), description="The secure portal.", examples=["{keeps: 30d, same_contact_point: no}"]
    )


_Codes = Annotated[
    list[str], Field(min_length=1), WithJsonSchema({"type": "array", "items": editor.TEXT, "minItems": 1})
]


class ListsFile(Strict):
    """lists.yaml: codes that several rules name."""

    lists: dict[Word, _Codes] = Field(
        description="By name; a condition takes one with `{list: name}`, and so does `protected_services`.",
        examples=["{sensitive-services: [behavioral-health, hiv-care]}"],
    )
