"""What sources that are posted to share: on which doors one may stand open, its path, and credentials compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator

from connectors.networks import Network
from gateway.ports import Door

_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]{1,100}){1,8}")
_OURS = ("/health", "/metrics")


def _path(value: str) -> str:
    if not _PATH.fullmatch(value) or ".." in value:
        raise ValueError("write a path as /hl7/lab, without a slash at its end")
    if value.startswith(_OURS):
        raise ValueError("this path is taken by Caregate's own pages")
    return value


ServedPath = Annotated[str, AfterValidator(_path)]


def unsafe(door: Door, *, plaintext: bool, allow: Sequence[Network], proven: bool, ways: str) -> list[str]:
    """Why patients' data or a feed would stand open on this door, in sentences for the operator (H-06, S-32).

    `plaintext`, `allow`: of its options. `proven`: callers must show a secret. `ways`: how they could, by option.
    """
    if plaintext and door.tls:
        return ["plaintext: the server it is mounted on has `api.tls`: remove one of the two"]
    if door.loopback:
        return []
    if plaintext:
        return [] if allow else ["plaintext: name the addresses of the proxy that ends TLS in `allow`"]
    if not door.tls:
        return [
            "beyond loopback it needs `api.tls`; behind a proxy that ends TLS, plaintext: yes and its address in allow"
        ]
    if not (proven or door.certificates):
        return [f"beyond loopback callers must prove who they are: {ways}, or `api.tls.client_ca`"]
    return []


def digest(secret: bytes) -> bytes:
    """What of a secret is compared: always of one length."""
    return hashlib.sha256(secret).digest()


def fitting(shown: bytes, known: Sequence[bytes]) -> int | None:
    """Which of the known digests it is. Every one is compared: how many there are and which fits must not show in the time."""
    fits = [hmac.compare_digest(shown, one) for one in known]
    return fits.index(True) if True in fits else None
