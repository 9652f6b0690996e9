"""The `channels: sms:` section of the configuration; what travels in clear never leaves this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from connectors.durations import Seconds
from connectors.networks import Networks
from gateway.model.errors import ConfigError

_E164 = re.compile(r"\+[1-9]\d{6,14}").fullmatch
_SHORT_CODE = re.compile(r"\d{3,8}").fullmatch
_SERVICE = re.compile(r"MG[0-9A-Za-z-]{8,62}").fullmatch


def _sender(value: str) -> str:
    if not (_E164(value) or _SHORT_CODE(value) or _SERVICE(value)):
        raise ValueError("write a number as +13125550100, a short code, or the id of a messaging service (MG…)")
    return value


def _url(value: str) -> str:
    parts = split(value)
    if parts is None or not parts.hostname or parts.scheme not in ("https", "http"):
        raise ValueError("must be a URL like https://gateway.lakeside.example")
    if parts.username or parts.password or parts.query or parts.fragment or value.endswith("/"):
        raise ValueError("must have no name, password, query or slash at its end")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must be https; http is only for this machine")
    return value


Sender = Annotated[str, AfterValidator(_sender)]
Url = Annotated[str, AfterValidator(_url)]
Secret = Annotated[SecretStr, Field(min_length=16, max_length=200)]


class SmsOptions(BaseModel):
    """Times in seconds; `timeout` bounds one send as a whole."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    account: str = Field(pattern=r"^[A-Za-z0-9-]{2,64}$")
    auth_token: Secret  # what webhooks are signed with, and the password unless `api_key` is told
    old_auth_token: Secret | None = None  # still believed while it is changed
    api_key: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]{2,64}$")
    api_secret: Secret | None = None
    sender: Sender
    senders: Mapping[Annotated[str, Field(max_length=320)], Sender] = Field(default_factory=dict)
    public_url: Url  # where the provider reaches our webhooks
    base_url: Url = "https://api.twilio.com"
    consents_url: Url | None = None  # the provider's list of opt-outs is told at `/v1/Consents/Bulk` there
    ca_file: Path | None = None
    timeout: Annotated[Seconds, Field(gt=0, le=600)] = 10.0
    connections: int = Field(default=8, ge=1, le=64)
    validity: Annotated[Seconds, Field(ge=60, le=36_000)] = 3_600.0  # how long it may wait at the provider (SM-17)
    settle: Annotated[Seconds, Field(ge=60, le=86_400)] = 900.0  # then what is not listed never came (SM-07)
    plaintext: bool = False  # needed, with `allow`, behind a proxy that ends TLS
    allow: Networks = ()  # empty: any address; the signature decides
    max_waiting: int = Field(default=64, ge=1, le=1_000)  # webhooks at a time

    @model_validator(mode="after")
    def _key_and_secret(self) -> SmsOptions:
        if (self.api_key is None) != (self.api_secret is None):
            raise ValueError("api_key and api_secret belong together")
        return self

    @property
    def credentials(self) -> tuple[str, str]:
        """Name and password of the API."""
        if self.api_key is not None and self.api_secret is not None:
            return self.api_key, self.api_secret.get_secret_value()
        return self.account, self.auth_token.get_secret_value()

    @property
    def signing(self) -> tuple[str, ...]:
        """The tokens whose signature is believed."""
        told = (self.auth_token, self.old_auth_token)
        return tuple(one.get_secret_value() for one in told if one is not None)

    @property
    def all_senders(self) -> tuple[str, ...]:
        """Every number and service we write from, each once."""
        return tuple(dict.fromkeys((self.sender, *self.senders.values())))

    def sender_for(self, address: str) -> str:
        """The number or service that writes for the organization whose mail comes from `address` (SM-16)."""
        return self.senders.get(address, self.sender)


def read_options(name: str, options: Mapping[str, object]) -> SmsOptions:
    """The validated options of channel `name`; raises ConfigError with every problem and none of the values."""
    try:
        return SmsOptions.model_validate(dict(options))
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        raise ConfigError(*(_problem(name, one["loc"], one["msg"]) for one in found)) from None


def _problem(name: str, place: tuple[int | str, ...], said: str) -> str:
    return f"{'.'.join(('channels', name, *map(str, place)))}: {said.removeprefix('Value error, ')}"


def is_service(sender: str) -> bool:
    """Whether a sender is a messaging service rather than a number."""
    return _SERVICE(sender) is not None


def split(url: str) -> SplitResult | None:
    """The parts of a URL, its port checked; None for what is no URL, or holds blanks or control characters."""
    if not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this very machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
