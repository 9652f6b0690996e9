"""What must hold of any bytes that are taken for a message: each claim raises AssertionError, and anything else is a crash."""

from __future__ import annotations

import ast
import io
import re
import zlib
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from gateway.er7.ack import AckMode, ControlIds, acknowledge
from gateway.er7.batch import Piece, split, split_frame
from gateway.er7.enhanced import answers
from gateway.er7.escape import escape
from gateway.er7.header import Header, read_header
from gateway.er7.reader import Message, parse
from gateway.er7.separators import Separators
from gateway.mapping.feed import Feed
from gateway.mapping.hl7v2 import Hl7v2Reader
from gateway.mapping.pack import load_pack
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Format, Outcome, PatientEvent, RawMessage, Reading, Result, Severity
from gateway.model.facts import VOCABULARY
from gateway.model.party import Cleared, ContactSystem
from gateway.packs import shipped
from gateway.pipeline.packing import pack, unpack

RECEIVED = 1_772_463_600_000  # 2026-03-02T15:00Z
ROOT = Path(__file__).resolve().parents[2]
_LATER = 3_333_333_333_333  # an instant that no message here tells
_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_NOT_ECHOED = str.maketrans("\n\x0b\x1c", "???")  # what would end the segment or the frame for the other side
_NUMBERLESS = re.compile(r"\w+\|\|([^|]|$)")
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}(?![A-Za-z0-9])")
_EMAIL = re.compile(r"[^\s@<>(),;:\\\"\[\]\x00-\x20\x7f]+@[^\s@<>(),;:\\\"\[\]\x00-\x20\x7f]+")
_REFUSALS = (AckCode.AE, AckCode.AR)
_ids = ControlIds(RECEIVED)

FEEDS = (
    Feed(name="plain", zone="America/Chicago", default_authority="HOSP", organization="hosp", locations={"MED": "med"}),
    Feed(name="old", zone="Europe/Berlin", charset="8859/1", charset_fallbacks=("cp1252",), default_region="DE"),
    Feed(name="strict", zone="+05:30", strict_types=True, not_vip=frozenset({"0"}), ignore_msh7_in_duplicates=False),
    Feed(name="asia", zone="Asia/Tokyo", charset="ISO IR87", charset_fallbacks=("GB 18030-2000", "BIG-5"), default_region="JP"),
)  # fmt: skip


@cache
def readers() -> tuple[tuple[Feed, Hl7v2Reader], ...]:
    """A reader over all shipped mappings for each of `FEEDS`."""
    whole = load_pack([shipped("mappings")])
    return tuple((feed, Hl7v2Reader(whole, feed)) for feed in FEEDS)


def any_message(body: bytes, which: int = 0, *, sampled: bool = False) -> Reading:
    """All claims about one body read by the feed `which` (modulo); returns the reading.

    `sampled`: of the claims about answering and coming back, one or none by the body's sum; a long search sees all.
    """
    feed, reader = readers()[which % len(FEEDS)]
    reading = reader(RawMessage(source=feed.name, format=Format.HL7V2, body=body, received=RECEIVED))
    is_one_of_four(reading)
    for event in reading.events:
        is_fit_to_keep(event)
        is_as_sent(event, body)
    draw = zlib.crc32(body) % 3 if sampled else None
    if draw in (None, 0):
        is_answered(header_of(body), body, reading)
    if draw in (None, 1):
        comes_back(body, feed)
    return reading


def header_of(body: bytes) -> Header | None:
    """The header, or None."""
    try:
        return read_header(body)
    except Unreadable:
        return None


def is_one_of_four(reading: Reading) -> None:
    """Understood, ignored for a reason, kept until its rest comes, or refused by a code of table 0357."""
    refused = [fault for fault in reading.faults if fault.severity in (Severity.ERROR, Severity.FATAL)]
    waits = reading.fragment is not None and not reading.events and reading.ignored is None and not refused
    assert sum((bool(reading.events), reading.ignored is not None, bool(refused), waits)) == 1
    assert (reading.ack in _REFUSALS) is bool(refused)
    for fault in reading.faults:
        assert 100 <= fault.code <= 207
        assert is_ours(fault.rule), "a rule is a sentence of ours, never text of a message"


