"""One merged mapping of a type of resource: what its words mean and where its values come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.mapping.schema import Source, Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceFamily:
    """`about` and `participant` as in a mapping of messages; `when`: by the word that `decide` gives."""

    name: str
    about: str
    resource: str
    participant: str
    when: Mapping[str, Trigger]
    facts: Mapping[str, Source]
    visit_flags: Mapping[str, Source]
    key: Source | None = None
    patient: Source | None = None
    decide: Source | None = None
    replaces: Source | None = None
    parent: Source | None = None
    changed: Source | None = None
    survivor: Source | None = None
    consents: Source | None = None
    representatives: Source | None = None
