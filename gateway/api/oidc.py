"""Bearer tokens of the site's own identity provider: RS256 and ES256 alone, for us, in time, and of a key it publishes now."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt

from gateway.model.access import Caller, Refusal, Role
from gateway.model.errors import ConfigError, StoreUnavailable
from gateway.model.when import MINUTE, SECOND, Millis
from gateway.ports import Clock
from gateway.telemetry import log

ALGORITHMS = {"RS256": "RSA", "ES256": "EC"}
"""What we take (RFC 8725 §3.1): asymmetric only, so that a published key can never be taken for a shared secret."""
LONGEST_TOKEN = 8_192
_LEEWAY: Millis = 60 * SECOND
_FRESH: Millis = 10 * MINUTE
_STALE: Millis = 60 * MINUTE  # so long a provider that is away is taken at its last word
_PAUSE: Millis = 30 * SECOND  # between two fetches that somebody's unknown key id asks for
_MOST_BYTES = 256 * 1024
_WORD = re.compile(r"[\x21-\x7e]{1,255}")  # OIDC Core 2: sub is ASCII, 255 at most
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Whose tokens are taken. `roles`: which value of the claim gives which role. `jwks`: where its keys are, if told."""

    issuer: str
    audience: str
    roles_claim: str
    roles: Mapping[str, Role]
    jwks: str | None = None


Fetch = Callable[[str], bytes]
"""GET of a URL: its body, at most 256 KiB. Raises OSError or httpx.HTTPError."""


class Tokens:
    """Checks tokens of one provider; thread-safe. Keys are fetched when first needed and kept for ten minutes."""

    def __init__(self, provider: Provider, clock: Clock, fetch: Fetch | None = None) -> None:
        for url in (provider.issuer, provider.jwks or provider.issuer):
            if not _is_safe(url):
                raise ConfigError("api.oidc: issuer and jwks must be https:// (http:// on this machine only)")
        self._provider = provider
        self._clock = clock
        self._fetch = fetch or _get
        self._lock = threading.Lock()
        self._keys: dict[str, Any] = {}
        self._at: Millis | None = None
        self._tried: Millis | None = None

    def check(self, token: str) -> Caller | Refusal:
        """Who shows it, or why it is not taken; nothing of the token is kept, logged or raised.

        Raises StoreUnavailable while the provider's keys cannot be had: nobody is let in, nobody is called a liar.
        """
        if len(token) > LONGEST_TOKEN:
            return Refusal.TOKEN_INVALID
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            return Refusal.TOKEN_INVALID
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS or not isinstance(kid, str) or "crit" in header:
            return Refusal.TOKEN_INVALID
        key = self._key(kid)
        if key is None or key.key_type != ALGORITHMS[algorithm] or not _is_strong(key):
            return Refusal.TOKEN_INVALID
        claims = self._claims(token, key, algorithm)
        return Refusal.TOKEN_INVALID if claims is None else self._caller(claims)

    def _claims(self, token: str, key: Any, algorithm: str) -> dict[str, Any] | None:
        # times are checked by our own clock, below (law 4)
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": ["exp", "sub"]}
        try:
            return jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=self._provider.audience,
                issuer=self._provider.issuer,
                options=options,
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return None

    def _caller(self, claims: dict[str, Any]) -> Caller | Refusal:
        now = self._clock.now()
        times = [claims.get(name) for name in ("exp", "nbf", "iat")]
        if not all(one is None or _is_time(one) for one in times):
            return Refusal.TOKEN_INVALID
        expires, begins, issued = (None if one is None else int(one * 1000) for one in times)
        if expires is None or any(one is not None and one > now + _LEEWAY for one in (begins, issued)):
            return Refusal.TOKEN_INVALID
        if now >= expires + _LEEWAY:
            return Refusal.TOKEN_EXPIRED
        subject, identity = claims.get("sub"), claims.get("jti", "-")
        if not all(isinstance(one, str) and _WORD.fullmatch(one) for one in (subject, identity)):
            return Refusal.TOKEN_INVALID
        # AU-03: of a JWT its jti, iss and sub; never the token
        account = f"oidc:{subject} iss={self._provider.issuer} jti={identity}"
        roles = self._roles(claims.get(self._provider.roles_claim))
        return Caller(account=account, roles=roles, until=expires) if roles else Refusal.NO_ROLE

    def _roles(self, told: object) -> frozenset[Role]:
        words = told.split() if isinstance(told, str) else told if isinstance(told, list) else []
        return frozenset(
            self._provider.roles[word] for word in words if isinstance(word, str) and word in self._provider.roles
        )

    # -- the provider's keys

    def _key(self, kid: str) -> Any:
        now, known, at = self._clock.now(), self._keys, self._at
        if at is not None and now - at < _FRESH and kid in known:
            return known[kid]  # whoever made a key id up, and waits for the provider, keeps nobody else waiting
        with self._lock:
            if self._at is None or now - self._at >= _FRESH or (kid not in self._keys and self._may_try(now)):
                self._renew(now)
            return self._keys.get(kid)

    def _may_try(self, now: Millis) -> bool:
        return self._tried is None or now - self._tried >= _PAUSE

    def _renew(self, now: Millis) -> None:
        usable = self._at is not None and now - self._at < _STALE
        if not self._may_try(now):
            if not usable:
                raise StoreUnavailable("the identity provider's keys cannot be had at this moment")
            return
        self._tried = now
        try:
            self._keys, self._at = self._fetched(), now
        except (OSError, httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            log().warning("access.keys-not-fetched", error=type(error).__name__)
            if not usable:
                raise StoreUnavailable("the identity provider's keys cannot be had at this moment") from None

    def _fetched(self) -> dict[str, Any]:
        url = self._provider.jwks
        if url is None:
            told = json.loads(self._fetch(f"{self._provider.issuer.rstrip('/')}/.well-known/openid-configuration"))
            url = told["jwks_uri"]
            # OIDC Discovery 4.3: it speaks of the very issuer we asked
            if told["issuer"] != self._provider.issuer or not isinstance(url, str) or not _is_safe(url):
                raise ValueError("not the provider's own description")
        found: dict[str, Any] = {}
        for one in json.loads(self._fetch(url))["keys"]:
            if one.get("use", "sig") == "sig" and isinstance(one.get("kid"), str):
                key = _loaded(one)
                if key is not None:
                    found[one["kid"]] = key
        return found


def _is_time(told: object) -> bool:
    """RFC 7519 §2 NumericDate: seconds, perhaps with a fraction; not for ever."""
    return isinstance(told, int | float) and not isinstance(told, bool) and 0 <= told < 2**40


def _loaded(told: dict[str, Any]) -> Any:
    """A published key of the two kinds we take, else None; what kind it is, the key says, never the token."""
    algorithm = {"RSA": "RS256", "EC": "ES256"}.get(str(told.get("kty")))
    if algorithm is None or told.get("alg", algorithm) != algorithm:
        return None
    try:
        return jwt.PyJWK(told, algorithm=algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None


def _is_strong(key: Any) -> bool:
    """RSA from 2048 bits (RFC 7518 §3.3); ES256 is P-256 and no other curve (§3.4)."""
    if key.key_type == "RSA":
        return bool(key.key.key_size >= 2048)
    return bool(key.key.curve.name == "secp256r1")


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    )


def _get(url: str) -> bytes:
    with httpx.Client(timeout=5.0, follow_redirects=False) as client, client.stream("GET", url) as answer:
        answer.raise_for_status()
        body = b""
        for piece in answer.iter_bytes():
            body += piece
            if len(body) > _MOST_BYTES:
                raise ValueError("too long")
        return body
