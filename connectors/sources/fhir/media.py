"""What a body is said to be: FHIR's JSON of this source's release in UTF-8, plain or packed within bounds (S-25)."""

from __future__ import annotations

import zlib

from connectors.sources.exchange import Request, Unread
from gateway.model.event import Release

_TYPES = frozenset({"application/fhir+json", "application/json", "application/json+fhir"})  # the last: before STU3
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii"})
_VERSIONS = {
    Release.STU3: frozenset({"3.0"}),
    Release.R4: frozenset({"4.0", "4.3"}),  # servers of R4 with R4B's notifications exist
    Release.R4B: frozenset({"4.0", "4.3"}),
    Release.R5: frozenset({"5.0"}),
}
_GZIP = 16 + zlib.MAX_WBITS


def readable(request: Request, release: Release) -> bool:
    """Whether a body may be what we read. One that is not said to be anything may be empty (S-05)."""
    encodings = request.encodings
    if encodings not in ([], [b"gzip"], [b"x-gzip"]):
        return False
    told = request.all(b"content-type")
    if not told:
        return True
    if told == [b"application/fhir+json"]:
        return True
    header = request.content_type
    if header is None or header.get_content_type() not in _TYPES:
        return False
    charset, version = header.get_param("charset", "utf-8"), header.get_param("fhirversion")
    if not isinstance(charset, str) or charset.lower() not in _CHARSETS:
        return False
    return version is None or version in _VERSIONS[release]


def said(request: Request) -> bool:
    """Whether a body is said to be anything: one that is not must be empty."""
    return bool(request.all(b"content-type"))


def unpacked(request: Request, body: bytes, limit: int) -> bytes | Unread | None:
    """The body itself; TOO_LARGE where it would unpack to more than `limit` bytes, None where it is no gzip."""
    if not request.encodings:
        return body
    stream = zlib.decompressobj(_GZIP)
    try:
        found = stream.decompress(body, limit + 1)
    except zlib.error:
        return None
    if len(found) > limit:
        return Unread.TOO_LARGE
    return found if stream.eof and not stream.unused_data else None
