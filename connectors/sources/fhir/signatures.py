"""Signed calls: the bytes as they came are what is signed, and a signature that tells its time is good once (S-32)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections import OrderedDict
from dataclasses import dataclass

from connectors.sources.exchange import Request
from connectors.sources.fhir.options import Scheme
from gateway.model.when import Millis

_MOST = 100_000  # calls remembered; further ones push out the oldest, and a duplicate still has no effect
_MOST_SHOWN = 5  # signatures of one call, under several secrets
_PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one signed call from another. `at`: when it was signed, None where the scheme does not tell."""

    mark: bytes
    at: Millis | None


def stamp_of(scheme: Scheme, request: Request) -> Stamp | None:
    """The stamp of a call that is signed like this; None when it is not."""
    if scheme is Scheme.MEDPLUM:
        shown = request.all(b"x-signature")
        return Stamp(shown[0], None) if len(shown) == 1 else None
    told = [request.all(name) for name in (b"webhook-id", b"webhook-timestamp", b"webhook-signature")]
    if any(len(one) != 1 for one in told):
        return None
    (name,), (at,), _ = told
    return Stamp(name + b"." + at, int(at) * 1_000) if at.isdigit() and len(at) <= 12 else None


def verifies(scheme: Scheme, secret: str, request: Request, body: bytes) -> bool:
    """Whether a call that has a stamp is signed with the secret."""
    if scheme is Scheme.MEDPLUM:
        expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()
        return hmac.compare_digest(expected, request.all(b"x-signature")[0].strip().lower())
    name, at, shown = (request.all(one)[0] for one in (b"webhook-id", b"webhook-timestamp", b"webhook-signature"))
    mac = hmac.new(_key(secret), b".".join((name, at, body)), hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(mac)
    return any(hmac.compare_digest(expected, one) for one in shown.split()[:_MOST_SHOWN])


def _key(secret: str) -> bytes:
    """Standard Webhooks writes secrets as whsec_ and base64; others are taken as they are."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret[len(_PREFIX) :], validate=True)
    except (binascii.Error, ValueError):
        return secret.encode()


class Replays:
    """Calls that were answered, for as long as their signature would still be good. Used on one event loop."""

    def __init__(self, span: Millis) -> None:
        self._span = span
        self._seen: OrderedDict[bytes, Millis] = OrderedDict()

    def first(self, mark: bytes, now: Millis) -> bool:
        """Whether a call is heard for the first time; from now on it is known."""
        while self._seen and (len(self._seen) >= _MOST or next(iter(self._seen.values())) < now - self._span):
            self._seen.popitem(last=False)
        if mark in self._seen:
            return False
        self._seen[mark] = now
        return True

    def forget(self, mark: bytes) -> None:
        """It was not answered: the sender may repeat it."""
        self._seen.pop(mark, None)
