"""Acknowledgements: built anew, never copied, and never a positive one for what was not committed."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import lru_cache

from gateway.er7.charsets import codec_of
from gateway.er7.escape import escape
from gateway.er7.header import Header
from gateway.er7.separators import DEFAULT, Separators
from gateway.er7.tables import VERSIONS
from gateway.model.event import AckCode, Fault, Outcome, Place, Result, Severity
from gateway.model.when import Millis, to_datetime

OUR_VERSION = "2.5.1"  # spoken where the sender's version is absent or unknown

_TABLE_0357 = {
    0: "Message accepted",
    100: "Segment sequence error",
    101: "Required field missing",
    102: "Data type error",
    103: "Table value not found",
    104: "Value too long",
    198: "Non-conformant cardinality",
    199: "Other HL7 error",
    200: "Unsupported message type",
    201: "Unsupported event code",
    202: "Unsupported processing id",
    203: "Unsupported version id",
    204: "Unknown key identifier",
    205: "Duplicate key identifier",
    206: "Application record locked",
    207: "Application internal error",
}
_OWN_TROUBLE = Fault(code=207, rule="internal trouble; the message was not stored and may be sent again")
_UNEXPLAINED = Fault(code=199, rule="the message was not accepted")


class AckMode(StrEnum):
    """Whether a link is answered at all, per connection, because MSH-15/16 are often filled but not obeyed (X-03)."""

    AUTO = "auto"  # original mode, unless the message says NE/NE
    ORIGINAL = "original"  # original mode, whatever MSH-15/16 say
    ENHANCED = "enhanced"  # MSH-15/16 are obeyed; original mode where both are empty
    NONE = "none"  # never a byte back


def expects_reply(header: Header | None, mode: AckMode, *, body: bytes = b"") -> bool:
    """Whether anything may be written back (A-15 to A-17, X-03); `body` lets an application reply be recognised.

    Never for a message that is itself an acknowledgement (MSH-9.1 ACK, or an MSA segment in `body`).
    """
    if mode is AckMode.NONE:
        return False
    if header is None:
        return True
    if is_acknowledgement(header, body):
        return False
    asked = {header.accept_ack, header.application_ack} - {""}  # only one valued: the missing one reads as NE
    return mode is AckMode.ORIGINAL or asked != {"NE"}


def is_acknowledgement(header: Header, body: bytes) -> bool:
    """Whether a message answers one of ours: MSH-9.1 is ACK, or it has an MSA segment (A-17)."""
    return header.message_code == "ACK" or _has_msa(header, body)


def acknowledge(
    header: Header | None,
    outcome: Outcome,
    *,
    control_id: str,
    now: Millis,
    zone: str = "UTC",
    code: AckCode | None = None,
    sequence: int | None = None,
    asks: tuple[str, str] = ("", ""),
) -> bytes:
    """The acknowledgement of one message: MSH, MSA, ERR, each ended by CR, without framing (A-20 to A-27, E-01 to E-07).

    `header` None (no parsable MSH): a minimal refusal with MSA-2 empty (A-07). `control_id` is ours (A-21),
    `now` and `zone` make MSH-7. Delimiters and charset are the sender's (A-24, A-25): what is echoed is echoed
    byte for byte, what we say is ASCII and names place and rule, never a value. `code` is MSA-1 where it is not
    the outcome's own (an accept acknowledgement, A-11), `sequence` MSA-4 (D-07), `asks` our own MSH-15 and 16:
    empty unless the acknowledgement is an exchange of its own (A-12, A-13).
    """
    told = "" if header is None else header.version
    version = told if told in VERSIONS else OUR_VERSION
    separators = DEFAULT if header is None else header.separators
    code = code or _safe(header, outcome)
    faults = _explaining(code, outcome)
    modern = version >= "2.5"  # the versions of table 0104 order as strings
    segments = [
        _msh(header, separators, version, control_id, _dtm(now // 1000, zone), asks, known=told == version),
        _msa(header, separators, version, code, faults, sequence),
        *(_err(faults, separators) if modern else _eld(faults, separators)),
    ]
    return ("\r".join(segments) + "\r").encode("latin-1")


class ControlIds:
    """Control ids for the messages we originate: increasing in a process, unlike any other's, 18 of 20 characters."""

    __slots__ = ("_counter", "_prefix", "_suffix")

    def __init__(self, seed: Millis) -> None:
        self._prefix = base36(seed, 8)
        self._suffix = base36(secrets.randbelow(36**4), 4)  # two processes may start in the same millisecond
        self._counter = itertools.count()

    def __call__(self) -> str:
        """The next id: instant of start, count, process; base 36. Safe to call from any thread."""
        number = next(self._counter)
        return f"{self._prefix}{_PAIRS[number // 1679616 % 1296]}{_PAIRS[number // 1296 % 1296]}{_PAIRS[number % 1296]}{self._suffix}"


def base36(number: int, width: int) -> str:
    """The low `width` base-36 digits of a number >= 0."""
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 36)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PAIRS = [high + low for high in _DIGITS for low in _DIGITS]


