"""mappings/REFERENCE.md: every key, computation and code table on one page, made from the models and the mappings.

A test makes it again and compares, so that it cannot fall behind.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.analyst import mapping_cases as case
from gateway.analyst.reference import Part, chapter, table
from gateway.mapping import schema
from gateway.mapping.computed import Computation
from gateway.mapping.fhir import schema as fhir
from gateway.mapping.pack import COMPUTED, RESOURCE_COMPUTED, Pack
from gateway.mapping.subjects import SUBJECTS
from gateway.mapping.tables import schema as rows
from gateway.model.facts import Sensitivity

_HEAD = """\
# The mapping language on one page

Made by `caregate mappings reference` from the code that reads the files; do not edit it. How to change a mapping for one site:
[README.md](README.md). Facts and events: [rules/REFERENCE.md](../rules/REFERENCE.md#facts). A *key* that is not listed here is an error.
*In bold*: must be told.
"""
_PARTS: tuple[tuple[str, tuple[Part, ...]], ...] = (
    (
        "A mapping of messages: `hl7v2/<name>.yaml`",
        (
            ("", schema.MappingFile),
            ("messages.<type>, when.<word> (of resources too)", schema.Trigger),
            ("facts.<fact>, person.<slot>, flags.<hold>, visit_flags.<hold>, key, decide", schema.Source),
        ),
    ),
    ("A mapping of FHIR resources: `fhir/<name>.yaml`", (("", fhir.ResourceFile),)),
    (
        "A mapping of a table: `tables/<name>.yaml`",
        (
            ("", rows.RowFile),
            ("identity", rows.IdentityTold),
            ("event", rows.EventTold),
            ("facts.<fact>", rows.ColumnTold),
            ("gone", rows.GoneTold),
        ),
    ),
    ("A code table: `codes/<name>.yaml`", (("", schema.CodesFile), ("words.<word>", schema.WordEntry))),
    (
        "Tests beside a mapping: `<name>.test.yaml`",
        (
            ("", case.CaseFile),
            ("feed", case.FeedGiven),
            ("tests", case.MappingCase),
            ("expect", case.Expected),
            ("expect.events", case.EventExpected),
        ),
    ),
)


def mapping_reference(pack: Pack) -> str:
    """The whole page as Markdown; `pack`: the mappings and code tables that are shipped."""
    parts = [_HEAD, *(chapter(title, parts) for title, parts in _PARTS)]
    parts.append(table("What a mapping may be about", ("about", "events", "statuses"), _subjects()))
    head = ("compute", "paths", "`codes`", "gives", "meaning")
    for title, register in (("Computations", COMPUTED), ("Computations of FHIR resources", RESOURCE_COMPUTED)):
        every = sorted(register.values(), key=lambda one: one.name)
        parts.append(table(title, head, map(_computation, every)))
    parts.append(table("Code tables", ("table", "codes", "words"), _tables(pack)))
    return "\n".join(parts)


def _subjects() -> Iterator[tuple[str, ...]]:
    for name, subject in SUBJECTS.items():
        statuses = ", ".join(f"`{one}`" for one in sorted(subject.statuses)) or "none"
        yield f"`{name}`", f"`{subject.prefix}.…`", statuses


def _computation(one: Computation) -> tuple[str, ...]:
    count = f"{one.paths or 1} or more" if one.more else str(one.paths or "any")
    return (
        f"`{one.name}`",
        count,
        "needed" if "codes" in one.wants else "",
        one.gives.value.replace("_", " "),
        one.summary,
    )


def _tables(pack: Pack) -> Iterator[tuple[str, ...]]:
    for name, one in sorted(pack.tables.items()):
        words = (f"`{word}`{_above(one.sensitivity(word))}" for word in one.words)
        yield f"`{name}`", str(len(one.codes)), ", ".join(words)


def _above(level: Sensitivity) -> str:
    """How much a word betrays, where that is more than usual."""
    return f" ({level.name.lower()})" if level > Sensitivity.ORDINARY else ""
