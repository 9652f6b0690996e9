"""The HTTP part of a source's section in caregate.yaml: checked whole, wrong settings named but never quoted."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from connectors.durations import Seconds
from connectors.networks import Networks
from connectors.sources.doors import ServedPath
from connectors.sources.options import Size
from gateway.er7.ack import AckMode
from gateway.er7.batchack import BatchAck


class OnFailure(StrEnum):
    """How trouble of our own is told (A-04)."""

    REJECT = "reject"  # 200 with AR 207
    UNAVAILABLE = "unavailable"  # 503: for senders that give up on any negative answer


class BearerOptions(BaseModel):
    """One token; several let it be changed without an interruption."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    token: Annotated[SecretStr, Field(min_length=16, max_length=4_096)]


class BasicOptions(BaseModel):
    """One account (RFC 7617)."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    username: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^:\x00-\x1f\x7f]+$")]
    password: Annotated[SecretStr, Field(min_length=1, max_length=1_024)]


class HttpOptions(BaseModel):
    """Times in seconds, sizes in bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    path: ServedPath | None = None  # /hl7/<name of the source>
    bearer: tuple[BearerOptions, ...] = ()  # H-06
    basic: tuple[BasicOptions, ...] = ()
    allow: Networks = ()  # empty: any address
    plaintext: bool = False  # needed, with `allow`, behind a proxy that ends TLS
    max_body: Annotated[Size, Field(ge=1_024, le=1 << 30)] = 16 << 20  # as F-11
    body_timeout: Annotated[Seconds, Field(gt=0)] = 30.0  # for a whole body
    max_waiting: int = Field(default=8, ge=1, le=1_000)  # requests at a time; further ones are asked to come again
    stop_timeout: Seconds = 10.0  # to answer what is in hand when stopping (F-16)
    ack_mode: Literal[AckMode.AUTO, AckMode.ORIGINAL] = AckMode.AUTO  # one request, one answer: no enhanced mode
    batch_ack: BatchAck = BatchAck.ALL  # B-03
    on_failure: OnFailure = OnFailure.REJECT

    @property
    def authenticates(self) -> bool:
        """Whether callers must show a token or a password."""
        return bool(self.bearer or self.basic)
