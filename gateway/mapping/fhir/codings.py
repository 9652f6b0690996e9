"""Codes of a resource become our words: of one concept any known code speaks, of several concepts the most sensitive (PV-08)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from gateway.mapping.codes import NOTHING, CodeTable
from gateway.model.facts import UNMAPPED, Sensitivity

# How HL7 v2 names the systems of which a table may hold a code with its system (table 0396).
_SYSTEMS = {
    "http://loinc.org": "LN",
    "http://snomed.info/sct": "SCT",
    "http://hl7.org/fhir/sid/cvx": "CVX",
    "http://hl7.org/fhir/sid/icd-10-cm": "I10C",
    "http://www.ama-assn.org/go/cpt": "CPT4",
}
_OF_V2 = "http://terminology.hl7.org/CodeSystem/v2-"


def codings_of(value: Any) -> Iterator[tuple[str, str]]:
    """Code and system (as HL7 v2 names it, else its URI) of a code, Coding, CodeableConcept or CodeableReference, in order."""
    if isinstance(value, str):
        yield value, ""
    elif isinstance(value, dict):
        inner = value.get("concept", value)  # R5 CodeableReference
        codings = inner.get("coding") if isinstance(inner, dict) else None
        for one in codings if isinstance(codings, list) else [inner]:
            if isinstance(one, dict) and isinstance(one.get("code"), str):
                yield one["code"], _system(str(one.get("system") or ""))


def _system(uri: str) -> str:
    return f"HL7{uri.removeprefix(_OF_V2)}" if uri.startswith(_OF_V2) else _SYSTEMS.get(uri, uri)


def codes_of(values: Iterable[Any]) -> list[str]:
    """The codes alone."""
    return [code for value in values for code, _ in codings_of(value)]


def word_of(value: Any, table: CodeTable) -> str | None:
    """The word of one value: of its codings that are known the most sensitive; UNMAPPED when none is; None when empty."""
    if not value:
        return None
    words = [word for code, system in codings_of(value) if (word := table.known(code, system)) is not None]
    telling = [word for word in words if word != NOTHING]
    if telling:
        return telling[0] if len(telling) == 1 else max(telling, key=table.sensitivity)
    return NOTHING if words else UNMAPPED


def decided(candidates: Iterable[Iterable[Any]], table: CodeTable) -> str | None:
    """One word for a fact, as `CodeTable.decide`: of the first path that tells something, the most sensitive value.

    A protected word of a later path goes before one that is none (PV-08).
    UNMAPPED when a value of the deciding path is unknown, or none of the paths says anything; None when nothing is told.
    """
    told = False
    paths = iter(candidates)
    for values in paths:
        words = [word for value in values if (word := word_of(value, table)) is not None]
        told = told or bool(words)
        telling = [word for word in words if word != NOTHING]
        if telling:
            found = telling[0] if len(telling) == 1 else max(telling, key=table.sensitivity)
            if not table.guarded or table.sensitivity(found) is Sensitivity.PROTECTED:
                return found
            later = (word_of(value, table) for values in paths for value in values)
            return next((word for word in later if word in table.guarded), found)
    return UNMAPPED if told else None
