"""The `channels: email:` section of the configuration: whatever it says, nothing that needs TLS goes without (EM-02)."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator

from connectors.channels.email.bounces.options import DOMAIN, STRICT, BounceOptions
from gateway.model.errors import ConfigError

_HELLO = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]|\[IPv6:[0-9A-Fa-f:.]+\]"
).fullmatch


_NAME = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
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


class Delivery(StrEnum):
    """Whom messages are handed to."""

    RELAY = "relay"  # one server of the site or its provider
    DIRECT = "direct"  # the recipient's own, found in DNS


class DkimOptions(BaseModel):
    """One signing domain; `key` is a PEM file, its public half stands in DNS at `<selector>._domainkey.<domain>`."""

    model_config = STRICT

    domain: str = Field(max_length=253, pattern=DOMAIN)
    selector: str = Field(max_length=63, pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$")
    key: Path


class EmailOptions(BaseModel):
    """How messages leave and what is signed; `timeout` in seconds bounds one send as a whole.

    `relay_enforces_tls`: the operator's word that the relay passes nothing on without verified TLS; `requiretls` asks the
    relay for it message by message (RFC 8689). Without either a relay gets only what may go in clear (EM-09).
    """

    model_config = STRICT

    delivery: Delivery = Delivery.RELAY
    host: str | None = Field(default=None, min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:_-]+$")
    port: int | None = Field(default=None, ge=1, le=65535)
    tls: Tls = Tls.REQUIRED
    relay_enforces_tls: bool = False
    requiretls: bool = False
    partners: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    nameservers: tuple[str, ...] = ()
    private_servers: bool = False
    domain_connections: int | None = Field(default=None, ge=1, le=64)
    domain_per_minute: int | None = Field(default=None, ge=1, le=100_000)
    dkim: tuple[DkimOptions, ...] = ()
    bounces: BounceOptions | None = None
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

    @field_validator("partners")
    @classmethod
    def _partners_are_names(cls, partners: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        for domain, servers in partners.items():
            if not servers or not all(_NAME(name.removeprefix("*.")) for name in (domain, *servers)):
                raise ValueError("must be domains, each with its mail servers' names (one may begin with `*.`)")
        return {domain.lower(): tuple(one.lower() for one in servers) for domain, servers in partners.items()}

    @field_validator("nameservers")
    @classmethod
    def _nameservers_are_addresses(cls, servers: tuple[str, ...]) -> tuple[str, ...]:
        for one in servers:
            try:
                ipaddress.ip_address(nameserver(one)[0])
            except ValueError:
                raise ValueError("must be IP addresses, with `#port` behind if it is not 53") from None
        return servers

    @model_validator(mode="after")
    def _way_is_whole(self) -> EmailOptions:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        for problem in self._of_a_relay() if self.delivery is Delivery.RELAY else self._of_direct():
            raise ValueError(problem)
        return self

    def _of_a_relay(self) -> Iterator[str]:
        if self.host is None:
            yield "host: Field required"
        elif self.tls is Tls.OFF and not is_loopback(self.host):
            yield "tls: off is only for a relay on loopback; use required or implicit"
        if self.requiretls and self.tls is Tls.OFF:
            yield "requiretls: a relay offers it inside TLS only (RFC 8689)"
        if self.partners or self.nameservers or self.private_servers:
            yield "partners, nameservers and private_servers belong to delivery: direct"

    def _of_direct(self) -> Iterator[str]:
        if self.host is not None or self.username is not None or self.relay_enforces_tls or self.requiretls:
            yield "host, username, relay_enforces_tls and requiretls belong to delivery: relay"
        if self.tls is not Tls.REQUIRED:
            yield "tls: delivery: direct decides by message; leave it out"

    @property
    def at_port(self) -> int:
        """The port of the relay (submission, RFC 6409) or of recipients' servers."""
        return self.port or (587 if self.delivery is Delivery.RELAY else 25)


def read_options(name: str, options: Mapping[str, object]) -> EmailOptions:
    """The validated options of channel `name`; raises ConfigError with every problem and none of the values."""
    try:
        return EmailOptions.model_validate(dict(options))
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        raise ConfigError(*(_problem(name, one["loc"], one["msg"]) for one in found)) from None


def _problem(name: str, place: tuple[int | str, ...], said: str) -> str:
    said = said.removeprefix("Value error, ")
    option, colon, rest = said.partition(": ")
    if not place and colon and option in EmailOptions.model_fields:  # what concerns several options names the first
        place, said = (option,), rest
    return f"{'.'.join(('channels', name, *map(str, place)))}: {said}"


def nameserver(text: str) -> tuple[str, int]:
    """Address and port of "192.0.2.1" or "192.0.2.1#5353"; raises ValueError for a port that is no number."""
    address, _, port = text.partition("#")
    return address, int(port or 53)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this very machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
