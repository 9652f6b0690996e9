"""One HTTP request and its answer apart from what is in them: bounded in size and time, faults as RFC 9457 (H-02)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from gateway.er7.charsets import codec_of

TYPES = frozenset({"application/hl7-v2", "application/hl7-v2+er7", "x-application/hl7-v2+er7"})  # H-01
_LONGEST_TYPE = 200  # characters of a Content-Type; reading a long list of parameters takes quadratic time

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Media:
    """What a body is said to be: its media type, and the charset if one was told (H-03)."""

    type: str
    charset: str | None

    @property
    def shown(self) -> str:
        """The same as a header's value: our answer is in the sender's charset (A-25)."""
        return f"{self.type}; charset={self.charset}" if self.charset else self.type


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. `told` names an event for the log."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)
    told: str = ""


class Request:
    """The head of one request; header names in lower case."""

    def __init__(self, scope: MutableMapping[str, Any]) -> None:
        self.method: str = scope["method"]
        client = scope.get("client")
        self.host = str(client[0]) if client else ""
        self._headers: Sequence[tuple[bytes, bytes]] = scope["headers"]

    def all(self, name: bytes) -> list[bytes]:
        """The values of a header."""
        return [value for key, value in self._headers if key == name]

    @property
    def length(self) -> int | None:
        """Content-Length, where it is told."""
        told = self.all(b"content-length")
        return int(told[0][:18]) if told and told[0].isdigit() else None

    @property
    def media(self) -> Media | None:
        """None where the type, its charset or an encoding is not one that we take (H-01)."""
        told = self.all(b"content-type")
        encodings = [one for one in self.all(b"content-encoding") if one.strip().lower() != b"identity"]
        return _media(told[0]) if len(told) == 1 and len(told[0]) <= _LONGEST_TYPE and not encodings else None


def _media(value: bytes) -> Media | None:
    header = Message()
    header["content-type"] = value.decode("latin-1").replace("\n", "").replace("\r", "")
    charset = header.get_param("charset")
    # a text of its own encoding (RFC 2231) names no charset anybody uses
    if header.get_content_type() not in TYPES or not isinstance(charset, str | None):
        return None
    if charset is not None and codec_of(charset) is None:
        return None
    return Media(header.get_content_type(), charset)


async def read_body(receive: Receive, request: Request, *, limit: int, within: float) -> bytes | Answer | None:
    """The whole body; an Answer when it is too long (413) or too slow (408), None when the caller went away.

    `limit` in bytes is kept while reading, `within` seconds for the body as a whole. Half a body is nothing (F-06).
    """
    if request.length is not None and request.length > limit:
        return TOO_LARGE
    body = bytearray()
    try:
        async with asyncio.timeout(within):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                body += message.get("body", b"")
                if len(body) > limit:
                    return TOO_LARGE
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        return TOO_SLOW


async def write(send: Send, answer: Answer) -> None:
    """Send an answer; a caller that has gone is not told."""
    headers = [(b"content-length", str(len(answer.body)).encode())] if answer.status != 204 else []
    headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def problem(status: int, title: str, *headers: tuple[str, str], told: str = "") -> Answer:
    """A fault of transport or access: RFC 9457, not HL7; nothing of the request is repeated (H-02)."""
    body = json.dumps({"type": "about:blank", "title": title, "status": status}).encode()
    return Answer(status, (("content-type", "application/problem+json"), *headers), body, told)


_CLOSE = ("connection", "close")  # what is left of the body is not read
TOO_LARGE = problem(413, "the body is longer than this feed accepts", _CLOSE, told="http.body-too-large")
TOO_SLOW = problem(408, "the body did not come in time", _CLOSE, told="http.body-late")
TOO_MANY = problem(413, "the body holds more messages than are accepted at once", told="http.batch-too-long")
EMPTY = problem(400, "the body is empty")
UNENDED = problem(400, "an MLLP frame in the body is not whole")
NOT_POST = problem(405, "only POST is understood here", ("allow", "POST"), _CLOSE)
NOT_HL7 = problem(
    415, "send application/hl7-v2 in a known charset", ("accept-post", ", ".join(sorted(TYPES))), _CLOSE,
    told="http.unsupported-type",
)  # fmt: skip
BUSY = problem(503, "no message is taken at the moment", ("retry-after", "2"), told="http.saturated")
CROWDED = problem(503, "too many requests of this feed at once", ("retry-after", "1"), _CLOSE, told="http.crowded")
CLOSED = problem(503, "this feed is not open", ("retry-after", "5"), _CLOSE)
STRANGER = problem(403, "this address may not send here", _CLOSE, told="http.address-refused")
