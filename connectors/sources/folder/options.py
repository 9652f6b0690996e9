"""The folder part of a source's section in caregate.yaml: checked whole, wrong settings named but never quoted."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from connectors.sources.drops.options import DropOptions, Name
from connectors.sources.options import Size
from gateway.er7.batchack import BatchAck
from gateway.model.event import Format


class FolderOptions(DropOptions):
    """Sizes in bytes."""

    format: Format = Format.HL7V2  # FHIR: NDJSON, resources, Bundles of any size
    replies: Name = "replies"
    batch_ack: BatchAck | None = None  # no reply files (B-03)
    max_message: Annotated[Size, Field(ge=1_024, le=1 << 30)] = 16 << 20

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if len({self.done, self.failed, self.replies}) < 3:
            raise ValueError("done, failed and replies must be three folders")
        if self.format is Format.FHIR and self.batch_ack is not None:
            raise ValueError("batch_ack: only batches of HL7 v2 are answered")
        if self.format is Format.TABLE:
            raise ValueError("format: rows in files are a source of `kind: tables`")
        return self
