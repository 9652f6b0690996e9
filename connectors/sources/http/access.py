"""Who may post: addresses and credentials are judged before a byte of the body is read (H-06)."""

from __future__ import annotations

import base64
from binascii import Error as Base64Error
from collections.abc import Sequence
from enum import StrEnum

from connectors.networks import admits
from connectors.sources.doors import digest, fitting
from connectors.sources.http.options import HttpOptions


class Judgement(StrEnum):
    """What is made of a caller."""

    WELCOME = "welcome"
    STRANGER = "stranger"  # its address is not listed: 403
    UNPROVEN = "unproven"  # no credentials: 401
    WRONG = "wrong"  # the wrong ones: 401


class Access:
    """Judges callers by the options of one source. Comparisons take the same time whatever differs."""

    def __init__(self, options: HttpOptions) -> None:
        self._options = options
        self._known = {
            "bearer": [digest(one.token.get_secret_value().encode()) for one in options.bearer],
            "basic": [digest(f"{one.username}:{one.password.get_secret_value()}".encode()) for one in options.basic],
        }

    @property
    def challenges(self) -> tuple[str, ...]:
        """Values of WWW-Authenticate (RFC 9110 §11.6.1)."""
        bearer = ('Bearer realm="caregate"',) if self._options.bearer else ()
        basic = ('Basic realm="caregate", charset="UTF-8"',) if self._options.basic else ()
        return bearer + basic

    def judge(self, host: str, authorization: Sequence[bytes]) -> Judgement:
        """`host`: the caller's address. `authorization`: the values of that header, of which there may be one."""
        if not admits(self._options.allow, host):
            return Judgement.STRANGER
        if not self._options.authenticates:
            return Judgement.WELCOME
        if not authorization:
            return Judgement.UNPROVEN
        return Judgement.WELCOME if len(authorization) == 1 and self._proves(authorization[0]) else Judgement.WRONG

    def _proves(self, value: bytes) -> bool:
        scheme, _, rest = value.partition(b" ")
        kind = scheme.lower().decode("latin-1")
        shown = _decoded(rest.strip()) if kind == "basic" else rest.strip()
        return fitting(digest(shown), self._known.get(kind, [])) is not None


def _decoded(value: bytes) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (Base64Error, ValueError):
        return b""
