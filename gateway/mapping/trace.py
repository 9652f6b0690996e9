"""A traced reading is the real one, watched: every value with the fields that its own closure looked at, nothing told twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, SupportsIndex, overload

from gateway.er7.header import Header
from gateway.er7.paths import Path
from gateway.er7.reader import Message
from gateway.mapping.events import Plan
from gateway.mapping.feed import Feed
from gateway.mapping.fields import Fields
from gateway.mapping.hl7v2 import Hl7v2Reader
from gateway.mapping.orders import DecidedPlan
from gateway.mapping.pack import Family, Pack
from gateway.mapping.schema import Trigger
from gateway.mapping.scope import Scope
from gateway.mapping.sources import Extract
from gateway.model.consent import ConsentStatement
from gateway.model.event import RawMessage, Reading

Around = Callable[[str, Extract], Extract]


class Spot(NamedTuple):
    """One field of one segment: the segment's place among the message's (0-based), and the field's number."""

    line: int
    field: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One value a mapping took, and the valued fields it looked at for it. The value is PHI: for showing, never kept.

    `name`: a fact ("appointment.start"), "person.<slot>", "flags.<reason>", "visit_flags.<reason>", or one of
    "identifiers", "merged_from", "key", "replaces", "changed", "parent", "named", "decide", "consents".
    """

    name: str
    value: Any = field(repr=False)
    spots: tuple[Spot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """A reading and what was taken for it, in order, each thing once."""

    reading: Reading
    takes: tuple[Take, ...]


class _Recorder:
    """Knows whose closure runs; what is looked at meanwhile is looked at for that."""

    def __init__(self) -> None:
        self.takes: dict[tuple[str, tuple[Spot, ...], str], Take] = {}
        self._seen: dict[Spot, None] | None = None

    def see(self, spot: Spot) -> None:
        if self._seen is not None:
            self._seen[spot] = None

    def around(self, name: str, extract: Extract) -> Extract:
        def watched(scope: Scope) -> Any:
            self._seen = {}
            value = extract(scope)
            spots, self._seen = tuple(self._seen), None
            if value is not None and value != ():
                self.takes.setdefault((name, spots, repr(value)), Take(name=name, value=value, spots=spots))
            return value

        return watched


class _Line(str):
    """A segment that knows its place; its fields tell who looks at them. The mapping only ever splits segments."""

    __slots__ = ("place", "recorder")
    place: int
    recorder: _Recorder

    @classmethod
    def of(cls, text: str, place: int, recorder: _Recorder) -> _Line:
        line = cls(text)
        line.place, line.recorder = place, recorder
        return line

    def split(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        return _Watched(super().split(sep, maxsplit), self)


class _Watched(list[str]):
    """The fields of one segment, by number."""

    def __init__(self, fields: Iterable[str], line: _Line) -> None:
        super().__init__(fields)
        self._line = line

    @overload
    def __getitem__(self, key: SupportsIndex, /) -> str: ...
    @overload
    def __getitem__(self, key: slice, /) -> list[str]: ...
    def __getitem__(self, key: SupportsIndex | slice, /) -> str | list[str]:
        value = super().__getitem__(key)
        if isinstance(value, str) and value:
            self._line.recorder.see(Spot(self._line.place, int(key)))  # type: ignore[arg-type]
        return value

    def __add__(self, other: list[Any], /) -> list[Any]:
        return _Watched([*self, *other], self._line)


class _Raws(list[str]):
    """What a plan picked, by place; each place is a field of the first segment that has its id."""

    def __init__(self, raws: Iterable[str], spots: Sequence[Spot | None], recorder: _Recorder) -> None:
        super().__init__(raws)
        self._spots = spots
        self._recorder = recorder

    @overload
    def __getitem__(self, key: SupportsIndex, /) -> str: ...
    @overload
    def __getitem__(self, key: slice, /) -> list[str]: ...
    def __getitem__(self, key: SupportsIndex | slice, /) -> str | list[str]:
        value = super().__getitem__(key)
        spot = self._spots[key] if isinstance(key, int) else None
        if spot is not None and value:
            self._recorder.see(spot)
        return value


class _Fields(Fields):
    """Picks as the real one does, and keeps where each text came from."""

    def __init__(self, paths: Iterable[Path], recorder: _Recorder) -> None:
        paths = list(paths)
        super().__init__(paths)
        self._recorder = recorder
        self._paths = {self.place(path): path for path in paths}

    def pick(self, message: Message) -> list[str]:
        raws = super().pick(message)
        places = {line[:3]: line.place for line in reversed(message.lines) if isinstance(line, _Line)}
        spots = [self._spot(number, places) for number in range(len(raws))]
        return _Raws(raws, spots, self._recorder)

    def _spot(self, number: int, places: dict[str, int]) -> Spot | None:
        path = self._paths.get(number)
        line = None if path is None else places.get(path.segment)
        return None if path is None or line is None else Spot(line, path.field)


class _TracedPlan(Plan):
    """A plan whose every closure is watched."""

    def __init__(
        self, family: Family, trigger: Trigger, pack: Pack, facts: frozenset[str] | None, recorder: _Recorder
    ) -> None:
        self._recorder = recorder
        super().__init__(family, trigger, pack, facts)
        around = recorder.around
        self._identifiers = around("identifiers", self._identifiers)
        for name in ("key", "merged_from", "replaced", "changed", "parent", "named"):
            if (extract := getattr(self, f"_{name}", None)) is not None:
                setattr(self, f"_{name}", around("replaces" if name == "replaced" else name, extract))
        self._person.wrap(_under("person", around))
        self._flags.wrap(_under("flags", around))
        self._visit_flags.wrap(_under("visit_flags", around))
        self._facts.wrap(around)

    def _picking(self, paths: Iterable[Path]) -> Fields:
        return _Fields(paths, self._recorder)

    def _statements(self, scope: Scope) -> tuple[tuple[ConsentStatement, ...], bool]:
        told: list[bool] = []

        def found(scope: Scope) -> tuple[ConsentStatement, ...]:
            statements, unclear = super(_TracedPlan, self)._statements(scope)
            told.append(unclear)
            return statements

        statements: tuple[ConsentStatement, ...] = self._recorder.around("consents", found)(scope)
        return statements, told[0]


def _under(section: str, around: Around) -> Around:
    return lambda name, extract: around(f"{section}.{name}", extract)


class _TracedDecided(DecidedPlan):
    """The same where the message's content decides what it is."""

    def __init__(
        self, family: Family, trigger: Trigger, pack: Pack, facts: frozenset[str] | None, recorder: _Recorder
    ) -> None:
        self._recorder = recorder
        super().__init__(family, trigger, pack, facts)
        self._decide = recorder.around("decide", self._decide)

    def _picking(self, paths: Iterable[Path]) -> Fields:
        return _Fields(paths, self._recorder)

    def _plan(self, family: Family, trigger: Trigger, pack: Pack, facts: frozenset[str] | None) -> Plan:
        return _TracedPlan(family, trigger, pack, facts, self._recorder)


