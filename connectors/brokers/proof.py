"""Who is at both ends of a connection to a broker: nothing in the open beyond this machine unless somebody says so, and no proof half told."""

from __future__ import annotations

from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.durations import Seconds
from gateway.model.errors import Unusable
from gateway.model.when import Millis


class Proof(BaseModel):
    """Options that every kind of broker has; its address adds where it is. `timeout`: seconds for one answer, or to connect.

    The server's certificate and name are always checked; no option switches that off.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    at: ClassVar[str]  # the option that says whether it is encrypted
    encrypting: ClassVar[str]  # how it says so
    nameless: ClassVar[bool] = False  # whether a password alone is a login

    user: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    password: Annotated[SecretStr, Field(min_length=1, max_length=4_096)] | None = None
    ca: Path | None = None  # PEM; else whom the system trusts
    certificate: Path | None = None  # PEM: ours, with its key
    key: Path | None = None
    passphrase: SecretStr | None = None
    plaintext: bool = False  # needed beyond loopback where it is not encrypted
    timeout: Annotated[Seconds, Field(ge=1, le=600)] = 10.0

    @property
    def encrypted(self) -> bool:
        """Whether by TLS."""
        raise NotImplementedError

    @property
    def here(self) -> bool:
        """Whether every server it names is on this machine."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.encrypted and not self.plaintext and not self.here:
            raise ValueError(
                f"{self.at}: beyond loopback use {self.encrypting}, or say plaintext: yes where the network itself is safe"
            )
        if self.encrypted and self.plaintext:
            raise ValueError(f"plaintext: there is {self.encrypting}; remove one of the two")
        if not self.encrypted and (self.ca or self.certificate):
            raise ValueError(f"ca, certificate: they belong to {self.encrypting}")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together")
        if (self.user is None) != (self.password is None) and not (self.nameless and self.user is None):
            raise ValueError("user and password belong together")
        return self

    @property
    def certificate_ends(self) -> Millis | None:
        """When the first of our certificates ends, Millis; None where none is told, or none can be read."""
        if self.certificate is None:
            return None
        from cryptography import x509

        try:
            chain = x509.load_pem_x509_certificates(self.certificate.read_bytes())
        except (OSError, ValueError):
            return None  # told when it is to be shown
        return min(int(one.not_valid_after_utc.timestamp() * 1000) for one in chain)


def loopback(host: str | None) -> bool:
    """Whether a host, by its name or address, is this machine."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def client(module: str, extra: str) -> Any:
    """The broker's client, imported only by a process that has such a connector. Raises Unusable where it is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError:
        raise Unusable(f"its client is not installed: pip install 'caregate[{extra}]'") from None


def revealed(told: SecretStr | None) -> str | None:
    """The secret, for the client alone."""
    return None if told is None else told.get_secret_value()
