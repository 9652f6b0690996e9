"""How a FHIR server is asked, as caregate.yaml says under `client`: who we are there, and the limits of every exchange."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.durations import Seconds
from connectors.sources.fhir.client.addresses import safe_url
from connectors.sources.fhir.client.keys import key_of
from connectors.sources.fhir.client.scopes import covers
from connectors.sources.options import Size, Texts


def _url(value: str) -> str:
    safe_url(value)
    return value


def _pem(value: SecretStr) -> SecretStr:
    key_of(value.get_secret_value())
    return value


Url = Annotated[str, Field(max_length=2_000), AfterValidator(_url)]
_Scopes = Annotated[Texts, Field(min_length=1, max_length=64)]


class KeyOptions(BaseModel):
    """One key pair of ours: an RSA key of 2048 bits or more, or one on P-384."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    private_key: Annotated[SecretStr, AfterValidator(_pem)]  # PEM; file:keys/ehr.pem
    kid: str | None = Field(default=None, pattern=r"^[\x21-\x7e]{1,128}$")  # its thumbprint (RFC 7638) unless told


class SmartOptions(BaseModel):
    """SMART Backend Services: who we are is signed. The first key signs; the others are published, for a rotation (O-06)."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    client_id: str = Field(pattern=r"^[\x21-\x7e]{1,256}$")
    keys: tuple[KeyOptions, ...] = Field(min_length=1, max_length=4)
    scope: _Scopes = ("system/*.rs",)  # system/*.read at servers of version 1
    token_url: Url | None = None  # else as the server's smart-configuration tells (O-01)
    jku: Url | None = None  # our key set's registered address, where a server wants it in the header
    lifetime: Annotated[Seconds, Field(ge=10, le=270)] = 240.0  # of an assertion; five minutes at most (O-03)

    def lets_write(self, kind: str) -> bool:
        """Whether a scope that is asked for allows to create and update a type."""
        return covers(self.scope, f"system/{kind}.cu")


class BearerOptions(BaseModel):
    """A token that somebody else renews."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    token: Annotated[SecretStr, Field(min_length=8, max_length=8_192)]


class ClientOptions(BaseModel):
    """Times in seconds, sizes in bytes. Without `smart` and `bearer` nothing is shown (a server of this machine)."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    smart: SmartOptions | None = None
    bearer: BearerOptions | None = None
    ca_file: Path | None = None  # who vouches for the server, where the system's authorities do not
    timeout: Annotated[Seconds, Field(ge=0.1, le=600)] = 30.0  # of one exchange as a whole
    max_body: Annotated[Size, Field(ge=1_024, le=1 << 30)] = 32 << 20  # of one answer, unpacked
    connections: int = Field(default=4, ge=1, le=64)  # at a time
    rate: float = Field(default=10.0, gt=0, le=1_000)  # requests a second
    patience: Annotated[Seconds, Field(ge=0, le=3_600)] = (
        120.0  # for a server that says "not now", in the middle of paging
    )

    @model_validator(mode="after")
    def _one_proof(self) -> ClientOptions:
        if self.smart is not None and self.bearer is not None:
            raise ValueError("smart and bearer: choose one of the two")
        return self
