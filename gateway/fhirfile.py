"""Takes files of FHIR apart into resources, in memory bounded by one of them: no line and no entry vanishes without a word.

A file is NDJSON, one resource a line (Bulk Data, `application/fhir+ndjson`), or JSON: a resource, a list of them, or a
Bundle of any size. Each piece is what a raw message is: one resource, or a history Bundle with the one DELETE it tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from typing import Any, BinaryIO

import msgspec

from gateway.er7.batch import LIMIT, Piece
from gateway.fhirjson import read_object
from gateway.fhirlabels import labelled_body, labels_of
from gateway.fhirlinks import Links
from gateway.fhirscan import Found, texts
from gateway.model.errors import Unreadable

_CHUNK = 1 << 18
_HEAD = 1 << 16  # bytes in which a file shows what it is
_BOM = b"\xef\xbb\xbf"
_BUNDLE = re.compile(rb'"resourceType"\s*:\s*"Bundle"')
_OURS = frozenset({"Parameters", "OperationOutcome"})  # headers of a file by patient (K-14), words about a search


class _Request(msgspec.Struct):
    method: str = ""
    url: str = ""


class _Entry(msgspec.Struct):
    url: object = msgspec.field(default=None, name="fullUrl")
    resource: msgspec.Raw = msgspec.Raw(b"")
    request: _Request | None = None
    response: object = None
    modified: msgspec.Raw = msgspec.field(default=msgspec.Raw(b""), name="modifierExtension")


class _Head(msgspec.Struct):
    resource_type: str = msgspec.field(default="", name="resourceType")
    id: object = None


class _Bundle(_Head):
    meta: msgspec.Raw = msgspec.Raw(b"")
    entry: list[msgspec.Raw] = []


_head = msgspec.json.Decoder(_Head).decode
_bundle = msgspec.json.Decoder(_Bundle).decode
_entry = msgspec.json.Decoder(_Entry).decode


def split(stream: BinaryIO, *, limit: int = LIMIT, name: str = "") -> Iterator[Piece]:
    """The resources of a file in order, numbered from 1. Raises OSError when it cannot be read.

    `limit`: most bytes of one resource; a longer one is told of and not taken. `name`: of the file; .ndjson is believed.
    """
    head = stream.read(_HEAD)
    pieces = chain((head.removeprefix(_BOM),), iter(lambda: stream.read(_CHUNK), b""))
    found = lines(pieces, limit=limit) if _named(name) or _by_line(head) else texts(pieces, limit=limit)
    number, links = count(1), Links()
    for one in found:
        for body in _bodies(one, links):
            yield Piece(next(number), body, one.problem)


def lines(pieces: Iterable[bytes], *, limit: int = LIMIT) -> Iterator[Found]:
    """The lines of NDJSON that hold something, whatever pieces the bytes come in; the last one needs no end (K-06)."""
    number, rest, size = 1, [b""], 0
    for piece in pieces:
        ended = piece.split(b"\n")
        for part in ended[:-1]:
            yield from _line(number, rest, part, size + len(part), limit)
            number, rest, size = number + 1, [], 0
        size += len(ended[-1])
        rest = [*rest, ended[-1]] if size <= limit else []
    yield from _line(number, rest, b"", size, limit)


def resources_of(body: bytes, labels: Sequence[Any] = ()) -> Iterator[bytes]:
    """What one text holds: itself, or of a Bundle its entries; what is no JSON as it is, so that it is refused by name.

    `labels`: of the Bundle it is in.
    """
    try:
        kind = _head(body).resource_type
        if kind == "Bundle":
            bundle = _bundle(body)
            yield from _entries(bundle.entry, [*labels, *_told(bytes(bundle.meta))])
        elif kind not in _OURS:
            yield labelled_body(msgspec.json.format(body, indent=-1), labels)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        yield body


def _entries(bodies: list[msgspec.Raw], labels: Sequence[Any]) -> Iterator[bytes]:
    """Those of a whole Bundle: whichever comes first is known to all of them."""
    links = Links()
    for one in bodies:
        _learned(bytes(one), links)
    for one in bodies:
        yield from _entry_of(bytes(one), links, labels)


def _learned(body: bytes, links: Links) -> _Entry | None:
    """An entry, with what it is called by; None: it is none."""
    try:
        told = _entry(body)
        if isinstance(told.url, str) and told.url.startswith("urn:") and bytes(told.resource):
            head = _head(told.resource)
            links.learn(told.url, head.resource_type, head.id)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return told


def _entry_of(body: bytes, links: Links, labels: Sequence[Any]) -> Iterator[bytes]:
    """What one entry of a Bundle tells: a resource, a deletion, or only what became of a request, which is nothing."""
    told = _learned(body, links)
    if told is None:
        yield body
        return
    if bytes(told.modified):
        yield body  # whoever does not know it must not use the entry; what is no resource is refused and kept
    elif told.request is not None and told.request.method == "DELETE":
        yield deletion(told.request.url, response=told.response)
    elif bytes(told.resource) not in (b"", b"null"):
        yield from map(links.literal, resources_of(bytes(told.resource), labels))


def deletion(reference: str, *, response: object = None, at: str = "") -> bytes:
    """The message that "Patient/12" is no more: a history Bundle of the one entry that says so (Q-06).

    `response`: of the entry that told it. `at` (an instant): when it was told, where that does not say when it was: what
    is deleted, made again and deleted again is two deletions.
    """
    entry: dict[str, object] = {"request": {"method": "DELETE", "url": reference}}
    told: dict[str, object] = {"resourceType": "Bundle", "type": "history"}
    known = response if isinstance(response, dict) else {}
    if known:
        entry["response"] = known
    if at and not known.get("lastModified"):
        told["timestamp"] = at
    return msgspec.json.encode(told | {"entry": [entry]})


def _named(name: str) -> bool:
    return name.removesuffix(".gz").endswith((".ndjson", ".jsonl"))


def _by_line(head: bytes) -> bool:
    """Whether a file is NDJSON: its first line is no beginning of something longer, nor a Bundle larger than memory."""
    first, ended, _ = head.removeprefix(_BOM).lstrip().partition(b"\n")
    if first.startswith(b"[") or first.rstrip().endswith((b"{", b"[", b",")):
        return False
    return bool(ended) or len(head) < _HEAD or not _BUNDLE.search(first)


def _bodies(found: Found, links: Links) -> Iterator[bytes | None]:
    if found.body is None:
        return iter((None,))
    return _entry_of(found.body, links, _told(found.meta)) if found.entry else resources_of(found.body)


def _told(meta: bytes) -> Sequence[Any]:
    """The labels in the meta of a Bundle; of what two readers would read differently one that no entry is accepted with."""
    try:
        return labels_of(read_object(meta)) if meta else ()
    except Unreadable:
        return (None,)


def _line(number: int, rest: list[bytes], part: bytes, size: int, limit: int) -> Iterator[Found]:
    if size > limit:
        yield Found(None, f"line {number} is longer than {limit} bytes")
    elif body := b"".join((*rest, part)).strip():
        yield Found(body, None)
