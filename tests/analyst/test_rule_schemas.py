"""What an editor is told is what the gateway reads: the schemas take every shipped file and refuse what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gateway.analyst import schemas as making
from gateway.analyst.mapping_reference import mapping_reference
from gateway.analyst.reference import reference
from gateway.analyst.schemas import FOLDERS, SINGLE, length
from gateway.mapping.pack import COMPUTED, load_pack
from gateway.mapping.subjects import SUBJECTS
from gateway.model.event import EventKind
from gateway.model.facts import VOCABULARY
from gateway.model.when import DAY, HOUR, MINUTE
from gateway.packs import shipped
from gateway.ruleset.words import Strict
from gateway.settings.sections import SiteFile
from gateway.yamlfile import load, load_text

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is of the test extra")
RULES, MAPPINGS = shipped("rules"), shipped("mappings")
schemas, files = cache(making.schemas), cache(making.files)


def seen(value: object) -> object:
    """A file as an editor's YAML 1.2 sees it: numbers and true and false are not text."""
    if isinstance(value, dict):
        return {key: seen(one) for key, one in value.items()}
    if isinstance(value, list):
        return [seen(one) for one in value]
    if isinstance(value, str) and value.isdigit():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\d+\.\d+", value):
        return float(value)
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def wrong(name: str, text: str) -> list[str]:
    """Where a text offends a schema."""
    found = jsonschema.Draft7Validator(schemas()[name]).iter_errors(seen(load_text(text, "x").plain()))
    return [".".join(map(str, one.absolute_path)) for one in found]


@pytest.mark.parametrize("name", [*SINGLE, *FOLDERS])
def test_each_schema_is_one(name: str) -> None:
    """JSON Schema draft 7, which every editor has; and its file is its text."""
    jsonschema.Draft7Validator.check_schema(schemas()[name])
    assert json.loads(files()[name]) == schemas()[name]
    assert "x-kind" not in files()[name]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        *(("rules.schema.json", path) for path in sorted(RULES.glob("*.yaml"))),
        *(("mappings.schema.json", path) for path in sorted(MAPPINGS.rglob("*.yaml"))),
    ],
    ids=lambda one: one.name if isinstance(one, Path) else "",
)
def test_every_shipped_file_is_as_an_editor_expects(name: str, path: Path) -> None:
    """One schema for a folder knows rules, tests, lists and policy apart."""
    validator = jsonschema.Draft7Validator(schemas()[name])
    assert [str(one.message) for one in validator.iter_errors(seen(load(path).plain()))] == []


RULE = (RULES / "appointment-reminder.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("appointment.status: booked", "appointment.stauts: booked", "when.where"),
        ("event: [appointment.booked,", "event: [appointment.boked,", "when.event"),
        ("purpose: TREAT", "purpose: TREATMENT", "send.purpose"),
        ("by: [7d, 1d]", "by: [7days]", "send.at.by"),
        ("topic: appointments", "topik: appointments", "send"),
        ("priority: routine", "priority: high", "priority"),
        ("patient.inpatient: yes", "patient.inpatient: {at_least: 3}", "hold.patient.inpatient"),
        ("owner: access-center@lakeside.example\n", "", ""),
    ],
)
def test_a_mistake_is_seen_while_it_is_typed(old: str, new: str, where: str) -> None:
    """Where it stands."""
    assert old in RULE
    assert where in wrong("rules.schema.json", RULE.replace(old, new))


EVERYTHING = """\
rule: everything
owner: desk@clinic.example
why: Everything the language has.
priority: routine
max_age: 1w
effective: {from: 2026-03-01, until: 2026-12-31}
once_per: patient
cancel: {event: appointment.booked, where: {appointment.service: {list: yearly}, patient.age: {at_least: 18}}}
when:
  event: immunization.given
  where: {immunization.vaccine: [influenza, covid-19], immunization.given: {after: 2026-01-01}}
  unless: {patient.language: {present: no}}
hold: {patient.inpatient: yes}
send:
  purpose: TREAT
  remuneration: none
  topic: recalls
  channels: email
  variants:
    - {name: short, template: a, share: 40}
    - {name: long, template: b, share: 60}
  at: {after: immunization.given, by: 11mo, every: 1y, times: 3, time: "09:00", on: [mon, tue]}
  expires_after: 30d
  reveals: [patient.given_name]
"""


def test_the_whole_language_is_known_to_an_editor() -> None:
    """Every section at once, and each for itself."""
    assert wrong("rule.schema.json", EVERYTHING) == []
    assert wrong("rules.schema.json", EVERYTHING) == []
    assert wrong("rules.schema.json", "lists: {yearly: [physical, 99213]}") == []
    assert wrong("rules.schema.json", "lists: {yearly: []}") == ["lists.yearly"]
    capped = "version: 1\nceilings: {TREAT: {sms: public}}\nprotected_services: {list: x}\ncaps: [{per: patient, channel: sms, at_most: 2, within: 1d}]\n"
    assert wrong("rules.schema.json", capped) == []
    assert wrong("policy.schema.json", capped.replace("sms, at", "fax, at")) != []


