"""A message that came in parts is put together byte for byte as it was cut, or not at all (B-07, C2 §2.10.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.er7.header import Header, read_header, start_of
from gateway.er7.reader import NULL, Message
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, Fragment, Place

_INTERACTIVE = "I"  # table 0398: more of an answer may be asked for; nothing was cut


def fragment_of(message: Message) -> Fragment | None:
    """What a message says of being a part of one; None when it says nothing (MSH-14, DSC-1).

    Pointers are taken as they are written and belong to the sender that wrote them (MSH-3, MSH-4).
    """
    header = message.header
    continues = _told(header.raw(14))
    continued = _continued(message) if "DSC" in message else ""
    if not (continues or continued):
        return None
    sender = f"{header.sending_application}\x1f{header.sending_facility}"
    return Fragment(continues and f"{sender}\x1f{continues}", continued and f"{sender}\x1f{continued}")


def _continued(message: Message) -> str:
    """DSC-1, as the bytes of MSH-14 in the next part will be read."""
    for fields in message.all("DSC"):
        told, style = (*fields[1:3], "", "")[:2]
        if _told(told) and style.strip() != _INTERACTIVE:
            return _told(told).encode(message.codec, "replace").decode("latin-1")
    return ""


def _told(raw: str) -> str:
    return "" if raw == NULL else raw.strip(" ")


def join(bodies: Sequence[bytes]) -> bytes:
    """The whole message: the first part's MSH, every segment in order, no DSC; segments end with CR.

    An ADD at the seam is left for the reader, which goes on with the segment before it (B-06). Raises Unreadable
    (AE 199) when a part has no MSH, or another one's delimiters, character set, type or version than the first.
    """
    headers = [read_header(body) for body in bodies]
    for header in headers[1:]:
        if _manner(header) != _manner(headers[0]):
            raise Unreadable(
                Fault(code=199, rule="the parts of the message differ in how they are written", place=Place("MSH", 1)),
                AckCode.AE,
            )
    separator = headers[0].separators.field.encode("latin-1")
    first, *others = (list(_segments(body, separator)) for body in bodies)
    lines = [*first, *(line for some in others for line in some[1:])]
    return b"\r".join(lines) + b"\r"


def _manner(header: Header) -> tuple[object, ...]:
    return header.separators, header.raw(18), header.message_code, header.trigger, header.raw(12)


def _segments(body: bytes, separator: bytes) -> Iterator[bytes]:
    """The segments of a part by P-05, from its MSH on, without DSC."""
    body = body[start_of(body) :]
    lines = body.replace(b"\r\n", b"\r").split(b"\r") if b"\r" in body else body.split(b"\n")
    for line in lines:
        if line and line != b"DSC" and not line.startswith(b"DSC" + separator):
            yield line
