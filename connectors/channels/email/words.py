"""Header values as RFC 2047 encoded words, cut between characters; read back they are what was written.

The standard library drops blanks between the encoded words of a display name (seen on Python 3.11), so the values
are encoded here, and `mime` writes them as they are.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

_PLAIN = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?").fullmatch
_SHORT = 60  # characters that stay on the header's own line
_BYTES = 36  # of text per word: 60 characters encoded, so that no line is longer than 76 (RFC 2047 §2)


def unstructured(text: str) -> str:
    """A Subject's value: as it is if short and plain, else encoded words on lines of their own."""
    if not text or (_PLAIN(text) and len(text) <= _SHORT and "=?" not in text):
        return text
    return _encoded(text)


def phrase(text: str) -> str:
    """A display name and the blank after it, as a quoted string or encoded words; nothing for no name."""
    if not text:
        return ""
    if _PLAIN(text) and len(text) <= _SHORT and "=?" not in text:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" '
    return _encoded(text) + "\r\n "


def _encoded(text: str) -> str:
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(piece).decode()}?=" for piece in _pieces(text))


def _pieces(text: str) -> Iterator[bytes]:
    piece = b""
    for char in text:
        raw = char.encode()
        if len(piece) + len(raw) > _BYTES:
            yield piece
            piece = b""
        piece += raw
    yield piece
