"""The shape of the files in `mappings/`: what an analyst may write, checked before anything is compiled.

Each key is described here and nowhere else: editors and mappings/REFERENCE.md take it from here.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.model.event import EventKind, OccurrenceKind
from gateway.model.verdict import Reason

OTHERWISE = "otherwise"  # in `when`: every word that is not written

Slot = Literal[
    "identifiers",
    "merged_from",
    "given_name",
    "family_name",
    "birth_date",
    "language",
    "state",
    "postal_code",
    "country",
    "telecom",
    "deceased",
]


class Strict(BaseModel):
    """A section of a file in which no unknown key passes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Strict):
    """Where a value comes from: paths in order, through a code table or a computation."""

    path: str | None = Field(
        default=None,
        description="Where to look: segment, field, and which repetition, component, subcomponent.",
        examples=["PID-3[MR].1"],
    )
    paths: list[str] = Field(
        default_factory=list,
        description="Several places: the first that tells something, or a later one whose code is `protected`; for a computation, its own in their order.",
        examples=["[AIL-3, PV1-3]"],
    )
    codes: str | None = Field(
        default=None, description="The code table that turns the value into our word.", examples=["service"]
    )
    compute: str | None = Field(
        default=None, description="A named function for what a path alone cannot say.", examples=["location"]
    )
    never: list[str] = Field(
        default_factory=list,
        description="Types of identifiers (table 0203) that must not match anybody; SS and DL never do.",
        examples=["[TAX, VN]"],
    )

    @property
    def every_path(self) -> tuple[str, ...]:
        """The paths as one sequence, whichever way they were written."""
        return (*((self.path,) if self.path else ()), *self.paths)


class Trigger(Strict):
    """What a message type means: an event and the status it brings, or the reason why it is ignored.

    `when`: it depends on the word that the mapping's `decide` gives; `otherwise` stands for every other word.
    `stays`: the status told is not believed when it would end the occurrence (SI-07). `replaces`: the event is
    about what takes the place of the occurrence the mapping's `replaces` names (AD-19, DO-01).
    """

    event: EventKind | None = Field(default=None, description="What happened.", examples=["encounter.admitted"])
    status: str | None = Field(
        default=None, description="The FHIR status it brings; none when not told.", examples=["in-progress"]
    )
    ignored: str | None = Field(
        default=None,
        description="Instead of an event: the reason why there is none. The message is acknowledged and recorded.",
        examples=["a swap of beds is no event for the patient"],
    )
    stays: Literal["yes", "no"] = Field(
        default="no",
        description="`yes`: a status that would end the appointment is not believed (SI-07).",
        examples=["yes"],
    )
    replaces: Literal["yes", "no"] = Field(
        default="no",
        description="`yes`: it takes the place of what the mapping's `replaces` names (AD-19, DO-01).",
        examples=["yes"],
    )
    when: dict[str, Trigger] = Field(
        default_factory=dict,
        description="It depends on the word that `decide` gives; `otherwise` stands for every word that is not written.",
        examples=["{final: {event: result.available, status: final}, otherwise: {ignored: not final}}"],
    )


