"""An order, document or dose is known by its entity identifier and namespace together (C2A EI); never by its set id."""

from __future__ import annotations

from gateway.er7.reader import NULL
from gateway.mapping.identifiers import authority_of
from gateway.mapping.scope import Scope


def entity(scope: Scope, which: str, field: str) -> str | None:
    """The key "which|id|namespace" of a raw EI (or a plain number); None when not told, deleted or cut off (P-14)."""
    parts = scope.parts(scope.repetitions(field)[0])
    value = "" if scope.is_truncated(parts[0]) else scope.text(parts[0])
    if not value:
        return None
    named = (authority_of(scope, part) for part in parts[1:3] if part)  # EI.2 namespace, else EI.3 universal id
    authority = next((name for name in named if name), scope.feed.default_authority)
    return f"{which}|{value}|{authority}"


def code(scope: Scope, raw: str) -> str:
    """First component of a raw coded field as text, upper case; "" when absent or deleted."""
    told = scope.first(raw).strip(" ")
    return "" if told == NULL else told.upper()
