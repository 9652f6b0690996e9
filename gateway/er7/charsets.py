"""Bytes become text strictly or not at all: no replacement character, no mojibake in a patient's name (C-03)."""

from __future__ import annotations

import codecs
import encodings
import pkgutil
from collections.abc import Sequence
from encodings import normalize_encoding
from encodings.aliases import aliases
from functools import lru_cache

from gateway.er7.bounds import CACHED
from gateway.er7.header import BOM
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, Place

# HL7 table 0211, and names seen in its place; UTF-16 and UTF-32 are absent on purpose: their bytes
# include 0B, 1C and 0D, so no frame and no segment could carry them (F-15).
_TABLE_0211 = {
    "ASCII": "ascii",
    **{f"8859/{part}": f"iso8859-{part}" for part in (*range(1, 10), 15)},
    "UNICODE UTF-8": "utf-8",
    "UNICODE": "utf-8",  # deprecated; if MSH could be read as ASCII it is not UCS-2, and strict UTF-8 proves itself
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "ISO IR6": "ascii",
    "ISO IR14": "shift_jis",  # JIS X 0201
    "ISO IR87": "iso2022_jp",  # JIS X 0208
    "ISO IR159": "iso2022_jp_1",  # JIS X 0212
    "JIS X 0202": "iso2022_jp_2",  # ISO 2022 with escape sequences
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
    "BIG5": "big5",
    "CNS 11643-1992": "euc_tw",  # Python has no such codec: refused by name, not guessed
}
# Python remembers every name that it was ever asked for, and tries to import it: it is asked only for those it has.
_PYTHON = frozenset({*aliases, *(module.name for module in pkgutil.iter_modules(encodings.__path__))})
_REFUSED = ("utf-16", "utf-32", "utf-7", "idna", "punycode", "raw-unicode-escape", "unicode-escape")
_NOT_C1_CONTROLS = bytes(code for code in range(256) if not 0x80 <= code <= 0x9F)
_ESCAPES_TO_MULTIBYTE = b"\x1b$"  # ISO 2022 designation (JIS X 0202)


def decode(body: bytes, declared: str, *, default: str, fallbacks: Sequence[str] = ()) -> tuple[str, str]:
    """The text of a message and the Python codec that read it (table 0211; C-01 to C-07).

    `declared` is MSH-18's first repetition; blank means `default`, the feed's charset (C-02). Bytes not
    valid in it are tried with `fallbacks` in order, then refused. A UTF-8 byte order mark is taken off.
    Raises Unreadable: AE 103 at MSH-18 for an unknown or uncarriable charset, AE 102 for bytes not valid.
    """
    codec = codec_of(declared or default)
    body = body.removeprefix(BOM)
    if codec == "utf-8" and b"\x1b" not in body:  # the fast way; one byte is found faster than two
        try:
            return body.decode("utf-8"), codec
        except UnicodeDecodeError:
            pass
    for candidate in (codec, *map(codec_of, fallbacks)):
        if candidate is not None:
            text = _strictly(body, candidate)
            if text is not None:
                return text, candidate
    raise _unreadable(codec)


def codec_of(name: str) -> str | None:
    """Python codec of a table 0211 name, or of a Python codec name a feed is configured with; None if unusable.

    "8859/1" is ISO-8859-1 and never windows-1252: that has the explicit name "cp1252" (C-04).
    """
    return _codec_of(name) if len(name) <= CACHED else None


@lru_cache(maxsize=256)
def _codec_of(name: str) -> str | None:
    known = normalize_encoding(_TABLE_0211.get(name.strip(" ").upper(), name)).lower()
    if known not in _PYTHON:
        return None
    try:
        codec = codecs.lookup(known)
    except (LookupError, ValueError, UnicodeError):
        return None
    # _is_text_encoding keeps out "hex", "rot13" and their like; everything here must extend ASCII (C-06).
    if not codec._is_text_encoding or codec.name.replace("_", "-").startswith(_REFUSED):  # noqa: SLF001 – no public twin
        return None
    return codec.name if b"MSH|^~".decode(codec.name) == "MSH|^~" else None


def _strictly(body: bytes, codec: str) -> str | None:
    if body.isascii() and not codec.startswith("iso2022"):
        # A charset switch under a charset that has none: escape bytes would end up in a name (C-05).
        return None if _ESCAPES_TO_MULTIBYTE in body else body.decode("ascii")
    if _is_single_byte(codec) and _denies_single_byte(body, codec):
        return None
    try:
        return body.decode(codec)
    except UnicodeDecodeError:
        return None


@lru_cache(maxsize=64)
def _is_single_byte(codec: str) -> bool:
    return codec.startswith(("iso8859", "cp125", "latin", "mac-", "koi8"))


def _denies_single_byte(body: bytes, codec: str) -> bool:
    # Every byte string is "valid" in ISO 8859, so validity alone proves nothing (C-09). 80-9F are controls there,
    # which nobody sends: it is windows-1252 (C-04). And what is UTF-8 throughout is UTF-8, wrongly declared.
    if codec.startswith("iso8859") and body.translate(None, _NOT_C1_CONTROLS):
        return True
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _unreadable(codec: str | None) -> Unreadable:
    if codec is None:
        fault = Fault(code=103, rule="the charset is not one this feed can carry", place=Place("MSH", 1, 18))
    else:
        fault = Fault(code=102, rule="bytes are not valid in the agreed charset", place=Place("MSH", 1, 18))
    return Unreadable(fault, AckCode.AE)
