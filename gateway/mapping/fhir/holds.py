"""What holds messages until a person has looked: an unknown label restricts, and a critical value is no machine's to tell."""

from __future__ import annotations

from typing import Any

from gateway.mapping.codes import CodeTable
from gateway.mapping.computed import Gives
from gateway.mapping.fhir.codings import codings_of, word_of
from gateway.mapping.fhir.register import resource_computed
from gateway.mapping.fhir.scope import Scope
from gateway.model.facts import UNMAPPED

_OPEN = "open"  # the word of a code table for "restricts nothing"
TEST = "HTEST"
"""v3-ActReason: test health data, which no patient is ever written to about (X-05)."""


@resource_computed(Gives.FLAG)
def security_label(_: Scope, labels: list[Any], *, codes: CodeTable) -> bool | None:
    """Holds unless every security label is open: R and V restrict, and so does one that no table knows (PV-01, PV-05)."""
    words = [word_of(one, codes) for one in labels if TEST not in dict(codings_of(one))]
    told = [word for word in words if word is not None]
    return any(word != _OPEN for word in told) if told else None


@resource_computed(Gives.FLAG)
def critical(_: Scope, interpretations: list[Any], *, codes: CodeTable) -> bool | None:
    """Holds while any interpretation is critical or unknown: a machine is never the first to tell (OR-09)."""
    words = [word for one in interpretations if (word := word_of(one, codes)) is not None]
    return any(word in ("critical", UNMAPPED) for word in words) if words else None
