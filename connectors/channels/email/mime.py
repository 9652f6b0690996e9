"""The bytes of a message: the header fields that are told and no others, and text that travels through every relay unchanged."""

from __future__ import annotations

from binascii import b2a_qp
from collections.abc import Sequence


def written(fields: Sequence[str], body: bytes) -> bytes:
    """A message with CRLF line ends (RFC 5322 §2.2). `fields`: each `Name: value`; `body`: of `part` or `either`."""
    return "\r\n".join((*fields, "MIME-Version: 1.0", "")).encode() + body


def part(subtype: str, text: str) -> bytes:
    """One text and the header fields that describe it, quoted-printable: 7-bit, short lines (RFC 2045 §6.7)."""
    lines = b"\r\n".join([*text.encode().splitlines(), b""]) or b"\r\n"
    kind = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    return kind.encode() + b2a_qp(lines)


def either(first: bytes, richer: bytes, mark: str) -> bytes:
    """Two parts that say the same (RFC 2046 §5.1.4). `mark`: a boundary that occurs in neither."""
    kind = f'Content-Type: multipart/alternative; boundary="{mark}"\r\n\r\n'
    line = f"--{mark}".encode()
    return b"%b%b\r\n%b\r\n%b\r\n%b\r\n%b--\r\n" % (kind.encode(), line, first, line, richer, line)
