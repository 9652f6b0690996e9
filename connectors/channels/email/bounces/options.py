"""The `bounces:` part of the e-mail section: what comes back is read on loopback or inside TLS only."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

STRICT = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
DOMAIN = r"^(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"
# local part and token have 64 octets (RFC 5321 §4.5.3.1.1): 34 are left
_ADDRESS = r"^[A-Za-z0-9!#$%&'*/=?^_`{|}~.-]{1,34}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,180}[A-Za-z0-9])?$"


class ListenTls(BaseModel):
    """Our certificate and key, PEM files."""

    model_config = STRICT

    certificate: Path
    key: Path


class ListenOptions(BaseModel):
    """Where an SMTP server hands reports to us; `max_size` in bytes of one report."""

    model_config = STRICT

    bind: str = "127.0.0.1"
    port: int = Field(default=2526, ge=0, le=65535)
    tls: ListenTls | None = None
    max_size: int = Field(default=1024 * 1024, ge=4096, le=64 * 1024 * 1024)
    connections: int = Field(default=16, ge=1, le=256)

    @field_validator("bind")
    @classmethod
    def _is_an_address(cls, bind: str) -> str:
        ipaddress.ip_address(bind)
        return bind

    @model_validator(mode="after")
    def _clear_text_stays_home(self) -> ListenOptions:
        if self.tls is None and not ipaddress.ip_address(self.bind).is_loopback:
            raise ValueError("beyond loopback it needs tls")
        return self


class MailboxOptions(BaseModel):
    """A mailbox that reports are fetched from, by IMAP inside TLS; `interval` and `timeout` in seconds.

    `keep`: leave what was taken in the mailbox, marked as seen.
    """

    model_config = STRICT

    host: str = Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:_-]+$")
    port: int = Field(default=993, ge=1, le=65535)
    username: str = Field(min_length=1, max_length=255)
    password: SecretStr
    folder: str = Field(default="INBOX", min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._/ -]+$")
    interval: float = Field(default=60.0, ge=1, le=86_400)
    timeout: float = Field(default=30.0, gt=0, le=600)
    ca_file: Path | None = None
    max_size: int = Field(default=1024 * 1024, ge=4096, le=64 * 1024 * 1024)
    keep: bool = False


class BounceOptions(BaseModel):
    """`address`: where bounces go; each message's own return path is made of it. `secret`: 32 characters or more.

    `delivered`: ask for reports of delivery too, where servers give them (RFC 3461).
    """

    model_config = STRICT

    address: str = Field(pattern=_ADDRESS)
    secret: SecretStr = Field(min_length=32)
    delivered: bool = False
    listen: ListenOptions | None = None
    mailbox: MailboxOptions | None = None
