"""Callers who show a signed token (OIDC): believed by the keys of the one issuer we know, and asked for no more often than needed."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx
import jwt

from connectors.sources.fhir.client.line import Line
from connectors.sources.fhir.client.options import ClientOptions
from connectors.sources.fhir.options import TokenOptions
from gateway.model.errors import ServerError

_ALGORITHMS = ["RS256", "RS384", "PS256", "ES256", "ES384"]  # never an HMAC: its key would be public
_KEPT = 6 * 3_600.0  # seconds that keys are believed
_PAUSE = 60.0  # between two questions: made-up key ids must not make us a nuisance
_TIMEOUT = 5.0
_LARGEST = 256 << 10
_LEEWAY = 60


class Issuer:
    """One issuer's tokens for one subject. Calls block, at worst while its keys are fetched."""

    def __init__(self, options: TokenOptions) -> None:
        self._options = options
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked = -_KEPT
        self._lock = threading.Lock()
        self._jwks = httpx.URL(options.jwks)
        self._line = Line(options.issuer, ClientOptions(timeout=_TIMEOUT, max_body=_LARGEST, connections=1))

    def believes(self, token: bytes) -> bool:
        """Whether it is signed by the issuer, for us, for the subject, and in force by the host's clock."""
        try:
            text = token.decode("ascii")
            key = self._key(jwt.get_unverified_header(text).get("kid"))
            told: dict[str, Any] = {} if key is None else self._claims(text, key)
        except (jwt.PyJWTError, UnicodeDecodeError, ValueError):
            return False
        who = self._options.subject
        verified = told.get("email") == who and told.get("email_verified") is True  # Google
        return verified or who in (told.get("sub"), told.get("azp"), told.get("appid"))  # Entra ID: v2.0, v1.0

    def _claims(self, text: str, key: jwt.PyJWK) -> dict[str, Any]:
        found: dict[str, Any] = jwt.decode(
            text,
            key,
            algorithms=_ALGORITHMS,
            audience=self._options.audience,
            issuer=self._options.issuer,
            leeway=_LEEWAY,
            options={"require": ["exp", "iat", "iss", "aud"]},
        )
        return found

    def _key(self, name: object) -> jwt.PyJWK | None:
        """By its id; unknown ones are asked for, once a minute."""
        with self._lock:
            age = time.monotonic() - self._asked
            if age > _KEPT or (name not in self._keys and age > _PAUSE):
                self._asked = time.monotonic()
                self._keys = self._fetched() or self._keys
            return self._keys.get(name) if isinstance(name, str) else None

    def _fetched(self) -> dict[str, jwt.PyJWK]:
        try:
            reply = self._line.ask("GET", self._jwks, {"Accept": "application/json"})
            keys = jwt.PyJWKSet.from_json(reply.body.decode()).keys if reply.status == 200 else []
        except (ServerError, jwt.PyJWTError, ValueError):
            return {}
        return {one.key_id: one for one in keys if one.key_id}
