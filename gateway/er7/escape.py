"""Escape sequences of C2 §2.7, one left-to-right pass each way: no text is lost, and none can make a segment."""

from __future__ import annotations

import re
from binascii import Error as HexError
from binascii import unhexlify
from functools import lru_cache

from gateway.er7.separators import Separators

_MOST_BLANKS = 99  # `\.sp 999999999\` must not become a gigabyte
_FORMATTING = re.compile(r"\.(br|sp|sk|in|ti|fi|nf|ce)[ ]*([+-]?)(\d{0,4})")
_LOCAL = "CMZ"  # charset switches and local sequences: kept verbatim, never shown to a patient (P-11)


def unescape(text: str, separators: Separators, codec: str = "utf-8") -> str:
    r"""Plain text of one leaf value, already split (P-07 to P-12); never raises.

    `codec` is the message's charset as a Python codec, in which `\X..\` bytes are decoded (P-09). What is
    not a known sequence stays as it is, its escape characters too (P-12): a Windows path is text.
    """
    escape = separators.escape
    if not escape or escape not in text:
        return text
    parts = text.split(escape)
    last = len(parts) - 1
    out = [parts[0]]
    at = 1
    while at <= last:
        meaning = _meaning(parts[at], separators, codec) if at < last else None
        if meaning is None:  # a lone escape character; the next one may still open a sequence
            out += (escape, parts[at])
            at += 1
        else:
            out += (meaning, parts[at + 1])
            at += 2
    return "".join(out)


def has_local(text: str, separators: Separators) -> bool:
    r"""Whether raw `text` holds `\C..\`, `\M..\` or `\Z..\`, which must not be shown to a patient (P-11)."""
    escape = separators.escape
    if not escape or escape not in text:
        return False
    return any(_is_local(part) for part in text.split(escape)[1:-1])


def escape(text: str, separators: Separators) -> str:
    """ER7 text of one leaf value (P-13): delimiters, line breaks and control characters cannot get out.

    A message without an escape character (P-03) cannot carry them: they become blanks.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    return text.translate(_escapes(separators))


def _meaning(sequence: str, separators: Separators, codec: str) -> str | None:
    known = _known(separators).get(sequence)
    if known is not None:
        return known
    if not sequence:
        return None
    first = sequence[0]
    if first == "X":
        return _hexadecimal(sequence[1:], codec)
    if first == ".":
        return _formatting(sequence)
    if _is_local(sequence):
        return f"{separators.escape}{sequence}{separators.escape}"
    return None


def _is_local(sequence: str) -> bool:
    # \Cxxyy\ and \Mxxyyzz\ carry hexadecimal digits only; \Z..\ whatever the site agreed on (C2 §2.7).
    if not sequence or sequence[0] not in _LOCAL:
        return False
    return sequence[0] == "Z" or _unhex(sequence[1:]) is not None


@lru_cache(maxsize=64)
def _known(separators: Separators) -> dict[str, str]:
    # \H\ and \N\ switch highlighting, which plain text has not (P-10).
    known = {
        "F": separators.field,
        "S": separators.component,
        "T": separators.subcomponent,
        "R": separators.repetition,
        "E": separators.escape,
        "P": separators.truncation,
    }
    return {name: character for name, character in known.items() if character} | {"H": "", "N": ""}


def _hexadecimal(digits: str, codec: str) -> str | None:
    raw = _unhex(digits)
    if raw is None:
        return None
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError:
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _unhex(digits: str) -> bytes | None:
    try:
        return unhexlify(digits) or None
    except (HexError, ValueError):
        return None


def _formatting(sequence: str) -> str | None:
    match = _FORMATTING.fullmatch(sequence)
    if match is None:
        return None
    command, sign, number = match.groups()
    count = 0 if sign == "-" else min(int(number or 1), _MOST_BLANKS)
    if command in ("br", "ce"):
        return "\n"
    if command == "sp":
        return "\n" * count
    return " " * count if command == "sk" else ""  # margins and filling have no meaning in plain text


@lru_cache(maxsize=64)
def _escapes(separators: Separators) -> dict[int, str]:
    delimiters = {
        separators.field: "F",
        separators.component: "S",
        separators.subcomponent: "T",
        separators.repetition: "R",
        separators.escape: "E",
        separators.truncation: "P",
    }
    delimiters.pop("", None)
    # C0 controls hold the MLLP bytes 0B, 1C and the segment terminator; tab is ordinary text.
    sequences = {chr(code): f"X{code:02X}" for code in [*range(9), *range(10, 32), 127]} | delimiters
    line_break = "X0D" if "." in delimiters else ".br"
    sequences |= {"\r": line_break, "\n": line_break}
    mark = separators.escape
    return {ord(character): f"{mark}{name}{mark}" if mark else " " for character, name in sequences.items()}