def test_hovering_tells_what_a_key_and_a_fact_mean() -> None:
    """And a default is written as one would write it."""
    told = schemas()["rule.schema.json"]["$defs"]
    assert told["RuleFile"]["properties"]["max_age"]["default"] == "2d"
    fact = told["Conditions"]["properties"]["appointment.start"]["description"]
    assert fact.startswith("when it begins (datetime, ordinary; SCH-11.4")
    assert [length(one) for one in (14 * DAY, 36 * HOUR, 90 * MINUTE)] == ["14d", "36h", "90m"]


def test_every_key_has_a_meaning_and_an_example() -> None:
    """What is not explained is not in the language; sections are explained by their keys."""
    for model in reachable(*SINGLE.values()):
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"
            section = any(True for _ in models_in(field.annotation))
            assert field.examples or section, f"{model.__name__}.{name}"


@pytest.mark.parametrize("model", [RuleModel for kinds in FOLDERS.values() for _, RuleModel in kinds])
def test_every_example_is_acceptable(model: type[BaseModel]) -> None:
    """An example that is refused teaches nothing."""
    for one in reachable(model):
        schema = schemas()[next(name for name, kind in SINGLE.items() if one in reachable(kind))]
        for name, field in one.model_fields.items():
            told = schema["$defs"][one.__name__]["properties"].get(field.alias or name, {})
            validator = jsonschema.Draft7Validator({**told, "$defs": schema["$defs"]})
            for example in told.get("examples", []):
                assert validator.is_valid(example), f"{one.__name__}.{name}: {example}"


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from models_in(part)


def reachable(*models: type[BaseModel]) -> list[type[BaseModel]]:
    """Every section of a file, once."""
    found: list[type[BaseModel]] = []
    waiting = list(models)
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.append(one)
            waiting += [part for field in one.model_fields.values() for part in models_in(field.annotation)]
    return found


README = (RULES / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[0].strip())
def test_what_the_readme_shows_is_the_language(block: str) -> None:
    """A whole file, or keys of one section: each is acceptable where it belongs."""
    told = seen(load_text(block, "README.md").plain())
    assert isinstance(told, dict)
    if set(told) <= set(SiteFile.model_fields):
        return  # keys of caregate.yaml, which tests/docs looks at
    found = {}
    for name in ("rule.schema.json", "policy.schema.json", "lists.schema.json", "rule-test.schema.json"):
        for section, schema in schemas()[name]["$defs"].items():
            if set(told) <= set(schema.get("properties", {})):
                only = {**schema, "required": [], "$defs": schemas()[name]["$defs"]}
                found[section] = [str(one.message) for one in jsonschema.Draft7Validator(only).iter_errors(told)]
    assert found, "keys of no section"
    assert [] in found.values(), found


# -- the page


def test_the_reference_is_what_the_code_says() -> None:
    """`make reference` gives the same bytes."""
    page = (RULES / "REFERENCE.md").read_text(encoding="utf-8")
    assert page == reference(load_pack((MAPPINGS,))), "make reference"


def test_the_reference_leaves_nothing_out() -> None:
    """Every key, every fact, every event."""
    page = (RULES / "REFERENCE.md").read_text(encoding="utf-8")
    for name in (*VOCABULARY, *EventKind):
        assert f"| `{name}`" in page, name
    for model in reachable(*(SINGLE[name] for name in list(SINGLE)[:4])):
        if issubclass(model, Strict) and model.__name__ != "ListName":
            for name, field in model.model_fields.items():
                assert f"`{field.alias or name}`" in page, f"{model.__name__}.{name}"


def test_the_mapping_reference_is_what_the_code_says() -> None:
    """`make reference` gives the same bytes."""
    page = (MAPPINGS / "REFERENCE.md").read_text(encoding="utf-8")
    assert page == mapping_reference(load_pack((MAPPINGS,))), "make reference"


def test_the_mapping_reference_leaves_nothing_out() -> None:
    """Every key, every computation, every table with its words."""
    page = (MAPPINGS / "REFERENCE.md").read_text(encoding="utf-8")
    pack = load_pack((MAPPINGS,))
    for name in (*COMPUTED, *pack.tables, *SUBJECTS):
        assert f"| `{name}`" in page, name
    for model in reachable(*(SINGLE[name] for name in list(SINGLE)[4:])):
        for name in model.model_fields:
            assert f"`{name}`" in page, f"{model.__name__}.{name}"
    assert "`psychotherapy` (protected)" in page


def test_hovering_over_a_mapping_tells_what_its_keys_mean() -> None:
    """And an editor completes the computations there are."""
    told = schemas()["mapping.schema.json"]["$defs"]
    assert told["MappingFile"]["properties"]["parent"]["description"].startswith("The key of the appointment")
    assert told["MappingFile"]["properties"]["facts"]["properties"]["appointment.start"]["description"]
    assert "visit_key" in told["Source"]["properties"]["compute"]["enum"]
    assert wrong("mapping.schema.json", "mapping: m\nkey: {path: PV1-19, compute: visit_kye}") == ["key.compute"]