def is_fit_to_keep(event: PatientEvent) -> None:
    """What would be stored or greeted with: no delete indicator, no replacement of what was not sent, addresses as promised."""
    told = event.person.told.demographics
    assert event.identifiers or event.by_reference  # of one nobody is named: it is about what it names (SI-20)
    for one in (*event.identifiers, *event.merged_from):
        assert one.value
        assert one.value != '""'
        assert one.type not in ("SS", "DL")
    texts = (
        told.given_name,
        told.family_name,
        told.birth_date,
        told.language,
        told.state,
        told.postal_code,
        told.country,
    )
    for text in texts:
        if text is not None and not isinstance(text, Cleared):
            assert text
            assert text != '""'
            assert text == text.strip(" ")
            text.encode()
    for _, points in told.telecom:
        for point in () if isinstance(points, Cleared) else points:
            assert point.value
            if point.system in (ContactSystem.SMS, ContactSystem.PHONE):
                assert _E164.fullmatch(point.value)
            elif point.system is ContactSystem.EMAIL:
                assert _EMAIL.fullmatch(point.value)
                assert len(point.value) <= 254
    facts = dict(event.facts)
    assert facts.keys() <= VOCABULARY.keys()
    assert '""' not in facts.values()
    assert unpack(pack(facts)) == facts
    assert abs(event.occurred) < 1 << 46
    assert abs(event.recorded) < 1 << 46
    if event.occurrence is not None:
        event.occurrence.key.encode()
        assert not _NUMBERLESS.match(event.occurrence.key), "a key without a number would be everybody's"


def is_as_sent(event: PatientEvent, body: bytes) -> None:
    """C-03: no name has a U+FFFD. P-07: and none has a delimiter, unless the person's segment has an escape."""
    told = event.person.told.demographics
    header = header_of(body)
    assert header is not None
    marks = header.separators
    delimiters = {marks.field, marks.component, marks.repetition, marks.subcomponent} - {""}
    escaped = bool(marks.escape) and marks.escape.encode() in body
    for name in (told.given_name, told.family_name):
        if isinstance(name, str):
            assert "\ufffd" not in name
            assert escaped or not delimiters & set(name)


def is_answered(header: Header | None, body: bytes, reading: Reading) -> None:
    """Every acknowledgement we could be made to write is one, echoes the control id, and tells nothing else of the message."""
    result = Result.IGNORED if reading.ignored else Result.ACCEPTED if reading.ack is AckCode.AA else Result.QUARANTINED
    outcome = Outcome(result=result, ack=reading.ack, control_id=reading.control_id, faults=reading.faults)
    everything = b""
    for mode in (AckMode.AUTO, AckMode.ENHANCED):
        asked = answers(header, outcome, mode, body=body)
        for code in filter(None, dict.fromkeys((asked.accept, asked.application))):
            written = acknowledge(header, outcome, control_id=_ids(), now=_LATER, zone="America/Chicago", code=code)
            _is_an_acknowledgement(written, header, code if header is not None else AckCode.AR)
            everything += written
    _tells_nothing(everything, header, body)


def _is_an_acknowledgement(written: bytes, header: Header | None, code: AckCode) -> None:
    again = read_header(written)
    message = Message(again, written.decode("latin-1").rstrip("\r").split("\r"), "latin-1")
    msa = message.first("MSA")
    assert written.endswith(b"\r")
    assert again.message_code == "ACK"
    assert msa[1] == code
    if header is not None:
        assert again.separators == header.separators
        assert msa[2] == header.control_id.translate(_NOT_ECHOED)
        assert again.raw(5) == header.raw(3).translate(_NOT_ECHOED)
    assert message.all("ERR") or code in (AckCode.AA, AckCode.CA)
    assert all(line[:3] in ("MSH", "MSA", "ERR") for line in message.lines)


def _unlabelled(header: Header) -> Header:
    """Without MSH-18: what is compared here are the bytes that were echoed."""
    return Header(header.separators, header.fields[:18])


def _tells_nothing(written: bytes, header: Header | None, body: bytes) -> None:
    """No text of the patient's, unless the header says the very same, or a sentence of ours does."""
    for line in re.split(rb"\r\n?" if b"\r" in body else rb"\n", body)[1:]:
        if line[:3] in (b"PID", b"NK1", b"PV1", b"OBX"):
            for part in re.split(rb"[^\w@.]+", line[4:]):
                if len(part) > 5 and part in written:
                    text = part.decode("latin-1")
                    assert (header is not None and text in "\r".join(header.fields)) or text in sentences()