class TracedReader(Hl7v2Reader):
    """Reads as `Hl7v2Reader` does, whose code it is, and remembers who looked where. Not for the hot path.

    Parameters as there: with `facts`, only what those need is looked at (law 5).
    """

    def __init__(self, pack: Pack, feed: Feed, *, facts: frozenset[str] | None = None) -> None:
        self._recorder = _Recorder()
        super().__init__(pack, feed, facts=facts)

    def trace(self, message: RawMessage) -> Traced:
        """Read one message; never raises on foreign input, as the reader does not."""
        self._recorder.takes.clear()
        reading = self(message)
        for event in reading.events:
            event.person.told  # noqa: B018 - is read when somebody asks: here it is always asked for
        return Traced(reading=reading, takes=tuple(self._recorder.takes.values()))

    def _plan(self, family: Family, trigger: Trigger, pack: Pack, facts: frozenset[str] | None) -> Plan | DecidedPlan:
        plan = _TracedDecided if trigger.when else _TracedPlan
        return plan(family, trigger, pack, facts, self._recorder)

    def _parsed(self, raw: RawMessage, header: Header) -> Message:
        message = super()._parsed(raw, header)
        lines = [_Line.of(line, place, self._recorder) for place, line in enumerate(message.lines)]
        return Message(message.header, lines, message.codec)
