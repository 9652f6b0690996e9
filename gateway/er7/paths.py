"""Paths such as `PID-5.1` or `PID-3[MR].1`, compiled once into closures; a missing part reads as absent, never an error."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from gateway.er7.reader import NULL, Message

Read = Callable[[Message], str]
"""Raw text at a path in the first segment that has it: `''` absent, `""` delete indicator (N-01)."""

ReadAll = Callable[[Message], list[str]]
"""Raw text at a path in every segment and repetition that has it (P-18); empty strings left out."""

_PATH = re.compile(
    r"(?P<segment>[A-Z][A-Z0-9]{2})-(?P<field>[1-9]\d?)"
    r"(?:\[(?P<pick>[A-Za-z0-9]+)\])?"
    r"(?:\.(?P<component>[1-9]\d?)(?:\.(?P<subcomponent>[1-9]\d?))?)?"
)

# Which component tells the type of a repetition: CX.5, XPN.7, XAD.7, XTN.2 and .3 (C2A).
_CX, _XPN, _XAD, _XTN = (5,), (7,), (7,), (2, 3)
_TYPES = {
    **dict.fromkeys(("PID-2", "PID-3", "PID-4", "PID-18", "PV1-19", "PV1-50", "MRG-1", "MRG-3", "NK1-33"), _CX),
    **dict.fromkeys(("PID-5", "PID-6", "PID-9", "NK1-2", "MRG-7"), _XPN),
    **dict.fromkeys(("PID-11", "NK1-4"), _XAD),
    **dict.fromkeys(("PID-13", "PID-14", "PID-40", "NK1-5", "NK1-6", "NK1-40"), _XTN),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A parsed path; positions are 1-based. `pick`: repetition number, or the type its component must tell."""

    segment: str
    field: int
    pick: int | str | None
    component: int | None
    subcomponent: int | None

    @property
    def name(self) -> str:
        """Segment and field as written, such as "PID-3"."""
        return f"{self.segment}-{self.field}"


@lru_cache(maxsize=1024)
def parse_path(text: str) -> Path:
    """Read a path `SEG-field[repetition or type].component.subcomponent`; ValueError says what is wrong."""
    match = _PATH.fullmatch(text)
    if match is None:
        raise ValueError(f"`{text[:40]}` is not a path like PID-5.1, PID-3[MR].1 or AIS-4")
    pick, component, subcomponent = match["pick"], match["component"], match["subcomponent"]
    path = Path(
        segment=match["segment"],
        field=int(match["field"]),
        pick=int(pick) if pick is not None and pick.isdecimal() else pick,
        component=None if component is None else int(component),
        subcomponent=None if subcomponent is None else int(subcomponent),
    )
    if isinstance(path.pick, str) and path.name not in _TYPES:
        raise ValueError(f"`{path.name}` has no component that tells a type, so [{path.pick}] picks nothing")
    if path.pick == 0:
        raise ValueError("repetitions count from 1")
    return path


@lru_cache(maxsize=1024)
def compile_path(text: str) -> Read:
    """A closure for the first value at a path (raw, escapes kept). Raises ValueError as `parse_path`.

    Without component: the whole field with all its repetitions (`PID-13`). With one: of the first
    repetition, or of the one picked; a value told without components is its first component (P-17).
    """
    path = parse_path(text)
    segment, number = path.segment, path.field
    if path.pick is None and path.component is None:

        def whole(message: Message) -> str:
            fields = message.first(segment)
            return fields[number] if number < len(fields) else ""

        return whole

    def part(message: Message) -> str:
        fields = message.first(segment)
        field = fields[number] if number < len(fields) else ""
        return cut(field, message, path) if field else ""

    return part


@lru_cache(maxsize=1024)
def compile_all(text: str) -> ReadAll:
    """A closure for every value at a path, over all segments and repetitions (P-18). ValueError as `parse_path`."""
    path = parse_path(text)
    segment, number = path.segment, path.field

    def values(message: Message) -> list[str]:
        found = []
        for fields in message.all(segment):
            if number < len(fields) and fields[number]:
                for repetition in _picked(fields[number], message, path):
                    value = _within(repetition, message, path)
                    if value:
                        found.append(value)
        return found

    return values


def repetitions(field: str, message: Message) -> list[str]:
    """The repetitions of a raw field, at least one."""
    separator = message.separators.repetition
    return field.split(separator) if separator and separator in field else [field]


def cut(field: str, message: Message, path: Path) -> str:
    """The part of a raw field a path names: of its first repetition, or of the one picked; else `''` (P-16)."""
    if path.pick is None and path.component is not None:  # the usual way, without a list of repetitions
        separator = message.separators.repetition
        if separator and separator in field:
            field = field[: field.index(separator)]
        parts = field.split(message.separators.component, path.component)
        if path.component <= len(parts) and field != NULL:
            text, mark = parts[path.component - 1], message.separators.subcomponent
            return _nth(text, mark, path.subcomponent or 1) if mark and mark in text else _alone(text, path)
        return NULL if field == NULL else ""
    found = _picked(field, message, path)
    return _within(found[0], message, path) if found else ""


def _picked(field: str, message: Message, path: Path) -> list[str]:
    found = repetitions(field, message)
    if path.pick is None:
        return found
    if isinstance(path.pick, int):
        return found[path.pick - 1 : path.pick]
    split = message.separators.component
    return [one for one in found if _is_of_type(one.split(split), _TYPES[path.name], path.pick)]


def _is_of_type(components: list[str], places: tuple[int, ...], wanted: str) -> bool:
    return any(place <= len(components) and components[place - 1].strip(" ") == wanted for place in places)


def _alone(text: str, path: Path) -> str:
    """A component without subcomponents: all of it is the first one (P-17); a deletion is of every one (N-03)."""
    return text if text == NULL or (path.subcomponent or 1) == 1 else ""


def _within(repetition: str, message: Message, path: Path) -> str:
    if path.component is None:
        return repetition
    return component(repetition, message, path.component, path.subcomponent)


def component(repetition: str, message: Message, number: int, sub: int | None = None) -> str:
    """Raw component `number` (1-based) of a repetition, else `''`; its first subcomponent unless `sub` says another.

    What comes with fewer levels than expected is the first part of the next level, and the reverse (P-17).
    A delete indicator standing for the whole deletes every part of it (N-03).
    """
    if repetition == NULL:
        return repetition
    separators = message.separators
    text = _nth(repetition, separators.component, number)
    return text if text == NULL else _nth(text, separators.subcomponent, sub or 1)


def _nth(text: str, separator: str, number: int) -> str:
    if not separator or separator not in text:
        return text if number == 1 else ""
    parts = text.split(separator, number)
    return parts[number - 1] if number <= len(parts) else ""
