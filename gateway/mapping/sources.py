"""A value's source in a mapping becomes one closure, built once; what cannot work is refused when it is built."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from gateway.er7.paths import Path, compile_all, parse_path
from gateway.er7.reader import NULL
from gateway.mapping.codes import CodeTable
from gateway.mapping.computed import COMPUTED, Computation, Gives
from gateway.mapping.fields import Fields
from gateway.mapping.identifiers import NEVER_MATCHES
from gateway.mapping.schema import Source
from gateway.mapping.scope import Scope
from gateway.model.facts import FactType
from gateway.model.party import CLEARED
from gateway.yamlfile import like

Extract = Callable[[Scope], Any]
"""Gives a value, CLEARED for `""`, or None when the message says nothing; reads the scope's `raws`."""

OfOne = Callable[[Scope, str], Any]
"""The same for a source with one path; called with its raw text, and only when something is told."""


def paths_of(source: Source) -> tuple[Path, ...]:
    """The paths of a source, parsed. Raises ValueError as `parse_path`."""
    return tuple(parse_path(path) for path in source.every_path)


def mistakes(source: Source, tables: Collection[str]) -> Iterator[str]:
    """What is wrong with the words of a source, each by itself: its paths, its code table, its computation."""
    for path in source.every_path:
        try:
            parse_path(path)
        except ValueError as error:
            yield str(error)
    yield from mistaken_words(source, tables, COMPUTED)


def mistaken_words(source: Source, tables: Collection[str], register: Collection[str]) -> Iterator[str]:
    """What is wrong with the code table and the computation that a source names; `register`: the computations there are."""
    if source.codes is not None and source.codes not in tables:
        yield f"there is no code table `{source.codes[:40]}`{like(source.codes, tables)}"
    if source.compute is not None and source.compute not in register:
        known = like(source.compute, register) or f"; known: {', '.join(sorted(register))}"
        yield f"there is no computation `{source.compute[:40]}`{known}"


class Sources:
    """Several named sources, compiled together: `told` gives what one PATIENT group says of them.

    `rare`: usually nothing is told, so that one look at all their fields saves asking each.
    """

    def __init__(
        self,
        named: Mapping[Any, tuple[Source, FactType | Gives]],
        tables: Mapping[str, CodeTable],
        fields: Fields,
        *,
        rare: bool = False,
    ) -> None:
        places = [fields.place(path) for source, _ in named.values() for path in paths_of(source)]
        self._glance = itemgetter(0, *places) if rare and places else None
        self._ones: list[tuple[Any, int, OfOne]] = []
        self._others: list[tuple[Any, Extract]] = []
        for name, (source, gives) in named.items():
            paths, one = paths_of(source), _of_one(source, gives, tables)
            if one is not None:
                self._ones.append((name, fields.place(paths[0]), one))
            else:
                self._others.append((name, compile_source(source, gives, tables, fields)))

    def wrap(self, around: Callable[[Any, Extract], Extract]) -> None:
        """Put something around the closure of every name, such as a trace of what it reads (`trace.py`)."""
        every = [*((name, _single(one, place)) for name, place, one in self._ones), *self._others]
        self._ones, self._others = [], [(name, around(name, extract)) for name, extract in every]

    def told(self, scope: Scope) -> dict[Any, Any]:
        """The values by name, CLEARED for `""`; what is not told is not there (N-01)."""
        raws = scope.raws
        found: dict[Any, Any] = {}
        if self._glance is not None and not any(self._glance(raws)[1:]):
            return found
        for name, place, one in self._ones:
            raw = raws[place]
            if raw:
                value = one(scope, raw)
                if value is not None:
                    found[name] = value
        for name, extract in self._others:
            value = extract(scope)
            if value is not None:
                found[name] = value
        return found


def compile_source(
    source: Source, gives: FactType | Gives, tables: Mapping[str, CodeTable], fields: Fields | None = None
) -> Extract:
    """The closure for one source; its paths have places in `fields`, which picked what the scope's `raws` hold.

    Raises ValueError, one sentence an analyst understands, when the source cannot give `gives`; its words are those
    that `mistakes` has nothing against.
    """
    paths = paths_of(source)
    fields = fields or Fields(paths)
    one = _of_one(source, gives, tables)
    if one is not None:
        return _single(one, fields.place(paths[0]))
    if source.compute is not None:
        return _several(_computing(source, gives, tables), [fields.place(path) for path in paths])
    if gives is FactType.CODE:
        return _coded(source, _table(source, tables), fields)
    return _plain(paths, gives, fields)


def _of_one(source: Source, gives: FactType | Gives, tables: Mapping[str, CodeTable]) -> OfOne | None:
    """The function of the one raw text where that is all it takes; every source is checked on the way here."""
    paths = paths_of(source)
    if not paths:
        raise ValueError("needs a `path` or `paths`")
    if source.compute is not None:
        function = _computing(source, gives, tables)
        return function if len(paths) == 1 else None
    if source.never:
        raise ValueError("`never` only goes with a computation that forbids types of identifiers")
    table = _table(source, tables)
    if gives is FactType.CODE:
        if table is None:
            raise ValueError("is a code: it needs a code table (`codes`) or a computation (`compute`)")
        return None
    if table is not None:
        raise ValueError("only a code takes a code table (`codes`)")
    if gives not in _CONVERSIONS:
        raise ValueError(f"needs `compute`: a path alone does not give {spoken(gives)}")
    return _converting(paths[0], gives) if len(paths) == 1 else None


