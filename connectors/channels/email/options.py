"""The `channels: email:` section of the configuration; unencrypted mail is refused here, except to loopback (EM-02)."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from gateway.model.errors import ConfigError

_HELLO = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]|\[IPv6:[0-9A-Fa-f:.]+\]"
).fullmatch


def hello_name() -> str:
    """What to say in EHLO: this host's name without asking DNS, which can hang (RFC 5321 §4.1.4)."""
    name = socket.gethostname()
    return name if _HELLO(name) else "localhost"


class Tls(StrEnum):
    """How the connection to the relay is protected; verified in every case but the last."""

    REQUIRED = "required"  # STARTTLS (RFC 3207)
    IMPLICIT = "implicit"  # TLS from the first byte (RFC 8314)
    OFF = "off"  # loopback only


class EmailOptions(BaseModel):
    """Host and port of the relay, TLS, credentials; `timeout` in seconds bounds one send as a whole."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: str = Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:_-]+$")
    port: int = Field(default=587, ge=1, le=65535)
    tls: Tls = Tls.REQUIRED
    ca_file: Path | None = None
    username: str | None = Field(default=None, min_length=1, max_length=255)
    password: SecretStr | None = None
    hello: str = Field(default_factory=hello_name)
    timeout: float = Field(default=30.0, gt=0, le=600)
    connections: int = Field(default=4, ge=1, le=64)
    messages_per_connection: int = Field(default=100, ge=1)

    @field_validator("hello")
    @classmethod
    def _hello_is_a_name(cls, hello: str) -> str:
        if not _HELLO(hello):
            raise ValueError("must be a host name or an address in brackets")
        return hello

    @model_validator(mode="after")
    def _clear_text_stays_home(self) -> EmailOptions:
        if self.tls is Tls.OFF and not is_loopback(self.host):
            raise ValueError("tls: off is only for a relay on loopback; use required or implicit")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        return self


def read_options(name: str, options: Mapping[str, object]) -> EmailOptions:
    """The validated options of channel `name`; raises ConfigError with every problem and none of the values."""
    try:
        return EmailOptions.model_validate(dict(options))
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        raise ConfigError(*(_problem(name, one["loc"], one["msg"]) for one in found)) from None


def _problem(name: str, place: tuple[int | str, ...], said: str) -> str:
    path = ".".join(("channels", name, *map(str, place)))
    return f"{path}: {said.removeprefix('Value error, ')}"


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this very machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
