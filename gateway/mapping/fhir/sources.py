"""A value's source in a mapping of resources becomes one closure, built once; what cannot work is refused when it is built."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from gateway.mapping.codes import CodeTable
from gateway.mapping.computed import Computation, Gives
from gateway.mapping.fhir.codings import decided
from gateway.mapping.fhir.paths import FhirPath, compile_path
from gateway.mapping.fhir.register import RESOURCE_COMPUTED
from gateway.mapping.fhir.scope import Scope
from gateway.mapping.identifiers import NEVER_MATCHES
from gateway.mapping.schema import Source
from gateway.mapping.sources import mistaken_words, needed, spoken
from gateway.model.facts import FactType
from gateway.model.party import CLEARED

Extract = Callable[[Scope], Any]
"""Gives a value, CLEARED where a whole resource does not tell it (any more), or None; reads the scope's `node`."""


def paths_of(source: Source) -> tuple[FhirPath, ...]:
    """The paths of a source, compiled. Raises ValueError as `compile_path`."""
    return tuple(compile_path(path) for path in source.every_path)


def mistakes(source: Source, tables: Collection[str]) -> Iterator[str]:
    """What is wrong with the words of a source, each by itself: its paths, its code table, its computation."""
    for path in source.every_path:
        try:
            compile_path(path)
        except ValueError as error:
            yield f"`{path[:60]}`: {error}"
    yield from mistaken_words(source, tables, RESOURCE_COMPUTED)


class Sources:
    """Several named sources, compiled together: `told` gives what one resource says of them.

    `clears`: what a whole resource does not tell is told to be gone.
    """

    def __init__(
        self,
        named: Mapping[Any, tuple[Source, FactType | Gives]],
        tables: Mapping[str, CodeTable],
        *,
        clears: bool = False,
    ) -> None:
        self._every = [
            (name, compile_source(source, gives, tables, clears=clears and gives is not Gives.DECEASED))
            for name, (source, gives) in named.items()
        ]

    def told(self, scope: Scope) -> dict[Any, Any]:
        """The values by name, CLEARED for what is gone; what is not told is not there."""
        return {name: value for name, extract in self._every if (value := extract(scope)) is not None}


def compile_source(
    source: Source, gives: FactType | Gives, tables: Mapping[str, CodeTable], *, clears: bool = False
) -> Extract:
    """The closure for one source. `clears`: absent from a whole resource is CLEARED.

    Raises ValueError, one sentence an analyst understands, when the source cannot give `gives`; its words are those
    that `mistakes` has nothing against.
    """
    paths = paths_of(source)
    if not paths:
        raise ValueError("needs a `path` or `paths`")
    table = None if source.codes is None else tables[source.codes]
    meant = _meaning(source, gives, table, paths)
    return _always(paths, meant) if gives is Gives.KEY else _told(paths, meant, clears=clears)


def _always(paths: Sequence[FhirPath], meant: Callable[[Scope, list[list[Any]]], Any]) -> Extract:
    """What has no number of its own is still known by its logical id: a key is asked for whatever the paths find."""
    return lambda scope: meant(scope, [path(scope.node, scope.around) for path in paths])


def _told(paths: Sequence[FhirPath], meant: Callable[[Scope, list[list[Any]]], Any], *, clears: bool) -> Extract:
    first = paths[0]

    def one(scope: Scope) -> Any:
        found = first(scope.node, scope.around)
        if found:
            return meant(scope, [found])
        return CLEARED if clears and scope.whole else None

    def several(scope: Scope) -> Any:
        node, around = scope.node, scope.around
        every = [path(node, around) for path in paths]
        if any(every):
            return meant(scope, every)
        return CLEARED if clears and scope.whole else None

    return one if len(paths) == 1 else several


def _meaning(
    source: Source, gives: FactType | Gives, table: CodeTable | None, paths: Sequence[FhirPath]
) -> Callable[[Scope, list[list[Any]]], Any]:
    if source.compute is not None:
        function = _computing(source, gives, table)
        return lambda scope, every: function(scope, *every)
    if source.never:
        raise ValueError("`never` only goes with a computation that forbids types of identifiers")
    if gives is FactType.CODE:
        return partial(_word, table) if table is not None else _code
    if table is not None:
        raise ValueError("only a code takes a code table (`codes`)")
    if gives not in _CONVERSIONS:
        raise ValueError(f"needs `compute`: a path alone does not give {spoken(gives)}")
    return partial(_first, _CONVERSIONS[gives], gives, tuple(path.text for path in paths))


def _word(table: CodeTable, _: Scope, every: list[list[Any]]) -> str | None:
    return decided(every, table)


def _code(_: Scope, every: list[list[Any]]) -> str | None:
    """A code of FHIR's own, such as a status: our word is the very same."""
    return next((one for values in every for one in values if isinstance(one, str)), None)


def _first(
    convert: Callable[[Scope, Any], Any],
    gives: FactType | Gives,
    texts: Sequence[str],
    scope: Scope,
    every: list[list[Any]],
) -> Any:
    text, told = next((text, values[0]) for text, values in zip(texts, every, strict=True) if values)
    value = convert(scope, told)
    if value is None:
        scope.warn(102, text, f"the value is not {spoken(gives)}")
    return value


def _computing(source: Source, gives: FactType | Gives, table: CodeTable | None) -> Callable[..., Any]:
    assert source.compute is not None
    computation: Computation = RESOURCE_COMPUTED[source.compute]
    needed(computation, gives, source, table, len(source.every_path))
    told = {"codes": table, "names": source.every_path, "never": NEVER_MATCHES.union(source.never)}
    extra = {name: value for name, value in told.items() if name in computation.wants}
    return partial(computation.function, **extra) if extra else computation.function


def _integer(_: Scope, told: Any) -> int | None:
    if isinstance(told, Decimal):
        told = int(told) if told == told.to_integral_value() else None
    return told if isinstance(told, int) and not isinstance(told, bool) else None


def _text(_: Scope, told: Any) -> str | None:
    return (told.strip() or None) if isinstance(told, str) else None


def _yes_no(_: Scope, told: Any) -> bool | None:
    return told if isinstance(told, bool) else None


_CONVERSIONS: dict[FactType | Gives, Callable[[Scope, Any], Any]] = {
    FactType.DATETIME: Scope.when,
    FactType.INTEGER: _integer,
    FactType.TEXT: _text,
    FactType.YESNO: _yes_no,
}
