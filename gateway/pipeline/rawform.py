"""The stored form of a raw message: its bytes exactly as received and, where a transport told it, their character set.

Without the latter a message that came over HTTP could be read again otherwise than it was read first (H-03).
"""

from __future__ import annotations

from gateway.model.event import RawMessage

_MARK = b"\x00charset="


def stored(message: RawMessage) -> bytes:
    """What is sealed: the body itself, but for a message whose charset was told, or that looks as if it were marked."""
    if message.charset or message.body.startswith(_MARK):
        return b"%b%b\n%b" % (_MARK, (message.charset or "").encode("ascii", "ignore"), message.body)
    return message.body


def restored(plain: bytes) -> tuple[bytes, str | None]:
    """Body and charset of what `stored` made."""
    if not plain.startswith(_MARK):
        return plain, None
    charset, _, body = plain[len(_MARK) :].partition(b"\n")
    return body, charset.decode("ascii") or None
