"""The shape of the files in `mappings/`: what an analyst may write, checked before anything is compiled."""

from __future__ import annotations

from typing import Literal

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


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """Where a value comes from: paths in order, through a code table or a computation."""

    path: str | None = None
    paths: list[str] = Field(default_factory=list)
    codes: str | None = None
    compute: str | None = None
    never: list[str] = Field(default_factory=list)

    @property
    def every_path(self) -> tuple[str, ...]:
        """The paths as one sequence, whichever way they were written."""
        return (*((self.path,) if self.path else ()), *self.paths)


class Trigger(_Strict):
    """What a message type means: an event and the status it brings, or the reason why it is ignored.

    `when`: it depends on the word that the mapping's `decide` gives; `otherwise` stands for every other word.
    `stays`: the status told is not believed when it would end the occurrence (SI-07). `replaces`: the event is
    about what takes the place of the occurrence the mapping's `replaces` names (AD-19, DO-01).
    """

    event: EventKind | None = None
    status: str | None = None
    ignored: str | None = None
    stays: Literal["yes", "no"] = "no"
    replaces: Literal["yes", "no"] = "no"
    when: dict[str, Trigger] = Field(default_factory=dict)


class MappingFile(_Strict):
    """One file in `mappings/hl7v2/`. An overlay has the same `mapping:` name and only what it changes.

    `sources`: the only sources of the configuration it is for (X-08); all, when not told. `versions` and `local`
    are for `caregate lint` alone: the versions of the standard whose fields the file may name (all, when not
    told), and fields the sender has that no version defines.
    """

    mapping: str
    sources: list[str] = Field(default_factory=list)
    versions: list[str] = Field(default_factory=list)
    local: list[str] = Field(default_factory=list)
    about: Literal["Patient"] | OccurrenceKind | None = None
    purpose: str | None = None
    participant: Literal["when-several", "always"] | None = None
    messages: dict[str, Trigger | None] = Field(default_factory=dict)
    key: Source | None = None
    replaces: Source | None = None
    parent: Source | None = None
    named: Source | None = None
    each: list[str] = Field(default_factory=list)
    decide: Source | None = None
    changed: Source | None = None
    person: dict[Slot, Source | None] = Field(default_factory=dict)
    flags: dict[Reason, Source | None] = Field(default_factory=dict)
    visit_flags: dict[Reason, Source | None] = Field(default_factory=dict)
    facts: dict[str, Source | None] = Field(default_factory=dict)


class WordEntry(_Strict):
    """One of our words in a code table."""

    meaning: str = ""
    sensitivity: Literal["public", "ordinary", "sensitive", "protected"] = "ordinary"


class CodesFile(_Strict):
    """One file in `mappings/codes/`. An overlay has the same `table:` name and adds or changes codes and words.

    `sources`: as in a mapping.
    """

    table: str
    sources: list[str] = Field(default_factory=list)
    purpose: str | None = None
    words: dict[str, WordEntry | None] = Field(default_factory=dict)
    codes: dict[str, str | None] = Field(default_factory=dict)