def comes_back(body: bytes, feed: Feed) -> None:
    """What can be parsed is the same message after it was written out again: as segments, and leaf by leaf (P-07, P-13)."""
    try:
        message = parse(body, default_charset=feed.charset, fallbacks=feed.charset_fallbacks)
    except Unreadable:
        return
    assert message.lines[0].startswith("MSH")
    with suppress(UnicodeEncodeError):  # a charset of which Python reads more than it writes
        assert list(_parsed([*message.lines, ""], message).lines) == list(message.lines)
    if message.separators.escape and not message.codec.startswith("iso2022"):  # where ESC alone is no character
        # what was spelt in hexadecimal may, spelt out, make the bytes look wrongly declared (C-09)
        with suppress(UnicodeEncodeError, Unreadable):
            which = _escaped(message)
            assert _leaves(_parsed(_rewritten(message, which), message), which) == _leaves(message, which)


def _parsed(lines: list[str], like: Message) -> Message:
    body = "\r".join(lines).encode(like.codec)
    return parse(body, default_charset=like.codec, header=_unlabelled(like.header))


def _rewritten(message: Message, which: Sequence[int]) -> list[str]:
    """The segments, those of `which` written anew from their unescaped leaves."""
    marks, split = message.separators, _splitter(message.separators)
    lines = list(message.lines)
    for at in which:
        parts = split.split(lines[at])  # leaves and delimiters in turn
        parts[::2] = [escape(message.text(leaf), marks) for leaf in parts[::2]]
        lines[at] = "".join(parts)
    return [*lines, ""]


def _leaves(message: Message, which: Sequence[int]) -> list[list[str]]:
    """The segments of `which` as leaves, unescaped, and the delimiters between them."""
    split = _splitter(message.separators)
    found = [split.split(message.lines[at]) for at in which]
    return [[part if at % 2 else message.text(part) for at, part in enumerate(parts)] for parts in found]


def _escaped(message: Message) -> list[int]:
    """Where the segments are of which any leaf is written otherwise than it reads; a line that is no segment is passed over (P-15)."""
    mark = message.separators.escape
    told = ((at, line) for at, line in enumerate(message.lines) if at and _SEGMENT.match(line))
    return [at for at, line in told if mark in line or not line.isprintable()]


@cache
def _splitter(marks: Separators) -> re.Pattern[str]:
    every = (marks.field, marks.repetition, marks.component, marks.subcomponent)
    return re.compile(f"([{''.join(re.escape(mark) for mark in every if mark)}])")


def any_batch(data: bytes) -> None:
    """B-01, B-04: files, frames and bodies come apart without an exception, and every line of a message is in some piece."""
    for parts in (list(split(io.BytesIO(data))), split_frame(data)):
        pieces = [part for part in parts if isinstance(part, Piece)]
        assert [piece.index for piece in pieces] == list(range(1, len(pieces) + 1))
        for piece in pieces:
            assert (piece.body is None) is (piece.problem is not None)
            assert piece.body is None or piece.body.strip()
    whole = b"".join(piece.body or b"" for piece in pieces)  # of the body: a file's frames may be broken
    for line in re.split(rb"[\r\n]+", data):
        if _SEGMENT.match(line[:4].decode("latin-1")) and line[:3] not in _ENVELOPE and not _AROUND & set(line):
            assert line.strip() in whole


_ENVELOPE = frozenset({b"FHS", b"BHS", b"BTS", b"FTS"})
_AROUND = frozenset(b"\x0b\x0c\x1c\x1d\x1e\x85 \t")  # framing, and what ends a line to some


# -- the sentences of ours, as the source has them


def is_ours(rule: str) -> bool:
    """Whether a sentence stands in the source, but for the name of a field or of a type that it may begin or end with."""
    before, told, after = rule.partition("the value is not ")
    parts = (after,) if told and not before else (_FIELD.sub("", rule),)
    return all(part in sentences() for part in parts)


_FIELD = re.compile(r"^[A-Z][A-Z0-9]{2}-\d+(\.\d+)?")


@cache
def sentences() -> str:
    """All string constants of what reads, maps and answers, joined; and the mappings, whose reasons are theirs."""
    found: list[str] = []
    for folder in (
        "gateway",
        "gateway/er7",
        "gateway/mapping",
        "gateway/mapping/fhir",
        "gateway/model",
        "connectors/sources/mllp",
    ):
        for path in sorted((ROOT / folder).glob("*.py")):
            nodes = ast.walk(ast.parse(path.read_text("utf-8")))
            found += [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return "\n".join(found)
