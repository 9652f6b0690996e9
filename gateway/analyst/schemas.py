"""JSON Schemas for editors, made from the very models that read the files, so that they cannot say something else.

A schema refuses nothing that somebody would write and the gateway takes. What only the gateway knows (that a template reveals no more than its
rule, that shares are a hundred together) is left to `caregate lint`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.analyst.case_schema import CaseFile
from gateway.analyst.mapping_cases import CaseFile as MappingCaseFile
from gateway.mapping.fhir.schema import ResourceFile
from gateway.mapping.pack import COMPUTED, RESOURCE_COMPUTED
from gateway.mapping.schema import CodesFile, MappingFile
from gateway.mapping.tables.schema import RowFile
from gateway.model.facts import VOCABULARY
from gateway.model.when import DAY, HOUR, MINUTE
from gateway.ruleset import editor
from gateway.ruleset.policy_schema import ListsFile, PolicyFile
from gateway.ruleset.schema import RuleFile
from gateway.yamlfile import load_text

Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
SINGLE: Mapping[str, type[BaseModel]] = {
    "rule.schema.json": RuleFile,
    "policy.schema.json": PolicyFile,
    "lists.schema.json": ListsFile,
    "rule-test.schema.json": CaseFile,
    "mapping.schema.json": MappingFile,
    "resource.schema.json": ResourceFile,
    "table.schema.json": RowFile,
    "codes.schema.json": CodesFile,
    "mapping-test.schema.json": MappingCaseFile,
}
# One for a folder whose files are of several kinds: the key by which a kind is known, and the kind of all others last.
FOLDERS: Mapping[str, tuple[tuple[str, type[BaseModel]], ...]] = {
    "rules.schema.json": (("tests", CaseFile), ("lists", ListsFile), ("version", PolicyFile), ("rule", RuleFile)),
    "mappings.schema.json": (
        ("tests", MappingCaseFile),
        ("table", CodesFile),
        ("resource", ResourceFile),
        ("columns", RowFile),
        ("mapping", MappingFile),
    ),
}
SHARED: Mapping[str, Schema] = {"Conditions": editor.CONDITIONS, "Facts": editor.FACT_VALUES}
_COMPUTATION = "a computation"
_COMPUTATIONS = sorted(COMPUTED.keys() | RESOURCE_COMPUTED.keys())
_UNITS = (("w", 7 * DAY), ("d", DAY), ("h", HOUR), ("m", MINUTE))


def schemas() -> dict[str, Schema]:
    """Every schema by the name of its file: one for each kind of file, and one for each folder."""
    single = {name: _whole([model], {"$ref": _ref(model)}) for name, model in SINGLE.items()}
    folders = {name: _whole([model for _, model in kinds], _choice(kinds)) for name, kinds in FOLDERS.items()}
    return {**single, **folders}


@cache
def files() -> Mapping[str, str]:
    """Every schema as the text of its file; made once, for it takes half a second."""
    return {name: json.dumps(schema, ensure_ascii=False, indent=1) + "\n" for name, schema in schemas().items()}


def definitions(models: list[type[BaseModel]]) -> dict[str, Schema]:
    """The cleaned schema of each model, and of each section in it, by the name of its class."""
    # two models of one name are told apart by their modules; ours are asked for apart
    _, made = models_json_schema([(model, "validation") for model in models], by_alias=True)
    found: dict[str, Schema] = made["$defs"]
    for mapping in found.keys() & {"MappingFile", "ResourceFile", "RowFile"}:
        found[mapping]["properties"]["facts"]["propertyNames"] = {"enum": list(VOCABULARY)}
    if "Source" in found:
        found["Source"]["properties"]["compute"] |= {"anyOf": [{"enum": _COMPUTATIONS, editor.KIND: _COMPUTATION}]}
    told = {name: _referring(_clean(definition, found)) for name, definition in found.items()}
    used = {name: _clean(schema, found) for name, schema in SHARED.items() if f"#/$defs/{name}'" in repr(told)}
    return used | told


def length(millis: int) -> str:
    """A length as one writes it: 172800000 is "2d"."""
    return next(f"{millis // size}{unit}" for unit, size in _UNITS[1:] if millis % size == 0)


def _whole(models: list[type[BaseModel]], head: Schema) -> Schema:
    about = (models[-1].__doc__ or "").partition("\n")[0]
    # draft 7 looks at nothing beside a $ref, so the head is a list of one
    return {"$schema": DRAFT, "title": about, "allOf": [head], "$defs": _without_kinds(definitions(models))}


def _referring(value: Any) -> Any:
    """With what is long and stands in many places written once."""
    if isinstance(value, list):
        return [_referring(one) for one in value]
    if not isinstance(value, dict):
        return value
    name = next((name for name, schema in SHARED.items() if value.get(editor.KIND) == schema[editor.KIND]), None)
    if name is not None:
        told = {key: value[key] for key in ("description", "examples", editor.KIND) if key in value}
        return {**told, "$ref": f"#/$defs/{name}"}
    return {key: _referring(one) for key, one in value.items()}


def _ref(model: type[BaseModel]) -> str:
    return f"#/$defs/{model.__name__}"


def _choice(kinds: tuple[tuple[str, type[BaseModel]], ...]) -> Schema:
    """The first kind whose key is there; the last one where none is, so that an empty file is completed as one."""
    (key, model), *more = kinds
    if not more:
        return {"$ref": _ref(model)}
    return {"if": {"required": [key]}, "then": {"$ref": _ref(model)}, "else": _choice(tuple(more))}


def _clean(schema: Schema, known: Mapping[str, Schema]) -> Schema:
    """Without pydantic's own titles and nulls, lengths as text, closed sets of keys spelled out for completion."""
    found: Schema = {key: _part(key, value, known) for key, value in schema.items() if key != "title"}
    _optional(found)
    _spell_out(found, known)
    _default(found)
    if found.get("type") == "string" and not found.keys() & {"pattern", "enum", "const"}:
        found["type"] = editor.TEXT["type"]  # a scalar is text here, whatever an editor's YAML takes it for
    if "examples" in found:
        found["examples"] = [_value(text) for text in found["examples"]]
    return found


