"""What every queue may be told: how much is in hand at once, and how long a message may be."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from connectors.durations import Seconds
from connectors.sources.options import Size
from gateway.er7.batch import LIMIT
from gateway.model.event import Format, Release


class QueueOptions(BaseModel):
    """Times in seconds, sizes in bytes. At most `prefetch` messages are in hand, of which `batch` are settled at once."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    format: Format = Format.HL7V2
    release: Release | None = None  # of FHIR: these three are the gateway's own, which reads by them
    base: str | None = None
    also: tuple[str, ...] | None = None
    prefetch: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    batch: Annotated[int, Field(ge=1, le=5_000)] = 250
    max_message: Annotated[Size, Field(ge=1_024, le=1 << 30)] = LIMIT
    reconnect: Annotated[Seconds, Field(ge=0.1, le=3_600)] = 30.0  # the longest pause between two tries
    stop_timeout: Annotated[Seconds, Field(ge=0.1, le=3_600)] = 10.0
