"""Which resources a FHIR server is asked for in rounds, as caregate.yaml says under `poll`, and how wanted ones are fetched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from connectors.durations import Seconds

_OURS = ("_lastUpdated", "_sort", "_count", "_elements", "_since", "_format", "_summary")


def _search(value: str) -> str:
    """The parameters of a search, as they stand behind the question mark."""
    names = [part.partition("=")[0] for part in value.split("&") if part]
    if value.startswith(("?", "/")) or any(not name or "=" not in value for name in names):
        raise ValueError("write a search as service-type=57&_include=Appointment:patient")
    if ours := [name for name in names if name in _OURS]:
        raise ValueError(f"{', '.join(ours)}: Caregate asks for this by itself")
    return value


Search = Annotated[str, Field(max_length=2_000), AfterValidator(_search)]
_TypeName = Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]{1,63}$")]


class PollOptions(BaseModel):
    """Times in seconds. `resources`: by type the search that narrows it; a list of types narrows none."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    resources: Mapping[_TypeName, Search] = Field(min_length=1, max_length=64)
    every: Annotated[Seconds, Field(ge=1, le=7 * 86_400)] = 300.0
    overlap: Annotated[Seconds, Field(ge=0, le=86_400)] = (
        300.0  # what was committed late there is found all the same
    )
    baseline: bool = True  # what was there before the first round is stored and plans nothing (K-16)
    deletes: bool = True  # ask `_history` for them, where the server has it
    count: int = Field(default=100, ge=1, le=10_000)  # resources a page

    @field_validator("resources", mode="before")
    @classmethod
    def _listed(cls, told: object) -> object:
        return dict.fromkeys(told, "") if isinstance(told, (list, tuple)) else told


class FetchOptions(BaseModel):
    """How what is told by its id only is read. Times in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    at_once: int = Field(default=4, ge=1, le=32)
    every: Annotated[Seconds, Field(ge=0.05, le=60)] = 1.0  # when nothing was waiting, until it is looked again
    lease: Annotated[Seconds, Field(ge=10, le=3_600)] = 300.0  # then another process may try