def _table(source: Source, tables: Mapping[str, CodeTable]) -> CodeTable | None:
    return None if source.codes is None else tables[source.codes]


def _single(one: OfOne, place: int) -> Extract:
    def single(scope: Scope) -> Any:
        raw = scope.raws[place]
        return one(scope, raw) if raw else None

    return single


def _several(function: Callable[..., Any], places: Sequence[int]) -> Extract:
    getter = itemgetter(*places)

    def several(scope: Scope) -> Any:
        raws = getter(scope.raws)
        return function(scope, *raws) if any(raws) else None  # nothing told: nothing said (N-01)

    return several


def _converting(path: Path, gives: FactType | Gives) -> OfOne:
    convert = _CONVERSIONS[gives]

    def converted(scope: Scope, raw: str) -> Any:
        raw = scope.first_component(raw)
        if raw == NULL:
            return CLEARED
        value = convert(scope, raw)
        if value is None:
            scope.warn(102, path.segment, path.field, f"the value is not {spoken(gives)}")
        return value

    return converted


def _plain(paths: Sequence[Path], gives: FactType | Gives, fields: Fields) -> Extract:
    reads = [(fields.place(path), _converting(path, gives)) for path in paths]

    def first_told(scope: Scope) -> Any:
        for place, convert in reads:
            if scope.raws[place]:
                return convert(scope, scope.raws[place])
        return None

    return first_told


def _coded(source: Source, table: CodeTable | None, fields: Fields) -> Extract:
    assert table is not None
    reads = [
        (path.segment, fields.place(path), compile_all(text))
        for path, text in zip(paths_of(source), source.every_path, strict=True)
    ]
    decide = table.decide

    def coded(scope: Scope) -> Any:
        message, mark, raws = scope.message, scope.repetition, scope.raws
        repeated = message.repeated
        found: list[Sequence[str]] = []
        for segment, place, every in reads:
            raw = raws[place]
            if segment in repeated or (mark and mark in raw):
                found.append(every(message))
            elif raw:
                found.append((raw,))
        return decide(found, message.separators) if found else None  # nothing told: nothing said (N-01)

    return coded


def _computing(source: Source, gives: FactType | Gives, tables: Mapping[str, CodeTable]) -> Callable[..., Any]:
    assert source.compute is not None
    table, computation = _table(source, tables), COMPUTED[source.compute]
    needed(computation, gives, source, table, len(paths_of(source)))
    told = {
        "codes": table,
        "names": tuple(path.name for path in paths_of(source)),
        "never": NEVER_MATCHES.union(source.never),
    }
    extra = {name: value for name, value in told.items() if name in computation.wants}
    return partial(computation.function, **extra) if extra else computation.function


def needed(
    computation: Computation, gives: FactType | Gives, source: Source, table: CodeTable | None, paths: int
) -> None:
    """Raises ValueError, one sentence, when the computation does not give `gives` or is told too little or too much."""
    if computation.gives is not gives:
        raise ValueError(f"`{computation.name}` gives {spoken(computation.gives)}, here stands {spoken(gives)}")
    wants = computation.wants
    if ("codes" in wants) != (table is not None):
        told = "needs a code table (`codes`)" if "codes" in wants else "takes no code table (`codes`)"
        raise ValueError(f"`{computation.name}` {told}")
    if source.never and "never" not in wants:
        raise ValueError(f"`{computation.name}` takes no `never`")
    _check_count(computation, paths)


def _check_count(computation: Computation, told: int) -> None:
    if told < computation.paths or (told > computation.paths and not computation.more):
        number = f"at least {computation.paths}" if computation.more else str(computation.paths)
        raise ValueError(f"`{computation.name}` takes {number} path(s), here stand {told}")


def _integer(_: Scope, raw: str) -> int | None:
    told = raw.strip(" ")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 16 else None


def _yes_no(_: Scope, raw: str) -> bool | None:
    return {"Y": True, "N": False}.get(raw.strip(" ").upper())  # table 0136


def _text(scope: Scope, raw: str) -> str | None:
    # "Insulin 10#" is not ten of anything: of a text the rest may change the meaning (P-14)
    text = scope.shown(raw)
    return None if not text or scope.is_truncated(raw) else text


_CONVERSIONS: dict[FactType | Gives, Callable[[Scope, str], Any]] = {
    FactType.DATETIME: Scope.when,
    FactType.INTEGER: _integer,
    FactType.TEXT: _text,
    FactType.YESNO: _yes_no,
}

_SPOKEN: dict[FactType | Gives, str] = {
    FactType.DATETIME: "a date and time",
    FactType.INTEGER: "a whole number",
    FactType.YESNO: "a yes or no",
    Gives.FLAG: "a flag (yes or no)",
    Gives.KEY: "an identity",
    Gives.IDENTIFIERS: "identifiers",
}


def spoken(gives: FactType | Gives) -> str:
    """What a source gives, in words with their article."""
    return _SPOKEN.get(gives, f"a {gives.value.replace('_', ' ')}")
