"""What an editor is told of facts: which there are, and which conditions each of them takes (JSON Schema, draft 7).

`x-kind` is the one phrase by which rules/REFERENCE.md calls such a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.model.facts import VOCABULARY, Fact, FactType

Schema = dict[str, Any]

# Every scalar is text here, whatever an editor's YAML takes it for.
KIND = "x-kind"
TEXT: Schema = {"type": ["string", "number", "boolean"], KIND: "text"}
YESNO: Schema = {"enum": ["yes", "no", True, False], KIND: "`yes` or `no`"}
_DATE: Schema = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
_NUMBER: Schema = {"type": "integer", "minimum": 0}
_ANY_CODE: Schema = {"anyOf": [TEXT, {"type": "array", "items": TEXT, "minItems": 1}]}
_FROM_LIST: Schema = {
    "type": "object",
    "properties": {"list": {"type": "string", "description": "A named list of lists.yaml."}},
    "required": ["list"],
    "additionalProperties": False,
}
_PRESENT: Schema = {
    "type": "object",
    "properties": {"present": {**YESNO, "description": "Whether the fact is there at all."}},
    "required": ["present"],
    "additionalProperties": False,
}


def _bounds(of: Schema, meanings: Mapping[str, str]) -> Schema:
    return {
        "type": "object",
        "properties": {name: {**of, "description": meaning} for name, meaning in meanings.items()},
        "minProperties": 1,
        "additionalProperties": False,
    }


_CLOSED = {"at_least": "This or more.", "at_most": "This or less."}
_OPEN = {"after": "Later than this day.", "before": "Earlier than this day."}
_TAKES: Mapping[FactType, list[Schema]] = {
    FactType.CODE: [*_ANY_CODE["anyOf"], _FROM_LIST],
    FactType.YESNO: [YESNO],
    FactType.INTEGER: [_bounds(_NUMBER, _CLOSED)],
    FactType.DATE: [_bounds(_DATE, {**_CLOSED, **_OPEN})],
    FactType.DATETIME: [_bounds(_DATE, {**_CLOSED, **_OPEN})],
    FactType.TEXT: [],
}


def described(fact: Fact) -> str:
    """One line about a fact, for hovering: type, sensitivity, meaning, source."""
    return f"{fact.meaning} ({fact.type.value}, {fact.sensitivity.name.lower()}; {fact.citation})"


FACT_NAMES: Schema = {"type": "string", "enum": sorted(VOCABULARY), KIND: "a fact"}
MOMENTS: Schema = {
    KIND: "a datetime fact",
    "type": "string",
    "enum": sorted(fact.name for fact in VOCABULARY.values() if fact.type is FactType.DATETIME),
}
CONDITIONS: Schema = {
    KIND: "conditions",
    "type": "object",
    "properties": {
        fact.name: {"description": described(fact), "anyOf": [*_TAKES[fact.type], _PRESENT]}
        for fact in VOCABULARY.values()
    },
    "additionalProperties": False,
}
FACT_VALUES: Schema = {
    KIND: "facts and their values",
    "type": "object",
    "properties": {fact.name: {**TEXT, "description": described(fact)} for fact in VOCABULARY.values()},
    "additionalProperties": False,
}
