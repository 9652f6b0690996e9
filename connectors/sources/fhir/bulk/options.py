"""What a FHIR server is asked to export, as caregate.yaml says under `export`: checked whole, wrong settings named, never quoted."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.durations import Seconds
from connectors.sources.options import Size, Texts

_Type = Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]{1,63}$")]
_Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9\-.]{1,64}$")]


class Level(StrEnum):
    """Whose resources: Bulk Data 2.0.0, "Endpoints"."""

    SYSTEM = "system"
    PATIENT = "patient"
    GROUP = "group"


class ExportOptions(BaseModel):
    """Times in seconds, sizes in bytes. `filters` and `elements` are hints a server may ignore (K-10)."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    level: Level = Level.SYSTEM
    group: _Id | None = None
    types: Annotated[tuple[_Type, ...], Field(max_length=64)] = ()  # `_type`; none: all the server has
    filters: Texts = ()  # `_typeFilter`: Appointment?service-type=57
    elements: Texts = ()  # `_elements`: Patient.name, or name of every type
    post: bool = False  # ask by POST, as the STU4 ballot has it only (K-01)
    separate_status: bool = False  # 3.0.0: the poll itself answers 200 (K-03)
    every: Annotated[Seconds, Field(ge=60, le=90 * 86_400)] | None = None  # none: by command only
    baseline: bool = True  # the first load is stored and plans nothing (K-16)
    patience: Annotated[Seconds, Field(ge=1, le=30 * 86_400)] = 86_400.0  # for one export, from asking to its last line
    poll: Annotated[Seconds, Field(ge=0.01, le=86_400)] = 600.0  # longest wait between two looks, where not told when
    max_resource: Annotated[Size, Field(ge=1_024, le=1 << 28)] = 16 << 20

    @model_validator(mode="after")
    def _grouped(self) -> ExportOptions:
        if (self.level is Level.GROUP) != (self.group is not None):
            raise ValueError("level: group and group: ID belong together")
        return self

    @property
    def path(self) -> str:
        """Below the base."""
        return {
            Level.SYSTEM: "$export",
            Level.PATIENT: "Patient/$export",
            Level.GROUP: f"Group/{self.group}/$export",
        }[self.level]

    @property
    def scope(self) -> str:
        """What tells one set of resources from another: a mark holds for what was asked for, and for nothing beyond."""
        told = "|".join((self.path, ",".join(sorted(self.types)), "\n".join(sorted(self.filters))))
        return hashlib.sha256(told.encode()).hexdigest()[:16]
