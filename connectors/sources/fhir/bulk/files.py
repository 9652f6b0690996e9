"""Files of an export come as lines, as far as the connection holds; who shows what to whom is settled here (K-05, K-11, K-12)."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from connectors.sources.fhir.bulk.manifest import File
from connectors.sources.fhir.client.line import Stream
from connectors.sources.fhir.client.server import FhirServer
from connectors.sources.fhir.client.waiting import http_date, retry_after
from gateway.fhirfile import lines
from gateway.fhirscan import Found
from gateway.model.errors import Busy, Missing, Unusable
from gateway.model.when import Millis

_WINDOW, _BYTES = 1_024, 8 << 20  # lines and bytes that are handed over, and noted, at a time
_HEADERS = {"Accept": "application/fhir+ndjson"}


class Expired(Missing):
    """The file is no longer where the manifest says: the manifest must be asked for again (K-11)."""


class Changed(Unusable):
    """The file begins with other lines than it did: it must be read as a new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Some lines of a file. `lines`: how many of it are read with them, `digest` what they say."""

    found: tuple[Found, ...]
    lines: int
    digest: str


@contextmanager
def opened(server: FhirServer, file: File, *, token: bool, now: Millis) -> Iterator[Stream]:
    """A file. With our token only at the configured server; without it wherever it lies, over TLS. Raises ServerError."""
    with server.streamed(_target(server, file, token=token), headers=_HEADERS, with_token=token) as stream:
        if stream.status in (401, 403, 404, 410):
            raise Expired(f"a file of the export answered {stream.status}", stream.status)
        if stream.status in (408, 425, 429) or stream.status >= 500:
            after = retry_after(stream.headers.get("retry-after"), http_date(stream.headers.get("date")), now)
            raise Busy(f"a file of the export answered {stream.status}", after)
        if stream.status != 200:
            raise Unusable(f"a file of the export answered {stream.status}", stream.status)
        yield stream


def windows(stream: Stream, *, limit: int, skip: int = 0, digest: str = "") -> Iterator[Window]:
    """The lines of a file behind the first `skip`, which must be the ones that `digest` was told with, else Changed."""
    told = hashlib.blake2b(digest_size=16)
    found = lines(stream.pieces, limit=limit)
    known = 0
    for one in itertools.islice(found, skip):
        _tell(told, one)
        known += 1
    if skip and (known < skip or told.hexdigest() != digest):
        raise Changed("a file of the export is not the one it was")
    some: list[Found] = []
    size = 0
    for one in found:
        _tell(told, one)
        some.append(one)
        size += len(one.body or b"")
        if len(some) >= _WINDOW or size >= _BYTES:
            known += len(some)
            yield Window(found=tuple(some), lines=known, digest=told.hexdigest())
            some, size = [], 0
    if some:
        yield Window(found=tuple(some), lines=known + len(some), digest=told.hexdigest())


def _tell(told: hashlib.blake2b, one: Found) -> None:
    told.update(one.body or b"")
    told.update(b"\n")


def _target(server: FhirServer, file: File, *, token: bool) -> httpx.URL:
    # without one it is signed by itself: whoever reads it on the way could fetch it
    return server.base.link(file.url) if token else server.base.elsewhere(file.url)
