"""Access tokens by SMART Backend Services: one is fetched for all threads, before the old one ends, and told to nobody else."""

from __future__ import annotations

import re
import secrets
import threading
import time
from typing import Any, Protocol
from urllib.parse import urlencode

import httpx
import jwt
import msgspec

from connectors.sources.fhir.client.addresses import Base, safe_url
from connectors.sources.fhir.client.keys import Key
from connectors.sources.fhir.client.line import Answer, Line
from connectors.sources.fhir.client.options import BearerOptions, SmartOptions
from connectors.sources.fhir.client.scopes import covers
from connectors.sources.fhir.client.waiting import retry_after
from connectors.sources.tally import Tally
from gateway.model.errors import Busy, Denied, Unusable
from gateway.ports import Clock

_EARLY = 30.0  # seconds before its end a token is renewed (O-05)
_DISCOVERED = 3_600.0  # seconds that a smart-configuration is believed
_REFUSED = 15.0  # seconds before a token is asked for again after a refusal
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}").fullmatch  # RFC 6750 §2.1, somewhat wider
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


class Tokens(Protocol):
    """What is shown to the server."""

    def token(self) -> str | None:
        """The bearer token; None: nothing is shown. Raises ServerError when none can be had."""
        ...

    def refused(self, token: str) -> bool:
        """The server did not take it: forget it. Whether another can be had."""
        ...


class FixedToken:
    """A token from the configuration, or nothing at all."""

    def __init__(self, options: BearerOptions | None) -> None:
        self._token = options.token.get_secret_value() if options else None

    def token(self) -> str | None:
        """Always the same."""
        return self._token

    def refused(self, token: str) -> bool:  # noqa: ARG002 - there is no other
        """There is no other."""
        return False


class SmartTokens:
    """client_credentials with private_key_jwt (SMART App Launch 2.2 "Backend Services"; RFC 7523).

    Threads that need a token while one is fetched wait for that one (O-05).
    """

    def __init__(
        self, base: Base, options: SmartOptions, keys: tuple[Key, ...], line: Line, clock: Clock, tally: Tally
    ) -> None:
        self._base = base
        self._options = options
        self._key = keys[0]
        self._line = line
        self._clock = clock
        self._tally = tally
        self._lock = threading.Lock()
        self._token: str | None = None
        self._until = 0.0
        self._shut = 0.0
        self._endpoint: httpx.URL | None = safe_url(options.token_url) if options.token_url else None
        self._believed = float("inf") if options.token_url else 0.0

    def token(self) -> str | None:
        """The one in force, fetched when it is about to end. Raises Busy, Denied (we are not known), Unusable."""
        with self._lock:
            if self._token is None or time.monotonic() >= self._until:
                if time.monotonic() < self._shut:  # who was refused does not ask at every resource again (O-08)
                    raise Denied("the token server refused us a moment ago", 401)
                self._fetch()
            return self._token

    def refused(self, token: str) -> bool:
        """Forget it, unless another thread has fetched a newer one meanwhile."""
        with self._lock:
            if self._token == token:
                self._token = None
        return True

    def _fetch(self) -> None:
        endpoint = self._discovered()
        form = {
            "grant_type": "client_credentials",
            "scope": " ".join(self._options.scope),
            "client_assertion_type": _ASSERTION,
            "client_assertion": self._assertion(str(endpoint)),  # a new one at every try (O-03)
        }
        asked = time.monotonic()
        answer = self._line.ask("POST", endpoint, _FORM, urlencode(form).encode())
        told = self._granted(answer)
        self._token = str(told["access_token"])
        lasts = told.get("expires_in")
        lasts = float(lasts) if isinstance(lasts, int | float) and lasts > 0 else _EARLY * 2
        self._until = asked + max(lasts - _EARLY, lasts / 2)  # of one that ends within a minute, half its time
        self._compare(told.get("scope"))

    def _assertion(self, audience: str) -> str:
        claims = {
            "iss": self._options.client_id,
            "sub": self._options.client_id,
            "aud": audience,
            "exp": self._clock.now() // 1000 + int(self._options.lifetime),  # no iat, no nbf: clocks differ (O-09)
            "jti": secrets.token_urlsafe(32),
        }
        headers = {"kid": self._key.kid, **({"jku": self._options.jku} if self._options.jku else {})}
        return jwt.encode(claims, self._key.private, algorithm=self._key.algorithm, headers=headers)

    def _granted(self, answer: Answer) -> dict[str, Any]:
        told = _object(answer)
        if answer.status == 200 and isinstance(told.get("access_token"), str):
            if str(told.get("token_type", "")).lower() != "bearer" or not _TOKEN(told["access_token"]):
                raise Unusable("the token server gave a token that is not a bearer token")
            return told
        said = f"the token server answered {answer.status}"
        if answer.status in (408, 425, 429) or answer.status >= 500:
            raise Busy(said, retry_after(answer.headers.get("retry-after"), None, self._clock.now()), answer.status)
        self._believed = 0.0 if self._options.token_url is None else self._believed  # it may have moved
        code = told.get("error")
        known = code if code in _ERRORS else None
        self._shut = time.monotonic() + _REFUSED
        self._tally.tell("fhir.token-refused", code=answer.status)
        raise Denied(said + (f" ({known}): {_ERRORS[known]}" if known else ""), 401)

    def _discovered(self) -> httpx.URL:
        """The token endpoint (O-01), asked for without a token."""
        if self._endpoint is not None and time.monotonic() < self._believed:
            return self._endpoint
        answer = self._line.ask("GET", self._base.at(".well-known/smart-configuration"), {"Accept": "application/json"})
        if answer.status >= 500 or answer.status == 429:
            raise Busy(f"the server's smart-configuration answered {answer.status}")
        told = _object(answer).get("token_endpoint") if answer.status == 200 else None
        self._endpoint = self._base.elsewhere(told)
        self._believed = time.monotonic() + _DISCOVERED
        return self._endpoint

    def _compare(self, granted: object) -> None:
        """Less than was asked for is worked with, and told (O-08)."""
        if not isinstance(granted, str) or not granted.strip():
            return  # RFC 6749 §5.1: as asked
        narrower = [scope for scope in self._options.scope if not covers(granted.split(), scope)]
        if narrower:
            self._tally.tell("fhir.scope-narrower", len(narrower))


_OURS = "it must know `client_id`, and our keys from /fhir/<name of the source>/.well-known/jwks.json"
_SCOPE = "it must let us have what `client.smart.scope` names"
_ERRORS = {  # RFC 6749 §5.2: what to mend
    "invalid_request": "it wants something else than SMART Backend Services asks with",
    "invalid_client": _OURS,
    "invalid_grant": _OURS,
    "unauthorized_client": _SCOPE,
    "invalid_scope": _SCOPE,
}


def _object(answer: Answer) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
