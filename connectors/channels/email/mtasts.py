"""MTA-STS (RFC 8461): which servers a domain says are its own, told inside verified TLS; pure but for `fetch`."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from connectors.channels.email.connection import Deadline, Lost

_MOST = 64 * 1024  # bytes of a policy (§3.3 suggests this bound)
_LONGEST = 31_557_600  # seconds of max_age (§3.2)
_ID = re.compile(r"v=STSv1\s*;\s*id=([A-Za-z0-9]{1,32})\s*(?:;.*)?", re.DOTALL).fullmatch
_PATTERN = re.compile(
    r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
).fullmatch
_FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*(.*?)[ \t]*").fullmatch


class Mode(StrEnum):
    """What the domain asks of senders (§5)."""

    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class StsPolicy:
    """`patterns`: of names of mail servers; `max_age` in seconds."""

    mode: Mode
    patterns: tuple[str, ...]
    max_age: int


def policy_id(texts: Sequence[str]) -> str | None:
    """The id that the TXT records of `_mta-sts.<domain>` tell; None unless exactly one is a policy's (§3.1)."""
    found = [text for text in texts if text.startswith("v=STSv1")]
    match = _ID(found[0]) if len(found) == 1 else None
    return match[1] if match else None


def parse_policy(body: bytes) -> StsPolicy | None:
    """The policy of a file, or None for one that is none (§3.2). Never raises."""
    if len(body) > _MOST:
        return None
    told: dict[str, str] = {}
    patterns: list[str] = []
    for line in body.decode("utf-8", "replace").splitlines():
        match = _FIELD(line)
        if match is None:
            continue
        if match[1] == "mx":
            patterns.append(match[2].lower())
        else:
            told.setdefault(match[1], match[2])
    return _policy(told, patterns)


def _policy(told: dict[str, str], patterns: list[str]) -> StsPolicy | None:
    mode, age = told.get("mode", ""), told.get("max_age", "")
    if told.get("version") != "STSv1" or mode not in Mode.__members__.values():
        return None
    if not re.fullmatch(r"[0-9]{1,10}", age) or not all(map(_PATTERN, patterns)) or not (patterns or mode == Mode.NONE):
        return None
    return StsPolicy(mode=Mode(mode), patterns=tuple(patterns), max_age=min(int(age), _LONGEST))


def matches(patterns: Sequence[str], host: str) -> bool:
    """Whether a server's name is one of `patterns`; `*.` stands for exactly one label (§4.1)."""
    rest = host.partition(".")[2]
    return any(one == host or (one.startswith("*.") and one[2:] == rest) for one in patterns)


def fetch(host: str, addresses: Sequence[str], port: int, context: ssl.SSLContext, deadline: Deadline) -> bytes | None:
    """The file at /.well-known/mta-sts.txt of `host`, or None: no redirect, a valid certificate, text, in time (§3.3)."""
    for address in addresses:
        try:
            with (
                socket.create_connection((address, port), timeout=deadline.left()) as sock,
                context.wrap_socket(sock, server_hostname=host) as inside,
            ):
                return _got(inside, host, deadline)
        except (OSError, Lost, ValueError, http.client.HTTPException):
            continue
    return None


def _got(inside: ssl.SSLSocket, host: str, deadline: Deadline) -> bytes | None:
    inside.settimeout(deadline.left())
    inside.sendall(
        f"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("ascii")
    )
    answer = http.client.HTTPResponse(inside)
    answer.begin()
    if answer.status != 200 or answer.headers.get_content_type() != "text/plain":
        return None
    body = b""
    while piece := answer.read(4096):
        body += piece
        inside.settimeout(deadline.left())
        if len(body) > _MOST:
            return None
    return body
