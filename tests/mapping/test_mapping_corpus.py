"""Other people's messages: each gives a Reading, none an exception; and our reader agrees with python-hl7."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import hl7
import pytest
from mapping_messages import FEED, RECEIVED, at, message, msh

from gateway.er7.reader import parse
from gateway.mapping.hl7v2 import Hl7v2Reader
from gateway.mapping.pack import Pack
from gateway.model.errors import Unreadable
from gateway.model.event import Format, RawMessage, Severity
from tests.effort import calls

_START = re.compile(rb"(?:(?<=[\r\n\x0b\x1c])|\A)(?=MSH)")


def messages(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every message of every file, split roughly at MSH and without framing bytes."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        for part in _START.split(path.read_bytes()):
            if part.strip():
                yield path, part.strip(b"\x0b\x1c")


def test_every_message_in_the_corpus_gives_a_reading(pack: Pack, testdata: Path) -> None:
    """P-15, P-16, T-08: understood, ignored for a reason or refused with a code; exactly one of the three."""
    reader, seen = Hl7v2Reader(pack, FEED), Counter[str]()
    for path, body in messages(testdata):
        reading = reader(RawMessage(source="f", format=Format.HL7V2, body=body, received=RECEIVED))
        refused = [fault for fault in reading.faults if fault.severity is Severity.ERROR]
        told = [bool(reading.events), reading.ignored is not None, bool(refused)]
        assert sum(told) == 1, path.name
        assert (reading.ack == "AA") is not bool(refused), path.name
        seen[("understood", "ignored", "refused")[told.index(True)]] += 1
    assert seen["understood"] > 1000
    assert seen["ignored"] > 200


def test_well_formed_messages_of_mapped_types_are_understood(pack: Pack, testdata: Path) -> None:
    """A-06, X-04: outside malformed/, a refusal of ADT or SIU is one of the few that a rule explains."""
    reader, refused = Hl7v2Reader(pack, FEED), set[tuple[str, int]]()
    for path, body in messages(testdata):
        if path.parent.name == "malformed":
            continue
        reading = reader(RawMessage(source="f", format=Format.HL7V2, body=body, received=RECEIVED))
        if (
            reading.type[:3] in ("ADT", "SIU")
            and pack.trigger(reading.type)
            and not reading.events
            and reading.ignored is None
        ):
            refused |= {(path.name.split("__")[1], fault.code) for fault in reading.faults}
    # No PID segment or number in the file, LF among CR (P-05: content), an unknown charset, a broken header.
    assert {code for _, code in refused} <= {100, 101, 103, 203}
    assert len(refused) <= 10


def agree(body: bytes) -> None:
    """Our segments and fields are python-hl7's, but for blanks at the message's end, which it strips (P-21)."""
    ours = parse(body, default_charset="UTF-8")
    lines = [line for line in ours.lines if line.strip()]
    theirs = hl7.parse("\r".join(lines))
    assert [str(segment[0]) for segment in theirs] == [line.split(ours.separators.field)[0] for line in lines]
    for segment_id in {line[:3] for line in lines}:
        for mine, other in zip(ours.all(segment_id), theirs.segments(segment_id), strict=True):
            assert [*mine[:-1], mine[-1].strip()] == [*map(str, other[:-1]), str(other[-1]).strip()]


def test_our_reader_agrees_with_python_hl7_on_our_own_messages() -> None:
    """P-01, P-02, P-18: a second opinion on splitting."""
    agree(message(msh("ADT^A01"), "EVN||2026", at("PID", f3="1^^^A&1.2^MR~2", f5="O\\T\\N^A"), "PV1|1|I||", "ZZZ|^~|x"))
    agree(message("MSH$%*\\@$EHR$HOSP$G$H$2026$$ADT%A31$C1$P$2.5.1", "PID$1$$12|3%%%A@B%MR*4$$A^sh%Al@x"))


def test_our_reader_agrees_with_python_hl7_on_the_corpus(testdata: Path) -> None:
    """P-01, P-02, P-18: on every well-formed message that both can read."""
    compared = 0
    for path, body in messages(testdata):
        if path.parent.name == "malformed" or len(body) > 20_000:
            continue
        try:
            ours = parse(body, default_charset="UTF-8")
        except Unreadable:
            continue
        field = ours.separators.field
        if len(ours.separators.encoding) != 4 or any(line[3:4] not in ("", field) for line in ours.lines):
            continue  # python-hl7 takes four encoding characters and segments only
        agree(body)
        compared += 1
    assert compared > 700


@pytest.mark.parametrize("kind", ["ADT^A01", "SIU^S12"])
def test_reading_is_quick_enough_not_to_be_the_bottleneck(pack: Pack, kind: str) -> None:
    """The design's budget is tens of microseconds: some hundred calls; `tests/bench` measures the time."""
    reader = Hl7v2Reader(pack, FEED)
    body = message(
        msh(kind), at("SCH", f2="F1", f11="^^^202603200900"), at("PID", f3="1^^^A^MR"), at("PV1", f2="I", f19="V1")
    )
    raw = RawMessage(source="f", format=Format.HL7V2, body=body, received=RECEIVED)
    reader(raw)
    calls(lambda: reader(raw), most=1_000)
