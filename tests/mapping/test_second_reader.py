"""A second opinion: python-hl7 reads every well-formed message of other people's too, and sees in every mapped field what we see."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import hl7
import pytest

from gateway.er7.batch import Piece, split
from gateway.er7.paths import Path as FieldPath
from gateway.er7.paths import compile_path
from gateway.er7.reader import Message, parse
from gateway.mapping.pack import Pack
from gateway.mapping.schema import Source
from gateway.mapping.sources import paths_of

# Where the two differ, and why: (start of the file's name, its number in the file, the field).
DIFFERENCES = {
    ("CDCgov_data-exchange-hl7__KY_Hepatitis_Round_2_TM4", 1, "OBR-2"): (
        'the sender wrote \\"\\", an escape of no standard: ours is kept as it came (P-12), python-hl7 drops a character'
    ),
}
# What the mappings' own computations look at beside their paths: offsets of resources (SI-23), action codes (N-05), consents.
BESIDE = {
    *((segment, 2) for segment in ("RGS", "AIS", "AIG", "AIL", "AIP")),
    *(("AIS", 5), ("AIS", 6), ("AIG", 9), ("AIG", 10), ("AIL", 7), ("AIL", 8), ("AIP", 7), ("AIP", 8)),
    *(("CON", number) for number in (2, 9, 11, 13, 14, 15, 16)),
    *(("EVN", 2), ("EVN", 6), ("ARV", 6), ("DSC", 1)),
}
_SEPARATORS_OF_FOUR = 4

Parts = list[list[list[str]]]
"""Of one field: repetitions of components of subcomponents, as text."""


def sources(pack: Pack) -> Iterator[Source]:
    """Everything that any mapping reads."""
    for family in pack.families.values():
        yield from (*family.facts.values(), *family.visit_flags.values())
        singles = (family.key, family.replaces, family.decide, family.changed, family.parent, family.named)
        yield from (single for single in singles if single is not None)
    yield from (*pack.person.values(), *pack.flags.values())


def messages(folder: Path) -> Iterator[tuple[str, int, bytes]]:
    """Every message outside malformed/: the file's name without its digest, the number in the file, the bytes."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.parent.name != "malformed"):
        with path.open("rb") as stream:
            for part in split(stream):
                assert not isinstance(part, Piece) or part.body is not None, path.name
                if isinstance(part, Piece) and part.body is not None:
                    yield path.name.rpartition("__")[0], part.index, part.body


def theirs_of(body: bytes, codec: str) -> hl7.Message:
    """What python-hl7 reads. It takes segments ended by CR and four encoding characters, no fifth (P-14)."""
    text = re.sub("\r\n|\n|\r", "\r", body.decode(codec).lstrip("\ufeff"))
    start = text.index("MSH") + _SEPARATORS_OF_FOUR
    encoding = text[start:].split(text[start - 1], 1)[0]
    return hl7.parse(text[:start] + encoding[:_SEPARATORS_OF_FOUR] + text[start + len(encoding) :])


def theirs(message: hl7.Message, segment: str, number: int) -> list[Parts]:
    """python-hl7's field, once for each segment of the id."""
    found = []
    for one in message:
        if len(one) and str(one[0]) == segment:
            field = one[number] if number < len(one) else [""]
            found.append([_theirs_in(message, repetition) for repetition in field])
    return found


def _theirs_in(message: hl7.Message, repetition: object) -> list[list[str]]:
    components = [repetition] if isinstance(repetition, str) else list(repetition)  # type: ignore[call-overload]
    return [
        [message.unescape(component)] if isinstance(component, str) else [message.unescape(one) for one in component]
        for component in components
    ]


def ours(message: Message, segment: str, number: int) -> list[Parts]:
    """Our field, once for each segment of the id, taken apart by our delimiters and un-escaped afterwards (P-07)."""
    marks = message.separators
    found = []
    for fields in message.all(segment):
        text = fields[number] if number < len(fields) else ""
        found.append(
            [
                [
                    [message.text(one) for one in _cut(component, marks.subcomponent)]
                    for component in repetition.split(marks.component)
                ]
                for repetition in _cut(text, marks.repetition)
            ]
        )
    return found


def _cut(text: str, mark: str) -> list[str]:
    return text.split(mark) if mark else [text]


def at(parts: list[Parts], path: FieldPath) -> str:
    """What python-hl7 has at a path with a component: of the first segment, in the first repetition."""
    assert path.component is not None
    components = parts[0][0] if parts else []
    inner = components[path.component - 1] if path.component <= len(components) else [""]
    return inner[(path.subcomponent or 1) - 1] if (path.subcomponent or 1) <= len(inner) else ""


@pytest.mark.slow
def test_python_hl7_sees_in_every_mapped_field_what_we_see(pack: Pack, testdata: Path) -> None:
    """P-01, P-02, P-07, P-17, P-18: every repetition, component and subcomponent of each well-formed message."""
    paths = {path for source in sources(pack) for path in paths_of(source)}
    fields = sorted({(path.segment, path.field) for path in paths} | BESIDE)
    deep = [path for path in paths if path.component is not None]
    texts = {
        path: text for source in sources(pack) for path, text in zip(paths_of(source), source.every_path, strict=True)
    }
    seen: Counter[str] = Counter()
    different = set()
    for name, index, body in messages(testdata):
        message = parse(body, default_charset="UTF-8", fallbacks=("cp1252",))
        other = theirs_of(body, message.codec)
        seen["messages"] += 1
        for segment, number in fields:
            if segment not in message:
                continue
            mine, their = ours(message, segment, number), theirs(other, segment, number)
            seen["fields"] += len(mine)
            if mine != their:
                different.add((name, index, f"{segment}-{number}"))
            for path in deep:
                if (path.segment, path.field) == (segment, number):
                    seen["paths"] += 1
                    raw = compile_path(texts[path])(message)
                    assert (message.text(raw) if raw else "") == at(their, path), (name, index, texts[path])
    assert different == set(DIFFERENCES)
    assert seen["messages"] > 1500
    assert seen["fields"] > 60_000
    assert seen["paths"] > 40


def test_a_reader_that_loses_a_subcomponent_would_be_found_out() -> None:
    """P-17: the comparison is one that can fail."""
    body = b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5.1\rPID|1||1^^^A&1.2&ISO^MR~2||O\\T\\N^A\r"
    message = parse(body, default_charset="UTF-8")
    other = theirs_of(body, "utf-8")
    assert ours(message, "PID", 3) == theirs(other, "PID", 3)
    assert ours(message, "PID", 3) == [[[["1"], [""], [""], ["A", "1.2", "ISO"], ["MR"]], [["2"]]]]
    assert ours(message, "PID", 5) == theirs(other, "PID", 5) == [[[["O&N"], ["A"]]]]
    lost = parse(body.replace(b"&1.2", b""), default_charset="UTF-8")
    assert ours(lost, "PID", 3) != theirs(other, "PID", 3)