class MappingFile(Strict):
    """One file in `mappings/hl7v2/`. An overlay has the same `mapping:` name and only what it changes.

    `sources`: the only sources of the configuration it is for (X-08); all, when not told. `versions` and `local`
    are for `caregate lint` alone: the versions of the standard whose fields the file may name (all, when not
    told), and fields the sender has that no version defines.
    """

    SECTIONS: ClassVar = ("messages", "person", "flags", "visit_flags", "facts")
    SINGLES: ClassVar = ("replaces", "decide", "changed", "parent", "named")

    mapping: str = Field(
        description="Its name; files of one name are laid over one another.", examples=["appointments"]
    )
    sources: list[str] = Field(
        default_factory=list,
        description="The only sources of caregate.yaml it is for; all unless told (X-08).",
        examples=["[lab]"],
    )
    versions: list[str] = Field(
        default_factory=list,
        description="For the lint: the versions of HL7 v2 whose fields it may name; all unless told.",
        examples=["[2.3, 2.5.1]"],
    )
    local: list[str] = Field(
        default_factory=list,
        description="For the lint: fields that the sender has and no version of the standard defines.",
        examples=["[PID-55]"],
    )
    about: Literal["Patient"] | OccurrenceKind | None = Field(
        default=None, description="What it is about; an overlay need not say it again.", examples=["Appointment"]
    )
    purpose: str | None = Field(
        default=None, description="For the reader in three years.", examples=["Our wards, by PV1-3."]
    )
    participant: Literal["when-several", "always"] | None = Field(
        default=None,
        description="`when-several`: a message with several patients gives each one of their own. `always`: so does every message.",
        examples=["always"],
    )
    messages: dict[str, Trigger | None] = Field(
        default_factory=dict,
        description="What each message type means; one with nothing after it is not mapped.",
        examples=["{ADT^A01: {event: encounter.admitted, status: in-progress}}"],
    )
    key: Source | None = Field(
        default=None,
        description="What tells one appointment, visit, result … from another.",
        examples=["{paths: [PV1-19, PID-18], compute: visit_key}"],
    )
    replaces: Source | None = Field(
        default=None,
        description="The key of what is replaced (AD-19, DO-01).",
        examples=["{path: MRG-5, compute: visit_key}"],
    )
    parent: Source | None = Field(
        default=None,
        description="The key of the appointment it is a part of, and with which it is withdrawn (SI-22).",
        examples=["{paths: [SCH-24, SCH-23, SCH-3], compute: appointment_parent}"],
    )
    named: Source | None = Field(
        default=None,
        description="What the parts of an appointment that is cancelled or deleted may call it (SI-22).",
        examples=["{paths: [SCH-2, SCH-1, SCH-3], compute: appointment_names}"],
    )
    each: list[str] = Field(
        default_factory=list,
        description="Segments of which every order of a message has one; each order is read by itself (OR-07).",
        examples=["[OBR]"],
    )
    decide: Source | None = Field(
        default=None,
        description="Where the word for `when` comes from.",
        examples=["{paths: [OBR-25, OBX-11], compute: result_status, codes: result-status}"],
    )
    changed: Source | None = Field(
        default=None,
        description="When it changed, where a message's own time is not what orders changes (OR-03).",
        examples=["{path: OBR-22}"],
    )
    person: dict[Slot, Source | None] = Field(
        default_factory=dict,
        description="What is known of the person, from the messages of every mapping; `identifiers` and `merged_from` must be told.",
        examples=["{birth_date: {path: PID-7, compute: birth_date}}"],
    )
    flags: dict[Reason, Source | None] = Field(
        default_factory=dict,
        description="What holds the person's messages until somebody has looked: yes holds, no lifts, nothing told changes nothing.",
        examples=["{protection-indicator: {path: PD1-12, compute: indicator}}"],
    )
    visit_flags: dict[Reason, Source | None] = Field(
        default_factory=dict,
        description="The same for this visit, appointment, result … alone.",
        examples=["{confidential-visit: {path: PV1-16, compute: vip, codes: vip}}"],
    )
    facts: dict[str, Source | None] = Field(
        default_factory=dict,
        description="Where each fact comes from; one with nothing after it is never told. What no rule, template or gate uses is not read.",
        examples=["{encounter.location: {path: PV1-3, compute: location}}"],
    )


class WordEntry(Strict):
    """One of our words in a code table."""

    meaning: str = Field(default="", description="What it means, for people.", examples=["kidney replacement"])
    sensitivity: Literal["public", "ordinary", "sensitive", "protected"] = Field(
        default="ordinary",
        description="How much it betrays; it raises the fact's own. HIV, substance use, mental and reproductive health are protected (42 CFR Part 2).",
        examples=["protected"],
    )


class CodesFile(Strict):
    """One file in `mappings/codes/`. An overlay has the same `table:` name and adds or changes codes and words.

    `sources`: as in a mapping.
    """

    table: str = Field(description="Its name; files of one name are laid over one another.", examples=["service"])
    sources: list[str] = Field(
        default_factory=list,
        description="The only sources of caregate.yaml it is for; all unless told (X-08).",
        examples=["[lab]"],
    )
    purpose: str | None = Field(
        default=None, description="For the reader in three years.", examples=["PV1-10, HL7 table 0069."]
    )
    words: dict[str, WordEntry | None] = Field(
        default_factory=dict,
        description="Our words, which rules use.",
        examples=["{dialysis: {meaning: kidney replacement, sensitivity: sensitive}}"],
    )
    codes: dict[str, str | None] = Field(
        default_factory=dict,
        description="A sender's code, without regard to case, and our word for it; `nothing`: it tells nothing. What stands in no table is `unmapped` and waits for a person.",
        examples=["{DIAL: dialysis, 99213^^CPT4: nothing}"],
    )
