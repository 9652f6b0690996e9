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
_NOT_ECHOED = str.maketrans(dict.fromkeys("\n\x0b\x1c", "?"))
_OWN_TROUBLE = Fault(code=207, rule="internal trouble; the message was not stored and may be sent again")
_UNEXPLAINED = Fault(code=199, rule="the message was not accepted")


class AckMode(StrEnum):
    """Whether a link is answered at all, per connection, because MSH-15/16 are often filled but not obeyed (X-03)."""

    AUTO = "auto"  # original mode, unless the message says NE/NE
    ORIGINAL = "original"  # original mode, whatever MSH-15/16 say
    ENHANCED = "enhanced"  # MSH-15/16 are obeyed; original mode where both are empty
    NONE = "none"  # never a byte back


# Members by module constants: an attribute of an Enum class costs ten times as much (Python 3.11).
_NONE, _ORIGINAL = AckMode.NONE, AckMode.ORIGINAL
_AA, _AR, _CA, _CR, _FAILED = AckCode.AA, AckCode.AR, AckCode.CA, AckCode.CR, Result.FAILED


def expects_reply(header: Header | None, mode: AckMode, *, body: bytes = b"") -> bool:
    """Whether anything may be written back (A-15 to A-17, X-03); `body` lets an application reply be recognised.

    Never for a message that is itself an acknowledgement (MSH-9.1 ACK, or an MSA segment in `body`).
    """
    if mode is _NONE:
        return False
    if header is None:
        return True
    if is_acknowledgement(header, body):
        return False
    asked = {header.accept_ack, header.application_ack} - {""}  # only one valued: the missing one reads as NE
    return mode is _ORIGINAL or asked != {"NE"}


def is_acknowledgement(header: Header, body: bytes) -> bool:
    """Whether a message answers one of ours: MSH-9.1 is ACK, or it has an MSA segment (A-17)."""
    return (header.raw(9).startswith("ACK") and header.message_code == "ACK") or _has_msa(header, body)


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
    about: str | None = None,
) -> bytes:
    """The acknowledgement of one message: MSH, MSA, ERR, each ended by CR, without framing (A-20 to A-27, E-01 to E-07).

    `header` None (no parsable MSH): a minimal refusal with MSA-2 empty (A-07). `control_id` is ours (A-21),
    `now` and `zone` make MSH-7. Delimiters and charset are the sender's (A-24, A-25): what is echoed is echoed
    byte for byte, what we say is ASCII and names place and rule, never a value. `code` is MSA-1 where it is not
    the outcome's own (an accept acknowledgement, A-11), `sequence` MSA-4 (D-07), `asks` our own MSH-15 and 16:
    empty unless the acknowledgement is an exchange of its own (A-12, A-13). `about` is MSA-2 where that is the
    control id of another message of the same sender: the first part of one that came in parts (B-07).
    """
    time, separators = _dtm(now // 1000, zone), DEFAULT if header is None else header.separators
    if header is None:
        version, msh = OUR_VERSION, _without(separators, control_id, time)
    else:
        version, before, between, after = _around(separators, _lasting(header.fields), asks)
        msh = f"{before}{time}{between}{control_id}{after}"
    code = code or _safe(header, outcome)
    faults = _explaining(code, outcome)
    segments = [msh, _msa(header if about is None else about, separators, version, code, faults, sequence)]
    if faults:
        modern = version >= "2.5"  # the versions of table 0104 order as strings
        segments += _err(faults, separators) if modern else _eld(faults, separators)
    return carriable("\r".join(segments) + "\r")


def carriable(text: str) -> bytes:
    """Segments as bytes. What is echoed may hold what begins a segment to some (LF) or ends a frame (0B, 1C): not so."""
    if "\n" in text or "\x0b" in text or "\x1c" in text:
        text = text.translate(_NOT_ECHOED)
    return text.encode("latin-1")


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
    return _AR if header is None or outcome.result is _FAILED else outcome.ack


def _explaining(code: AckCode, outcome: Outcome) -> Sequence[Fault]:
    if code is _CA:  # says that it is stored, and nothing of its content
        return ()
    if outcome.faults or code is _AA:
        return outcome.faults
    ours = outcome.result is _FAILED or code in (_AR, _CR)
    return (_OWN_TROUBLE,) if ours else (_UNEXPLAINED,)


def _without(separators: Separators, control_id: str, time: str) -> str:
    """Our MSH where the message has none (A-07)."""
    told = ("MSH", separators.encoding, "", "", "", "", time, "", "ACK", control_id, "P", OUR_VERSION)
    return separators.field.join(told)


def _lasting(fields: tuple[str, ...]) -> tuple[str, ...]:
    """What one sender says in every MSH of a kind: all but its time and control id."""
    return (*fields[:7], "", *fields[8:10], "", *fields[11:])


@lru_cache(maxsize=512)
def _around(separators: Separators, lasting: tuple[str, ...], asks: tuple[str, str]) -> tuple[str, str, str, str]:
    """The version spoken, and our MSH around its time and its control id."""
    header = Header(separators, lasting)
    told = header.version
    version = told if told in VERSIONS else OUR_VERSION
    before, between, after = _msh(header, separators, version, asks, known=told == version)
    return version, before, between, after


def _msh(
    header: Header, separators: Separators, version: str, asks: tuple[str, str], *, known: bool
) -> tuple[str, str, str]:
    field = separators.field
    kind, raw = "ACK", header.raw
    if version >= "2.4" and header.trigger:  # before, the structure had no place and old engines trip on it
        kind = separators.component.join(("ACK", header.trigger, "ACK"))
    whole_version = raw(12) if known else version
    names = (raw(5), raw(6), raw(3), raw(4))  # swapped
    values = ["", raw(11), whole_version]
    charset = raw(18) if raw(18) and header.charset and codec_of(header.charset) else ""  # unusable: not claimed (F-15)
    if charset or any(asks):
        values += ("", "", *asks, "", charset)
    before = field.join(("MSH", separators.encoding, *names, ""))
    return before, field.join(("", "", kind, "")), field.join(values).rstrip(field)


def _msa(
    about: Header | str | None,
    separators: Separators,
    version: str,
    code: AckCode,
    faults: Sequence[Fault],
    sequence: int | None,
) -> str:
    control_id = about.control_id if isinstance(about, Header) else about or ""
    values = ["MSA", code.value, control_id]
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


def meaning(code: int) -> str:
    """What table 0357 calls an error condition; empty for a code it does not have."""
    return _TABLE_0357.get(code, "")


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
