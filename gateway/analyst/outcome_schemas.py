"""A JSON Schema (2020-12) for the `data` of each type of CloudEvents that sinks are told, made from the model; nothing else may be in it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from gateway.model.cloudevent import TYPES, dataschema
from gateway.model.consent import ANY, ChannelKind
from gateway.model.facts import VOCABULARY, FactType
from gateway.model.outcome import NOT_TOLD, TELLABLE, TOLD, OutcomeKind

Schema = dict[str, Any]

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_CONSENTS = frozenset({OutcomeKind.OPTED_OUT, OutcomeKind.OPTED_IN})
_REQUESTS = frozenset({OutcomeKind.PLANNED, OutcomeKind.HELD, OutcomeKind.WITHHELD, OutcomeKind.WITHDRAWN})
_REASONED = frozenset(
    {*_REQUESTS, OutcomeKind.BOUNCED, OutcomeKind.UNDELIVERED, OutcomeKind.REFUSED} - {OutcomeKind.PLANNED}
)
_TEXT: Schema = {"type": "string", "minLength": 1}
_NUMBER: Schema = {"type": "string", "pattern": "^[0-9]+$"}
_TIME = r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}[+-][0-9]{2}:[0-9]{2})?)?)?$"
_VALUES: dict[FactType, Schema] = {
    FactType.CODE: _TEXT,
    FactType.TEXT: {"type": "string"},
    FactType.INTEGER: {"type": "integer"},
    FactType.YESNO: {"type": "boolean"},
    FactType.DATE: {"type": "string", "format": "date"},
    FactType.DATETIME: {"type": "string", "pattern": _TIME},
}
_WORDS = {
    "source": "whose message or row led to it, as the configuration names it",
    "occurrence": "what it is about, by a number of ours that says nothing elsewhere",
    "row_key": "the source's own key of its row",
    "rule": "the rule that planned the message",
    "step": "which of the rule's messages",
    "variant": "the wording that was drawn",
    "channel": "how it was to reach the person; * for all",
    "topic": "what the message, or the consent, is about; * for all",
    "reason": "why; `not-told` where that would tell something of the person",
    "facts": "what the sink's configuration names, as it stands when this is told",
}


def schemas() -> dict[str, Schema]:
    """By type the schema of its `data`."""
    return {name: _schema(name, *told) for name, told in TYPES.items()}


def files() -> dict[str, str]:
    """By name of the file its text."""
    return {f"{name}.json": json.dumps(one, indent=1, ensure_ascii=False) + "\n" for name, one in schemas().items()}


def _schema(type_: str, kind: OutcomeKind, event: str) -> Schema:
    required = ["source", "occurrence"]
    found: dict[str, Schema] = {"source": _TEXT, "occurrence": _NUMBER, "row_key": _TEXT}
    if kind in _CONSENTS:
        required += ["channel", "topic"]
        found |= {"channel": {"enum": [*map(str, ChannelKind), ANY]}, "topic": _TEXT}
    elif kind is not OutcomeKind.EVENT:
        required += ["rule"]
        found |= {"rule": _TEXT, "step": _TEXT, "topic": _TEXT}
    if kind not in {*_CONSENTS, *_REQUESTS, OutcomeKind.EVENT}:
        required += ["channel"]
        found |= {"variant": _TEXT, "channel": {"enum": [*map(str, ChannelKind)]}}
    if kind in _REASONED:
        found |= {"reason": {"enum": sorted({*map(str, TOLD), NOT_TOLD})}}
    if kind not in _CONSENTS:
        found |= {
            "facts": _facts(one for one in TELLABLE if one.partition(".")[0] == event.partition(".")[0] or not event)
        }
    return {
        "$schema": DRAFT,
        "$id": dataschema(type_),
        "title": type_,
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": {name: {"description": _WORDS[name], **one} for name, one in found.items()},
    }


def _facts(names: Iterable[str]) -> Schema:
    told = {name: {"description": VOCABULARY[name].meaning, **_VALUES[VOCABULARY[name].type]} for name in sorted(names)}
    return {"type": "object", "additionalProperties": False, "minProperties": 1, "properties": told}
