"""One appointment, visit, result or order has the same key whichever standard tells it, where its identifier systems are configured.

The words are those of HL7 v2's keys: "filler|id|namespace…". A number of a system that `systems` does not name is
nobody else's, and the logical id stands for the resource: "fhir|id|server".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gateway.mapping.computed import Gives
from gateway.mapping.fhir.codings import codes_of
from gateway.mapping.fhir.references import home_of, identifier_of
from gateway.mapping.fhir.register import resource_computed
from gateway.mapping.fhir.scope import Scope
from gateway.model.party import Identifier

_NONE: frozenset[str] = frozenset()
_PLACER, _FILLER, _ACCOUNT = "PLAC", "FILL", "AN"  # table 0203
_FIRST = 20  # identifiers of one resource that are looked at


def resource_key(scope: Scope) -> str | None:
    """The logical id with its server; None without one."""
    id_ = scope.node.get("id")
    return f"fhir|{id_}|{home_of(scope.feed)}" if isinstance(id_, str) and id_ else None


@resource_computed(Gives.KEY)
def own_key(scope: Scope, _: list[Any]) -> str | None:
    """The logical id with its server, for what HL7 v2 has no key of."""
    return resource_key(scope)


@resource_computed(Gives.KEY)
def appointment_key(scope: Scope, identifiers: list[Any]) -> str | None:
    """Filler, else placer number with its namespace, as SCH-2 and SCH-1 tell it (SI-21); else the logical id."""
    return _shared(scope, identifiers, ("filler", "placer"), _FILLER, "|")


@resource_computed(Gives.KEY)
def visit_key(scope: Scope, identifiers: list[Any]) -> str | None:
    """The visit number within its assigning authority, else the account, as PV1-19 and PID-18 tell it (AD-01); else the logical id."""
    known = list(_configured(scope, identifiers))
    chosen = next((one for one in known if one.type != _ACCOUNT), known[0] if known else None)
    if chosen is None:
        return _otherwise(scope, identifiers, "visit", "")
    return f"{'account' if chosen.type == _ACCOUNT else 'visit'}|{chosen.value}|{chosen.system}"


@resource_computed(Gives.KEY)
def result_key(scope: Scope, identifiers: list[Any], tests: list[Any]) -> str | None:
    """Filler, else placer order with the test, as OBR-3 and OBR-4 tell it (OR-07); else the logical id."""
    test = next(iter(codes_of(tests)), "").upper()
    return _shared(scope, identifiers, ("filler", "placer"), _FILLER, f"|{test}")


@resource_computed(Gives.KEY)
def prescription_key(scope: Scope, identifiers: list[Any]) -> str | None:
    """Placer order, else the filler's prescription number, as ORC-2 and RXE-15 tell it; else the logical id."""
    return _shared(scope, identifiers, ("placer", "number"), _PLACER, "")


@resource_computed(Gives.KEY)
def order_key(scope: Scope, identifiers: list[Any]) -> str | None:
    """Filler, else placer order with its namespace, as ORC-3 and ORC-2 tell it; else the logical id."""
    return _shared(scope, identifiers, ("filler", "placer"), _FILLER, "")


@resource_computed(Gives.KEY)
def referred_key(scope: Scope, references: list[Any]) -> str | None:
    """The key of what a Reference leads to at our own server, whatever its type."""
    told = references[0].get("reference") if references and isinstance(references[0], dict) else None
    key = scope.around.key(told) if isinstance(told, str) else None
    return None if key is None else f"fhir|{key[1]}|{home_of(scope.feed)}"


def _shared(scope: Scope, identifiers: Sequence[Any], words: tuple[str, str], first: str, tail: str) -> str | None:
    """The key by a configured system: what is typed `first` or untyped is the first word, and goes before the second."""
    known = sorted(_configured(scope, identifiers), key=lambda one: _order(one, first))
    if not known:
        return _otherwise(scope, identifiers, words[0], tail)
    one = known[0]
    return f"{words[_order(one, first) == 2]}|{one.value}|{one.system}{tail}"


def _order(one: Identifier, first: str) -> int:
    return 0 if one.type == first else 2 if one.type in (_PLACER, _FILLER) else 1


def _otherwise(scope: Scope, identifiers: Sequence[Any], word: str, tail: str) -> str | None:
    """The logical id; of a resource without one (a file) any number it has."""
    own = resource_key(scope)
    if own is not None:
        return own
    one = next((one for told in identifiers[:_FIRST] if (one := identifier_of(scope, told, _NONE)) is not None), None)
    return None if one is None else f"{word}|{one.value}|{one.system}{tail}"


def _configured(scope: Scope, identifiers: Sequence[Any]) -> Iterator[Identifier]:
    systems = scope.feed.systems
    for told in identifiers[:_FIRST] if systems else ():
        if isinstance(told, dict) and told.get("system") in systems:
            one = identifier_of(scope, told, _NONE)
            if one is not None:
                yield one
