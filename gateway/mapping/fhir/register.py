"""The register of what is computed from a FHIR resource: what its mappings may name after `compute:`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gateway.mapping.computed import Computation, Function, Gives, computed
from gateway.model.facts import FactType

F = TypeVar("F", bound=Function)

RESOURCE_COMPUTED: dict[str, Computation] = {}


def resource_computed(gives: FactType | Gives) -> Callable[[F], F]:
    """Enter a function in the register under its own name.

    It is called with the scope and, for each path in order, the list of what the path found.
    """
    return computed(gives, RESOURCE_COMPUTED)
