"""What an export came to, as any version of Bulk Data tells it: 1.0.1, 2.0.0, 3.0.0 and the ballot of 4.0.0 (K-04, K-15)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec

from gateway.model.errors import Unusable


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file. `type`: of its resources, None where they are several (K-14). `count`: of its lines, where it is told."""

    url: str = field(repr=False)
    type: str | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`at`: transactionTime as the server wrote it, the next `_since` (K-04). `token`: files want ours (K-05)."""

    at: str
    token: bool
    output: tuple[File, ...] = ()
    errors: tuple[File, ...] = ()
    deleted: tuple[File, ...] = ()
    next: str | None = field(default=None, repr=False)

    @property
    def resources(self) -> tuple[File, ...]:
        """The files of resources, patients first: what refers to them finds them there."""
        return tuple(sorted(self.output, key=lambda one: one.type != "Patient"))

    @property
    def identity(self) -> str:
        """What stays the same when the same files are given new signed URLs (K-11)."""
        told = hashlib.sha256(self.at.encode())
        for one in (*self.resources, *self.deleted):
            told.update(f"\n{one.type} {urlsplit(one.url).path}".encode())
        return told.hexdigest()[:32]

    def joined(self, more: Manifest) -> Manifest:
        """With what a further page of it tells (K-14)."""
        return Manifest(
            at=self.at,
            token=self.token,
            output=self.output + more.output,
            errors=self.errors + more.errors,
            deleted=self.deleted + more.deleted,
            next=more.next,
        )


def manifest_of(body: bytes) -> Manifest:
    """The manifest of a body. Raises Unusable for what is none: without its time or its files nothing can be said of it."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unusable("the server's manifest is no JSON") from None
    at = told.get("transactionTime") if isinstance(told, dict) else None
    if not isinstance(at, str) or not at.strip() or not isinstance(told.get("output"), list):
        raise Unusable("the server's manifest has no transactionTime or no output")
    # not told, nothing is shown: a token at a foreign host is lost, a file that wants one says so (K-05)
    return Manifest(
        at=at.strip(),
        token=told.get("requiresAccessToken") is True,
        output=_files(told["output"]),
        errors=(*_files(told.get("error")), *_files(told.get("outcome"))),  # renamed by the ballot (K-15)
        deleted=_files(told.get("deleted")),
        next=_next(told.get("link")),
    )


def _files(told: object) -> tuple[File, ...]:
    if told is None:
        return ()
    if not isinstance(told, list):
        raise Unusable("the server's manifest lists its files in a way that cannot be read")
    return tuple(map(_file, told))


def _file(told: object) -> File:
    url = told.get("url") if isinstance(told, Mapping) else None
    if not isinstance(told, Mapping) or not isinstance(url, str) or not url:
        raise Unusable("the server's manifest names a file without its URL")
    kind, many = told.get("type"), told.get("count")
    counted = isinstance(many, int) and not isinstance(many, bool)
    return File(url=url, type=kind if isinstance(kind, str) else None, count=many if counted else None)


def _next(told: object) -> str | None:
    """3.0.0 and later: `link` as of a Bundle."""
    return next((one["url"] for one in _links(told) if one.get("relation") == "next"), None)


def _links(told: object) -> Iterator[Mapping[str, Any]]:
    listed: Sequence[object] = told if isinstance(told, list) else ()
    for one in listed:
        if isinstance(one, Mapping) and isinstance(one.get("url"), str):
            yield one
