"""A page is a method, a path, the right it asks for, and a function from a visit to an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.api.staff.visit import Elsewhere, Shown, Visit
from gateway.model.access import Right

Answer = Shown | Elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`title`: what the navigation calls it; none: it is not there."""

    method: str
    path: str
    right: Right
    answer: Callable[[Visit], Answer]
    title: str | None = None
