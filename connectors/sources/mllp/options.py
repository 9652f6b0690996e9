"""The MLLP part of a source's section in caregate.yaml: checked whole, wrong settings named but never quoted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from connectors.durations import Seconds
from connectors.networks import Networks, admits
from connectors.sources.options import Size, several
from gateway.er7.ack import AckMode
from gateway.er7.batchack import BatchAck
from gateway.model.errors import ConfigError


class OnBrokenFrame(StrEnum):
    """What follows a frame whose 1C is not followed by 0D (F-04)."""

    CLOSE = "close"
    RESYNC = "resync"


class Refusal(StrEnum):
    """How a message without MSH (A-07), or one that met trouble of ours (A-04), is turned away."""

    REJECT = "reject"  # AR
    CLOSE = "close"  # no reply; the sender finds its connection closed and sends again


class AckChannel(StrEnum):
    """Where application acknowledgements go in enhanced mode (A-13, A-14)."""

    SAME = "same"  # behind the accept acknowledgement, on the connection the message came on
    SEPARATE = "separate"  # an exchange of our own, to `app_ack_to`


def _address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise ValueError("write where to send as host:port")
    return value


Several = BeforeValidator(several)
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class PeerOptions(BaseModel):
    """One certificate and the senders it may speak for (TL-03)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    certificate: Annotated[str, Field(min_length=1)]  # subject CN, a SAN, or SHA-256 of the certificate in hex
    applications: Annotated[tuple[str, ...], Several] = ()  # MSH-3, or MSH-3|MSH-4; empty: any

    def matches(self, fingerprint: str, names: frozenset[str]) -> bool:
        """Whether this entry means a certificate: `fingerprint` in lower-case hex, `names` in lower case."""
        told = self.certificate.casefold()
        plain = told.removeprefix("sha256:").replace(":", "")
        return plain == fingerprint if _FINGERPRINT.fullmatch(plain) else told in names

    @property
    def pairs(self) -> tuple[tuple[str, str | None], ...]:
        """(MSH-3, MSH-4), the latter None where any facility may follow."""
        parted = (one.partition("|") for one in self.applications)
        return tuple((name, facility if bar else None) for name, bar, facility in parted)


class TlsOptions(BaseModel):
    """The certificates of a link; both sides must show one (TL-01)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    certificate: Path  # PEM, with the intermediate ones behind it
    key: Path  # PEM
    passphrase: str | None = Field(default=None, repr=False)
    client_ca: Path | None = None  # either: who these sign
    client_certificates: Annotated[tuple[Path, ...], Several] = ()  # or: exactly these (TL-02)
    minimum: Literal["1.2", "1.3"] = "1.2"
    peers: tuple[PeerOptions, ...] = ()
    handshake_timeout: Annotated[Seconds, Field(gt=0)] = 10.0
    reload: Annotated[Seconds, Field(gt=0)] = 60.0  # how often the files are looked at (TL-05)

    @model_validator(mode="after")
    def _trusts_somebody(self) -> Self:
        if (self.client_ca is None) == (not self.client_certificates):
            raise ValueError("say whom to trust: either client_ca or client_certificates")
        return self


class MllpOptions(BaseModel):
    """Times in seconds, sizes in bytes; 0 turns a timer off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bind: str = "127.0.0.1"
    port: int = Field(default=2575, ge=0, le=65_535)  # registered for HL7 (F-17); 0: any free one
    allow: Networks = ()  # empty: any address
    plaintext: bool = False  # needed, with `allow`, to listen beyond loopback without TLS (TL-06)
    tls: TlsOptions | None = None
    max_frame: Annotated[Size, Field(ge=1_024, le=1 << 30)] = 16 << 20  # F-11
    max_connections: int = Field(default=64, ge=1, le=10_000)  # F-12
    in_flight: int = Field(default=1, ge=1, le=1_000)  # messages of one connection in the intake at once (F-09)
    idle_timeout: Seconds = 0.0  # feeds are silent for hours (F-13)
    frame_timeout: Seconds = 60.0  # from 0B to 1C 0D (F-14)
    stop_timeout: Seconds = 10.0  # to answer what is in hand when stopping (F-16)
    ack_mode: AckMode = AckMode.AUTO
    framing_error: OnBrokenFrame = OnBrokenFrame.CLOSE  # F-04
    no_header: Refusal = Refusal.REJECT
    on_failure: Refusal = Refusal.REJECT
    release: Annotated[int, Field(ge=1, le=2)] = 1  # of MLLP; 2 adds commit acknowledgements (M2-01)
    commit_timeout: Annotated[Seconds, Field(gt=0)] = 10.0  # release 2: for the sender's 06 to our block (M2-04)
    commit_retries: int = Field(default=2, ge=0, le=100)
    app_ack_channel: AckChannel = AckChannel.SAME
    app_ack_to: Annotated[str, AfterValidator(_address)] | None = None
    batch_ack: BatchAck = BatchAck.ALL  # what the reply to a batch in a frame holds (B-03)
    sequence: bool = False  # the sequence number protocol of MSH-13 (D-07)

    @model_validator(mode="after")
    def _safe_to_open(self) -> Self:
        if self.tls is None and not _is_loopback(self.bind) and not (self.plaintext and self.allow):
            raise ValueError(
                "beyond loopback a link needs tls; inside a VPN or tunnel, plaintext: yes and the senders' addresses "
                "in allow"
            )
        if self.tls is not None and self.plaintext:
            raise ValueError("a link is either tls or plaintext")
        return self

    @model_validator(mode="after")
    def _has_a_way_back(self) -> Self:
        separate = self.app_ack_channel is AckChannel.SEPARATE
        if separate and (self.app_ack_to is None or self.ack_mode is not AckMode.ENHANCED):
            raise ValueError("app_ack_channel: separate needs ack_mode: enhanced and app_ack_to")
        if self.app_ack_to is not None and not separate:
            raise ValueError("app_ack_to is only for app_ack_channel: separate")
        return self

    def way_back(self) -> tuple[str, int]:
        """Host and port of `app_ack_to`, which must be set."""
        assert self.app_ack_to is not None
        host, _, port = self.app_ack_to.rpartition(":")
        return host.strip("[]"), int(port)

    def admits(self, host: str) -> bool:
        """Whether a sender at this address may connect (TL-06); an address that is none is refused."""
        return admits(self.allow, host)


def _is_loopback(bind: str) -> bool:
    try:
        return ip_address(bind).is_loopback
    except ValueError:
        return bind == "localhost"


def read_options(name: str, options: Mapping[str, object]) -> MllpOptions:
    """The options of source `name`; raises ConfigError naming every wrong setting, without its value."""
    try:
        return MllpOptions.model_validate(dict(options))
    except ValidationError as error:
        problems = [
            f"source {name}: {_at(detail['loc'])}{_sentence(detail['type'], detail['msg'], detail['loc'])}"
            for detail in error.errors(include_url=False, include_context=False, include_input=False)
        ]
    raise ConfigError(*problems) from None


def _at(place: tuple[int | str, ...]) -> str:
    return ".".join(map(str, place)) + ": " if place else ""


def _sentence(kind: str, message: str, place: tuple[int | str, ...]) -> str:
    if kind == "extra_forbidden":
        model = MllpOptions if len(place) == 1 else TlsOptions if len(place) == 2 else PeerOptions
        return "there is no such setting; known are " + ", ".join(sorted(model.model_fields))
    return message.removeprefix("Value error, ")