def _part(keyword: str, value: Any, known: Mapping[str, Schema]) -> Any:
    """The value of one keyword, with the schemas in it cleaned."""
    if keyword == "properties":
        return {name: _clean(one, known) for name, one in value.items()}
    if keyword in ("anyOf", "oneOf", "allOf"):
        return [_clean(one, known) for one in value]
    return _clean(value, known) if keyword in ("items", "additionalProperties") and isinstance(value, dict) else value


def _spell_out(found: Schema, known: Mapping[str, Schema]) -> None:
    """Keys of a closed set as properties: an editor completes those and no others."""
    names = found.pop("propertyNames", {})
    words = names.get("enum") or known.get(names.get("$ref", "").rpartition("/")[2], {}).get("enum")
    if words:
        each = found["additionalProperties"]
        found["properties"] = {word: _about(word, each) for word in words}
        found["additionalProperties"] = False


def _default(found: Schema) -> None:
    """A default as one writes it; one that is empty, or a whole section, tells nothing."""
    told = found.pop("default", None)
    if isinstance(told, bool):
        found["default"] = "yes" if told else "no"
    elif isinstance(told, int) and "pattern" in found:
        found["default"] = length(told)
    elif told and not isinstance(told, dict):
        found["default"] = told


def _optional(found: Schema) -> None:
    """A key that may be left out need not offer an empty value as well."""
    if found.get("default", 0) is None and "anyOf" in found:
        told = [one for one in found.pop("anyOf") if one != {"type": "null"}]
        found.update(told[0] if len(told) == 1 else {"anyOf": told})


def _about(word: str, each: object) -> object:
    fact = VOCABULARY.get(word)
    return {"description": editor.described(fact), "anyOf": [each]} if fact is not None else each


def _value(text: str) -> object:
    """An example as the value it is; what looks like a number is one for an editor."""
    return _typed(load_text(text, "example").plain())


def _typed(value: object) -> object:
    if isinstance(value, dict):
        return {key: _typed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_typed(one) for one in value]
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return value
    return float(value) if "." in value else int(value)


_NUMBER = re.compile(r"\d+(\.\d+)?", re.ASCII)


def _without_kinds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_kinds(one) for key, one in value.items() if key != editor.KIND}
    return [_without_kinds(one) for one in value] if isinstance(value, list) else value
