"""The shape of the files in `mappings/fhir/`: what an analyst may write, checked before anything is compiled.

Each key is described here and nowhere else: editors and mappings/REFERENCE.md take it from here.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from gateway.mapping.schema import Slot, Source, Strict, Trigger
from gateway.model.event import OccurrenceKind
from gateway.model.verdict import Reason

DELETED = "deleted"  # in `when`: the resource is gone (DELETE)


class ResourceFile(Strict):
    """One file in `mappings/fhir/`: what one type of resource means. An overlay has the same `mapping:` name and only what it changes.

    `sources`: the only sources of the configuration it is for (X-08); all, when not told.
    """

    SECTIONS: ClassVar = ("when", "person", "flags", "visit_flags", "facts")
    SINGLES: ClassVar = (
        "patient",
        "decide",
        "replaces",
        "parent",
        "changed",
        "survivor",
        "consents",
        "representatives",
    )

    mapping: str = Field(
        description="Its name; files of one name are laid over one another.", examples=["fhir-appointments"]
    )
    sources: list[str] = Field(
        default_factory=list,
        description="The only sources of caregate.yaml it is for; all unless told (X-08).",
        examples=["[clinic]"],
    )
    about: Literal["Patient"] | OccurrenceKind | None = Field(
        default=None, description="What it is about; an overlay need not say it again.", examples=["Appointment"]
    )
    resource: str | None = Field(
        default=None, description="The type of the resources it reads.", examples=["MedicationRequest"]
    )
    purpose: str | None = Field(
        default=None, description="For the reader in three years.", examples=["Our wards, by Encounter.location."]
    )
    participant: Literal["when-several", "always"] | None = Field(
        default=None,
        description="`when-several`: a resource about several patients gives each one of their own. `always`: so does every one whose key is a number.",
        examples=["always"],
    )
    patient: Source | None = Field(
        default=None,
        description="References to whom it is about; a Patient is about itself.",
        examples=["{path: subject}"],
    )
    decide: Source | None = Field(
        default=None, description="Where the word for `when` comes from.", examples=["{path: status}"]
    )
    when: dict[str, Trigger | None] = Field(
        default_factory=dict,
        description="What each word means; `deleted`: the resource is gone; `otherwise` stands for every word that is not written.",
        examples=[
            "{booked: {event: appointment.booked, status: booked}, deleted: {event: appointment.deleted, status: entered-in-error}, otherwise: {ignored: not booked yet}}"
        ],
    )
    key: Source | None = Field(
        default=None,
        description="What tells one appointment, visit, result … from another.",
        examples=["{path: identifier, compute: appointment_key}"],
    )
    replaces: Source | None = Field(
        default=None,
        description="The key of what is replaced (W-02).",
        examples=["{path: replaces, compute: referred_key}"],
    )
    parent: Source | None = Field(
        default=None,
        description="The key of the appointment it is a part of, and with which it is withdrawn (SI-22).",
        examples=["{path: partOf, compute: referred_key}"],
    )
    changed: Source | None = Field(
        default=None,
        description="When it changed, where `meta.lastUpdated` is not what orders changes.",
        examples=["{path: issued}"],
    )
    survivor: Source | None = Field(
        default=None,
        description="Of a Patient that was merged away: into whom (Q-11).",
        examples=["{path: link.where(type = 'replaced-by').other, compute: referred_patients}"],
    )
    consents: Source | None = Field(
        default=None,
        description="What it says of consent (CN-01 to CN-08).",
        examples=["{path: Consent, compute: consent, codes: consent}"],
    )
    representatives: Source | None = Field(
        default=None,
        description="Who receives in the patient's stead.",
        examples=["{path: RelatedPerson, compute: representative, codes: relationship}"],
    )
    person: dict[Slot, Source | None] = Field(
        default_factory=dict,
        description="What is known of the person, from their Patient resource; `identifiers` and `merged_from` must be told.",
        examples=["{birth_date: {path: birthDate, compute: birth_date}}"],
    )
    flags: dict[Reason, Source | None] = Field(
        default_factory=dict,
        description="What holds the person's messages until somebody has looked: yes holds, no lifts, nothing told changes nothing.",
        examples=["{access-restriction: {path: meta.security, compute: security_label, codes: access-restriction}}"],
    )
    visit_flags: dict[Reason, Source | None] = Field(
        default_factory=dict,
        description="The same for this visit, appointment, result … alone.",
        examples=["{access-restriction: {path: meta.security, compute: security_label, codes: access-restriction}}"],
    )
    facts: dict[str, Source | None] = Field(
        default_factory=dict,
        description="Where each fact comes from, in FHIRPath; one with nothing after it is never told. What no rule, template or gate uses is not read.",
        examples=["{encounter.end: {paths: [period.end, actualPeriod.end]}}"],
    )
