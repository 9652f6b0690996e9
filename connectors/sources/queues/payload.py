"""What a broker's message holds becomes raw messages, and nothing it holds vanishes: what cannot be taken is one that its reader refuses."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import islice
from typing import Any, Final

from connectors.sources.members import BOM, json_of, paths_of, text_of, values_of
from connectors.sources.queues.link import Delivery
from connectors.sources.queues.media import other_than
from connectors.sources.rows import Problem, RowMaker, unknown
from gateway import fhirfile
from gateway.er7.batch import MOST_PARTS, Piece, split
from gateway.model.event import Format, RawMessage
from gateway.ports import Clock, TableShape
from gateway.rowjson import Unfit

Bodies = Callable[[bytes], Iterator[bytes]]
TOO_LONG: Final = "longer than this source accepts (`max_message`)"
PACKED: Final = "packed in a way that cannot be unpacked"
TOO_MANY: Final = f"more than {MOST_PARTS} messages in one; publish them in several"
REFERENCES: Final = (
    "a notification that only names its resources: take it by a source of `kind: fhir` with `base`, which can read them"
)
_KEPT = 64 << 10  # bytes of what cannot be taken that a person is shown
_PACKS = frozenset({"gzip", "x-gzip"})
_PACKS_NOT = frozenset({"", "identity", "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "7bit", "8bit", "binary"})
# senders of AMQP tell the character set there
_TELLING = frozenset({"event-notification", "query-event"})


class Payload:
    """The raw messages of one source's deliveries. `shape`: of rows. `limit`: bytes of one delivery, unpacked too."""

    def __init__(
        self, source: str, format_: Format, clock: Clock, *, limit: int, shape: TableShape | None = None
    ) -> None:
        self._source, self._format, self._clock, self._limit = source, format_, clock, limit
        self._bodies: Bodies = _rows(shape) if shape is not None else _BODIES[format_]
        self._refused: Callable[[str, bytes], bytes] = _unfit if shape is not None else _marked

    def messages(self, one: Delivery) -> list[RawMessage]:
        """In their order; none where it holds nothing: a heartbeat, an empty batch. Never raises on foreign input."""
        found = [self._message(body) for body in islice(self._all(one), MOST_PARTS + 1)]
        return found if len(found) <= MOST_PARTS else [self._message(self._refused(TOO_MANY, one.body))]

    def _all(self, one: Delivery) -> Iterator[bytes]:
        body = one.body
        if one.problem:
            return iter((self._refused(one.problem, body),))
        if one.encoding and len(body) <= self._limit and (encoding := one.encoding.strip().lower()) not in _PACKS_NOT:
            unpacked = _unpacked(body, encoding, self._limit)
            if unpacked is None:
                return iter((self._refused(PACKED, body),))
            body = unpacked
        if len(body) > self._limit:
            return iter((self._refused(TOO_LONG, body),))
        if one.content_type and (other := other_than(self._format, one.content_type)):
            return iter((self._refused(other, body),))
        return self._bodies(body)

    def _message(self, body: bytes) -> RawMessage:
        return RawMessage(source=self._source, format=self._format, body=body, received=self._clock.now())


def _marked(problem: str, body: bytes) -> bytes:
    """No message of any format, so that no reader takes the part that is kept for one."""
    return b"(%s)\n%s" % (problem.encode(), body[:_KEPT])


def _unfit(problem: str, body: bytes) -> bytes:
    return unknown(_marked(problem, body).decode(errors="backslashreplace"), Problem(Unfit.DELIVERY))[0].body


def _unpacked(body: bytes, encoding: str, limit: int) -> bytes | None:
    """At most one byte more than `limit`, of all members (RFC 1952 §2.2); None where it is not packed so."""
    if encoding not in _PACKS:
        return None
    try:
        return gzip.GzipFile(fileobj=BytesIO(body)).read(limit + 1)
    except (zlib.error, EOFError, OSError):
        return None


def _er7(body: bytes) -> Iterator[bytes]:
    """A message as it is; a batch (B-01), what was put in as it was framed, or with line feeds, taken apart as a file is.

    Like a file it has no other side that P-05 could ask whether an LF ends a segment.
    """
    if b"\n" not in body and body.rfind(b"MSH") == 0:  # nearly every message: two looks
        yield (
            body if body.endswith(b"\r") else body + b"\r"
        )  # many publish it without; with and without it are the same
        return
    for part in split(BytesIO(body), limit=len(body) + 1):
        if isinstance(part, Piece):
            yield part.body if part.body is not None else _marked(part.problem or "cannot be taken apart", body)


def _fhir(body: bytes) -> Iterator[bytes]:
    """A resource, NDJSON, or a Bundle's resources; a notification that only names them is told as what it is."""
    found = False
    for piece in fhirfile.split(BytesIO(body), limit=len(body) + 1):
        found = True
        yield piece.body if piece.body is not None else _marked(piece.problem or "cannot be taken apart", body)
    if not found and _tells(body):
        yield _marked(REFERENCES, body)


def _tells(body: bytes) -> bool:
    """Whether a Bundle without resources is a notification of events (S-30); handshakes and heartbeats tell of none."""
    told = json_of(body)
    entries = told.get("entry") if isinstance(told, dict) else None
    first = entries[0] if isinstance(entries, list) and entries else None
    status = first.get("resource") if isinstance(first, dict) else None
    if not isinstance(status, dict):
        return bool(entries)
    kind = status.get("type")
    for parameter in _listed(status.get("parameter")):
        if parameter.get("name") == "type":
            kind = parameter.get("valueCode", parameter.get("valueString"))
        if parameter.get("name") == "notification-event":
            return True
    return (isinstance(kind, str) and kind in _TELLING) or bool(_listed(status.get("notificationEvent")))


def _listed(told: object) -> list[dict[str, Any]]:
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def _rows(shape: TableShape) -> Bodies:
    """Rows of JSON: an object, a list of them, or one a line."""
    maker, paths = RowMaker(shape), paths_of(list(shape.columns))

    def row(told: object, raw: bytes | None = None) -> bytes:
        if not isinstance(told, dict):
            shown = text_of(told) if raw is None else raw[:_KEPT].decode(errors="backslashreplace")
            return unknown(shown, Problem(Unfit.LINE))[0].body
        return maker.row(values_of(told, paths))[0].body

    def bodies(body: bytes) -> Iterator[bytes]:
        told = json_of(body)
        if isinstance(told, list):
            yield from map(row, told)
        elif told is not None:
            yield row(told, body)
        else:
            for line in body.splitlines():
                if line.strip() not in (b"", BOM):
                    yield row(json_of(line), line)

    return bodies


_BODIES: dict[Format, Bodies] = {Format.HL7V2: _er7, Format.FHIR: _fhir}
