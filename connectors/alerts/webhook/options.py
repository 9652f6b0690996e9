"""The options of a webhook: an https URL and the secret it is signed with; clear text stays on this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from gateway.model.errors import ConfigError

SHORTEST = 16  # characters of the secret


class WebhookOptions(BaseModel):
    """`url` may itself be a secret (many services put a token into it): `env:NAME` or `file:PATH` keep it out of the file.

    `timeout`: seconds for one telling as a whole. `ca_file`: PEM authorities to trust instead of the system's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: SecretStr
    secret: SecretStr
    ca_file: Path | None = None
    timeout: float = Field(default=10.0, gt=0, le=60)

    @field_validator("url")
    @classmethod
    def _url_is_safe(cls, url: SecretStr) -> SecretStr:
        parts = split(url.get_secret_value())
        if parts is None or not parts.hostname or parts.scheme not in ("https", "http"):
            raise ValueError("must be a URL like https://ops.lakeside.example/hooks/caregate")
        if parts.username or parts.password:
            raise ValueError("must not carry a name or password: the signature proves who tells")
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise ValueError("must be https; http is only for this machine")
        return url

    @field_validator("secret")
    @classmethod
    def _secret_is_long(cls, secret: SecretStr) -> SecretStr:
        if len(secret.get_secret_value()) < SHORTEST:
            raise ValueError(f"must have at least {SHORTEST} characters")
        return secret


def read_options(name: str, options: Mapping[str, object]) -> WebhookOptions:
    """The validated options of sink `name`; raises ConfigError with every problem and none of the values."""
    try:
        return WebhookOptions.model_validate(dict(options))
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        raise ConfigError(*(_problem(name, one["loc"], one["msg"]) for one in found)) from None


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


def _problem(name: str, place: tuple[int | str, ...], said: str) -> str:
    return f"{'.'.join(('alerts', name, *map(str, place)))}: {said.removeprefix('Value error, ')}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
