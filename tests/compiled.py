"""Mappings and rules are read and compiled once in a process of tests for all sites whose files say the same: they are pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch


@contextmanager
def once() -> Iterator[None]:
    """What `assemble` makes of files is remembered."""
    from gateway.app import assembly
    from gateway.pipeline import bundles
    from gateway.settings import references

    with (
        patch.object(assembly, "load_pack", _remembering(assembly.load_pack)),
        patch.object(assembly, "Hl7v2Reader", _remembering(assembly.Hl7v2Reader)),
        patch.object(bundles, "compiled", _remembering(bundles.compiled)),
        patch.object(references, "kinds", cache(references.kinds)),
    ):
        yield


def _remembering(make: Callable[..., Any]) -> Callable[..., Any]:
    made: dict[Hashable, tuple[tuple[object, ...], Any]] = {}

    def remember(*told: Any, **named: Any) -> Any:
        key = (tuple(map(_known, told)), _known(named))
        if key not in made:
            made[key] = (told, make(*told, **named))  # what was told is kept: its id must not be used again
        return made[key][1]

    return remember


def _known(told: object) -> Hashable:
    """A folder by its place and what is in it, a pack as itself, everything else as it is told."""
    from gateway.mapping.pack import Pack

    if isinstance(told, Pack):
        return id(told)
    if isinstance(told, Path):
        return str(told), *((path, path.read_bytes()) for path in sorted(told.rglob("*.yaml")))
    if isinstance(told, Mapping):
        return frozenset((name, _known(one)) for name, one in told.items())
    if isinstance(told, AbstractSet):
        return frozenset(told)
    if isinstance(told, Sequence) and not isinstance(told, str | bytes):
        return tuple(map(_known, told))
    return told if isinstance(told, str | bytes) else repr(told)