def _has_msa(header: Header, body: bytes) -> bool:
    msa = b"MSA" + header.separators.field.encode("latin-1")
    if msa not in body:
        return False
    if b"\r" in body:  # a bare LF is content then, not the start of a segment (P-05)
        return b"\r" + msa in body or b"\r\n" + msa in body
    return b"\n" + msa in body


def _safe(header: Header | None, outcome: Outcome) -> AckCode:
    # Never positive, and never the final AE, for trouble of our own or what has no MSH at all.
    return AckCode.AR if header is None or outcome.result is Result.FAILED else outcome.ack


def _explaining(code: AckCode, outcome: Outcome) -> Sequence[Fault]:
    if code is AckCode.CA:  # says that it is stored, and nothing of its content
        return ()
    if outcome.faults or code is AckCode.AA:
        return outcome.faults
    ours = outcome.result is Result.FAILED or code in (AckCode.AR, AckCode.CR)
    return (_OWN_TROUBLE,) if ours else (_UNEXPLAINED,)


def _msh(
    header: Header | None,
    separators: Separators,
    version: str,
    control_id: str,
    time: str,
    asks: tuple[str, str],
    *,
    known: bool,
) -> str:
    field = separators.field
    if header is None:
        return field.join(("MSH", separators.encoding, "", "", "", "", time, "", "ACK", control_id, "P", version))
    kind, raw = "ACK", header.raw
    if version >= "2.4" and header.trigger:  # before, the structure had no place and old engines trip on it
        kind = separators.component.join(("ACK", header.trigger, "ACK"))
    whole_version = raw(12) if known else version
    names = (raw(5), raw(6), raw(3), raw(4))  # swapped
    values = ["MSH", separators.encoding, *names, time, "", kind, control_id, raw(11), whole_version]
    charset = raw(18) if raw(18) and header.charset and codec_of(header.charset) else ""  # unusable: not claimed (F-15)
    if charset or any(asks):
        values += ("", "", *asks, "", charset)
    return field.join(values).rstrip(field)


def _msa(
    header: Header | None,
    separators: Separators,
    version: str,
    code: AckCode,
    faults: Sequence[Fault],
    sequence: int | None,
) -> str:
    values = ["MSA", code.value, "" if header is None else header.control_id]
    if faults and version < "2.7":  # MSA-3 is withdrawn from v2.7
        values.append(_ours(faults[0].rule, separators))
    if sequence is not None:
        values += ["" for _ in range(4 - len(values))] + [str(sequence)]
    return separators.field.join(values)


def _err(faults: Sequence[Fault], separators: Separators) -> Iterable[str]:
    """ERR of v2.5 and later: ERR-2 place(s), ERR-3 condition, ERR-4 severity, ERR-8 text (E-01, E-02)."""
    by_error: dict[tuple[int, Severity, str], list[str]] = {}
    for fault in faults:
        severity = Severity.INFORMATION if fault.code == 0 else fault.severity  # E-05
        places = by_error.setdefault((fault.code, severity, fault.rule), [])
        if fault.place is not None:
            places.append(_erl(fault.place, separators))
    for (code, severity, rule), places in by_error.items():
        where = separators.repetition.join(places) if separators.repetition else "".join(places[:1])
        condition = _condition(code, separators, separators.component)
        yield separators.field.join(("ERR", "", where, condition, severity.value, "", "", "", _ours(rule, separators)))


def _eld(faults: Sequence[Fault], separators: Separators) -> Iterable[str]:
    """ERR of v2.4 and earlier: ERR-1 alone, without severity, so that only errors are told (E-03)."""
    told = []
    for fault in faults:
        if fault.severity in (Severity.ERROR, Severity.FATAL) and fault.code:
            place = fault.place or Place("")
            where = (place.segment, _number(place.sequence), _number(place.field))
            told.append(
                separators.component.join((*where, _condition(fault.code, separators, separators.subcomponent)))
            )
    if told:
        where_and_what = separators.repetition.join(told) if separators.repetition else told[0]
        yield separators.field.join(("ERR", where_and_what))


def _erl(place: Place, separators: Separators) -> str:
    numbers = (place.sequence, place.field, place.repetition, place.component, place.subcomponent)
    parts = [place.segment, *map(_number, numbers)]
    while not parts[-1]:
        parts.pop()
    return separators.component.join(parts)


def _condition(code: int, separators: Separators, between: str) -> str:
    # A coded element of table 0357; without the separator between its parts (P-03) the code alone.
    text = _TABLE_0357.get(code)
    return between.join((str(code), _ours(text, separators), "HL70357")) if text and between else str(code)


def _number(number: int | None) -> str:
    return "" if number is None else str(number)


def _ours(text: str, separators: Separators) -> str:
    # ASCII is valid in every charset a sender can declare; escaped, so that no text makes a segment (P-13).
    return escape(text.encode("ascii", "replace").decode("ascii"), separators)


@lru_cache(maxsize=16)
def _dtm(seconds: int, zone: str) -> str:
    return to_datetime(seconds * 1000, zone).strftime("%Y%m%d%H%M%S%z")
