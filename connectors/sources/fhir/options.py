"""The FHIR part of a source's section in caregate.yaml: checked whole, wrong settings named but never quoted."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.durations import Seconds
from connectors.networks import Networks
from connectors.sources.doors import ServedPath
from connectors.sources.fhir.asking import AskingOptions
from connectors.sources.fhir.clouds import Dialect
from connectors.sources.fhir.subscribing.resources import Secret
from connectors.sources.options import Size, Texts
from gateway.model.event import Release

_NEEDED = {"Communication": "cu", "Consent": "cu", "Subscription": "crud"}
_Secret = Annotated[SecretStr, Field(min_length=16, max_length=4_096)]


class Scheme(StrEnum):
    """How a call is signed."""

    MEDPLUM = "medplum"  # X-Signature: hex HMAC-SHA-256 over the raw body; no time in it
    STANDARD = "standard"  # Standard Webhooks: id and time are signed too, so that a replay is known


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Entitled(_Part):
    """What a proof stands for: empty, everything of this source (S-35)."""

    subscriptions: Texts = ()  # ids at the server, or the last part of the path they post to
    topics: Texts = ()  # canonical URLs


class _Limited(_Entitled):
    secret: _Secret


class KeyOptions(_Limited):
    """A header with a secret (S-06); several let one be changed without an interruption."""

    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")] = "X-Gateway-Key"  # Authorization: a bearer token


class SignatureOptions(_Limited):
    """A secret that calls are signed with."""

    scheme: Scheme = Scheme.MEDPLUM


def _https(value: str) -> str:
    url = urlsplit(value)
    if url.scheme != "https" and not (url.scheme == "http" and url.hostname in ("127.0.0.1", "localhost", "::1")):
        raise ValueError("must be https://")
    return value


_Url = Annotated[str, Field(max_length=500), AfterValidator(_https)]


class TokenOptions(_Entitled):
    """Callers who show a token that an issuer signed for them (OIDC), such as Pub/Sub push and Event Grid."""

    issuer: _Url
    jwks: _Url  # where its keys are
    audience: Annotated[str, Field(min_length=1, max_length=500)]
    subject: Annotated[str, Field(min_length=1, max_length=255)]  # a verified e-mail address, `sub`, `azp` or `appid`


class WriteBackOptions(_Part):
    """What the gateway tells the server: it is the one who writes, and here only what that needs is looked at."""

    communications: bool = False
    consents: bool = False


class FhirOptions(AskingOptions):
    """Times in seconds, sizes in bytes."""

    base: str | None = None  # told to every source of FHIR; from nowhere else is anything read (S-33)
    release: Release = Release.R4
    format: Literal["fhir"] = "fhir"  # it reads nothing else
    write_back: WriteBackOptions = WriteBackOptions()
    dialect: Dialect = Dialect.FHIR
    also: Texts = ()  # other URLs by which the server calls itself in references
    path: ServedPath | None = None  # /fhir/<name of the source>
    keys: tuple[KeyOptions, ...] = ()
    signatures: tuple[SignatureOptions, ...] = ()
    tokens: tuple[TokenOptions, ...] = ()
    signed_within: Annotated[Seconds, Field(ge=10, le=3_600)] = 300.0  # of a signature that tells its time
    allow: Networks = ()  # empty: any address
    plaintext: bool = False  # needed, with `allow`, behind a proxy that ends TLS
    max_body: Annotated[Size, Field(ge=1_024, le=256 << 20)] = 16 << 20  # also of what a packed one unpacks to
    body_timeout: Annotated[Seconds, Field(gt=0)] = 30.0  # for a whole body
    max_waiting: int = Field(default=64, ge=1, le=1_000)  # requests at a time; further ones are asked to come again
    stop_timeout: Seconds = 10.0  # to answer what is in hand when stopping (F-16)
    gap_wait: Seconds = 5.0  # for events that overtook each other, before the missing ones are asked for (S-19)
    heartbeat: Seconds = 0.0  # what the server promises; three times that without a word is looked into (S-17); 0: none

    def secret_of(self, name: str) -> Secret | None:
        """The header and secret that a subscription's notifications show: of the first key that stands for it (S-06)."""
        for key in self.keys:
            if not key.subscriptions or name in key.subscriptions:
                bare = key.secret.get_secret_value()
                return key.header, f"Bearer {bare}" if key.header.lower() == "authorization" else bare
        return None

    @property
    def authenticates(self) -> bool:
        """Whether callers must prove who they are."""
        return bool(self.keys or self.signatures or self.tokens)

    @property
    def bases(self) -> tuple[str, ...]:
        """What the server calls itself."""
        return tuple(one.rstrip("/") for one in (self.base, *self.also) if one)

    def heartbeat_of(self, subscription: str) -> float:
        """Seconds in which its server says something at least; 0: it promises nothing."""
        asked = self.subscribe.subscriptions.get(subscription)
        return asked.heartbeat if asked is not None and asked.heartbeat else self.heartbeat

    @model_validator(mode="after")
    def _bases(self) -> Self:
        if self.also and not self.base:
            raise ValueError("`also` needs `base`: what the server calls itself is read from there")
        asks = {"poll", "subscribe", "client", "fetch"} & self.model_fields_set
        if asks and not self.base:
            raise ValueError(f"`{min(asks)}` needs `base`: the server that is asked")
        return self

    @model_validator(mode="after")
    def _scopes(self) -> Self:
        """What will be written is asked for, or every write would be refused (W-01, S-01)."""
        wanted = {
            "Communication": self.write_back.communications,
            "Consent": self.write_back.consents,
            "Subscription": bool(self.subscribe.subscriptions),
        }
        smart = self.client.smart
        missing = [kind for kind, told in wanted.items() if told and smart is not None and not smart.lets_write(kind)]
        if missing:
            scopes = " ".join(f"system/{kind}.{_NEEDED[kind]}" for kind in missing)
            raise ValueError(
                f"client.smart.scope lets nobody write {', '.join(missing)}: add {scopes} (.write at servers of version 1)"
            )
        return self
