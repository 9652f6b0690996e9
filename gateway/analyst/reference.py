"""rules/REFERENCE.md: every key, fact and event on one page, made from the schemas, the vocabulary and the mappings.

A test makes it again and compares, so that it cannot fall behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.analyst import case_schema as case
from gateway.analyst.findings import CODES
from gateway.analyst.schemas import Schema, definitions
from gateway.mapping.pack import Pack
from gateway.mapping.subjects import SUBJECTS
from gateway.model.event import EventKind
from gateway.model.facts import VOCABULARY, Fact
from gateway.ruleset import editor
from gateway.ruleset import policy_schema as policy
from gateway.ruleset import schema as rule

_HEAD = """\
# The rule language on one page

Made by `caregate rules reference` from the code that reads the files; do not edit it. How to write a rule: [README.md](README.md).
A *key* that is not listed here is an error. *In bold*: must be told.
"""
_LONG = {
    "EventKind": "an event",
    "Reason": "a reason of gateway/policy/README.md",
}  # closed sets with a table of their own
Part = tuple[str, type[BaseModel]]
_PARTS: tuple[tuple[str, tuple[Part, ...]], ...] = (
    (
        "A rule: `<name>.yaml`",
        (
            ("", rule.RuleFile),
            ("when", rule.WhenSection),
            ("cancel", rule.CancelSection),
            ("effective", rule.EffectiveSection),
            ("campaign", rule.CampaignSection),
            ("campaign.stop_when", rule.StopWhenSection),
            ("send", rule.SendSection),
            ("send.at", rule.AtSection),
            ("send.fallback", rule.FallbackSection),
            ("send.variants", rule.VariantEntry),
        ),
    ),
    ("Named lists: `lists.yaml`", (("", policy.ListsFile),)),
    (
        "What the site allows: `policy.yaml`",
        (
            ("", policy.PolicyFile),
            ("basis", policy.BasisEntry),
            ("quiet_hours.<channel>", policy.QuietEntry),
            ("caps", policy.CapEntry),
            ("portal", policy.PortalEntry),
        ),
    ),
    (
        "Tests beside a rule: `<name>.test.yaml`",
        (
            ("", case.CaseFile),
            ("given", case.Situation),
            ("tests", case.CaseEntry),
            ("patient", case.PatientGiven),
            ("then", case.LaterEntry),
            ("expect", case.Expected),
            ("expect.sends", case.SendExpected),
            ("expect.withheld, expect.held", case.NotExpected),
            ("expect.silent", case.SilentExpected),
        ),
    ),
)
_CONDITIONS = """\
| the fact is | a condition is |
|---|---|
| a code | `booked`, a list `[booked, arrived]`, or `{list: name}` from `lists.yaml` |
| yes or no | `yes` or `no` |
| a whole number | `{at_least: 18}`, `{at_most: 64}`, or both |
| a date or a time | `{at_least: 2026-03-01}`, `at_most`, `after`, `before`: whole days, where it takes place |
| anything | `{present: yes}` or `{present: no}` |

