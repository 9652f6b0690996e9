"""What is pure and dear to make is made once for many tests; a module asks for it, and it ends with the module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.mapping.pack import Pack


def remembering(make: Callable[..., Any]) -> Callable[..., Any]:
    """`make`, which gives for the same arguments what it gave before."""
    made: dict[str, tuple[tuple[object, ...], Any]] = {}

    def remember(*told: Any, **named: Any) -> Any:
        ids = [id(one) if isinstance(one, Pack) else repr(one) for one in told]
        key = repr((ids, sorted((name, sorted(value)) for name, value in named.items())))
        if key not in made:
            made[key] = (told, make(*told, **named))  # what was told is kept: its id must not be used again
        return made[key][1]

    return remember
