"""The Snowflake part of a source's section in caregate.yaml: checked whole, wrong settings named but never quoted."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from connectors.durations import Seconds
from connectors.snowflake.account import Account
from connectors.snowflake.names import Schema, Table


class Mode(StrEnum):
    """What of the table is read each time (SN-10)."""

    SNAPSHOT = "snapshot"  # all of it; needs SELECT alone
    WATERMARK = "watermark"  # what is newer than the newest that was read, by the mapping's `at`
    CHANGES = "changes"  # what changed, of a table whose owner tracks changes
    STREAM = "stream"  # what changed, through a stream in a schema of ours


class SnowflakeOptions(Account):
    """A login, and what is read with it. Times in seconds."""

    format: Literal["table"] = "table"  # it reads nothing else
    table: Table  # a table, view, share's view or dynamic table
    view: bool = False  # `mode: stream`: a stream on a view is made otherwise
    mode: Mode = Mode.SNAPSHOT
    own: Schema | None = None  # `mode: stream`: where we may make things
    overlap: Annotated[Seconds, Field(ge=0, le=30 * 86_400)] = 3_600.0  # what is committed late (SN-12)
    every: Annotated[Seconds, Field(ge=10, le=7 * 86_400)] = 900.0  # from the end of one extract to the next
    chunk: int = Field(default=1_000, ge=1, le=20_000)  # rows in one transaction
    stop_timeout: Seconds = 10.0

    @model_validator(mode="after")
    def _owns(self) -> Self:
        if (self.mode is Mode.STREAM) is not (self.own is not None):
            raise ValueError("own: tell DATABASE.SCHEMA for `mode: stream`, and only there")
        return self