A fact that is not there, or a code that no table knows, never satisfies `where` (of `when` and of `cancel`) and always
satisfies `unless` and `hold`; only `present` asks whether it is there.
"""


def reference(pack: Pack) -> str:
    """The whole page as Markdown; `pack`: the mappings that say where facts and events come from."""
    parts = [_HEAD, *(chapter(title, parts) for title, parts in _PARTS)]
    parts.append(f"## Conditions\n\n{_CONDITIONS}")
    parts.append(table("Facts", ("fact", "type", "sensitivity", "meaning", "told by", "source"), _facts(pack)))
    parts.append(table("Events", ("event", "mapping", "messages"), _events(pack)))
    codes = ((f"`{code}`", meaning) for code, meaning in CODES.items())
    parts.append(table("What `caregate lint` finds", ("code", "meaning"), codes))
    return "\n".join(parts)


def chapter(title: str, parts: tuple[Part, ...]) -> str:
    """The keys of one kind of file: each section's model under the path that leads to it; the first is the file's."""
    known = definitions([parts[0][1]])
    return f"## {title}\n\n" + "\n".join(_section(path, model, known) for path, model in parts)


def _section(path: str, model: type[BaseModel], known: Mapping[str, Schema]) -> str:
    schema = known[model.__name__]
    inherited = next((base.model_fields for base in model.__bases__ if issubclass(base, case.Situation)), {})
    fields = ((field.alias or name, field) for name, field in model.model_fields.items() if name not in inherited)
    rows = [_row(name, field, schema["properties"][name], known) for name, field in fields]
    about = (model.__doc__ or "").partition("\n")[0]
    more = " Every key of `given`, and:" if inherited else ""
    head = f"### `{path.replace(', ', '`, `')}`\n\n" if path else ""
    return f"{head}{about}{more}\n\n" + _rows(("key", "is", "if not told", "meaning", "example"), rows)


def _row(name: str, field: FieldInfo, schema: Schema, known: Mapping[str, Schema]) -> tuple[str, ...]:
    key = f"**`{name}`**" if field.is_required() else f"`{name}`"
    default = schema.get("default")
    told = "" if default is None else f"`{_flow(default)}`"
    example = f"`{field.examples[0]}`" if field.examples else ""
    return key, _kind(schema, known), told, field.description or "", example


def _flow(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _kind(schema: Schema, known: Mapping[str, Schema]) -> str:
    """What a value is, in words."""
    if editor.KIND in schema:
        return str(schema[editor.KIND])
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _LONG.get(name) or (_kind(known[name], known) if "enum" in known[name] else "a section")
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(one, known) for one in schema["anyOf"]))
    return _plain_kind(schema, known)


def _plain_kind(schema: Schema, known: Mapping[str, Schema]) -> str:
    kind = schema.get("type")
    if kind == "array":
        of = _kind(schema["items"], known)
        return "a list of sections" if of == "a section" else f"a list of: {of}"
    if kind == "integer":
        return "a whole number"
    if kind == "object":
        return "keys of its own"
    return "a word" if "pattern" in schema else "text"


def _facts(pack: Pack) -> Iterator[tuple[str, ...]]:
    for fact in VOCABULARY.values():
        kind, level = fact.type.value, fact.sensitivity.name.lower()
        yield f"`{fact.name}`", kind, level, fact.meaning, _told_by(fact, pack), fact.citation


def _told_by(fact: Fact, pack: Pack) -> str:
    if fact.computed:
        return "computed"
    if fact.name.startswith("patient."):
        return "`person`"
    space, _, what = fact.name.partition(".")
    if what == "status" and space != "appointment":  # `messages` say it, not a path
        found = sorted(one.name for one in pack.mapped if one.key and SUBJECTS[one.about].prefix == space)
    else:
        found = sorted(one.name for one in pack.mapped if fact.name in one.facts)
    return ", ".join(f"`{name}`" for name in found) or "nobody yet"


def _events(pack: Pack) -> Iterator[tuple[str, ...]]:
    for kind in EventKind:
        found: dict[str, list[str]] = {}
        for family in pack.families.values():
            for message, trigger in family.messages.items():
                if kind in (trigger.event, *(one.event for one in trigger.when.values())):
                    found.setdefault(family.name, []).append(message)
        for resource in pack.resources.values():
            if any(kind is one.event for one in resource.when.values()):
                found.setdefault(resource.name, []).append(resource.resource)
        for rows in pack.rows.values():
            if kind in rows.kinds:
                found.setdefault(rows.name, []).append("a row")
        name = f"`{kind.value}`" + ("" if kind.fires else " (silent: no rule may name it)")
        messages = ", ".join(sorted({message for some in found.values() for message in some}))
        yield (
            name,
            ", ".join(f"`{one}`" for one in sorted(found)) or "–",
            messages or "what another event turns out to be",
        )


def table(title: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A chapter that is one table, in Markdown."""
    return f"## {title}\n\n" + _rows(head, rows)


def _rows(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
