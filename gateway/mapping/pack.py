"""The mapping pack: shipped files and site overlays merged, every fault found before the first message is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.mapping import (  # noqa: F401 – importing them fills the register of computations
    address,
    appointments,
    confidentiality,
    demographics,
    documents,
    encounters,
    immunizations,
    names,
    places,
    prescriptions,
    results,
    telecom,
)
from gateway.mapping.check import check
from gateway.mapping.codes import CodeTable
from gateway.mapping.merge import Draft, Drafts, Tables, merged_mapping, merged_table
from gateway.mapping.schema import CodesFile, MappingFile, Source, Trigger
from gateway.model.errors import ConfigError
from gateway.model.facts import UNMAPPED, VOCABULARY, FactValue, Sensitivity
from gateway.yamlfile import load, validate_node

TEST_SUFFIX = ".test.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One merged mapping: the messages of one family and where their values come from."""

    name: str
    about: str
    participant: str
    messages: Mapping[str, Trigger]
    key: Source | None
    facts: Mapping[str, Source]
    visit_flags: Mapping[str, Source]
    replaces: Source | None = None
    decide: Source | None = None
    changed: Source | None = None
    each: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """All mappings and code tables in force. `digest`: SHA-256 over the files, hexadecimal, for the audit."""

    families: Mapping[str, Family]
    person: Mapping[str, Source]
    flags: Mapping[str, Source]
    tables: Mapping[str, CodeTable]
    digest: str

    def trigger(self, type_: str) -> tuple[Family, Trigger] | None:
        """The family and meaning of a message type such as "ADT^A01"; None when nothing maps it."""
        for family in self.families.values():
            if type_ in family.messages:
                return family, family.messages[type_]
        return None

    def types(self) -> frozenset[str]:
        """Every message type that some mapping names."""
        return frozenset(type_ for family in self.families.values() for type_ in family.messages)

    def kinds(self) -> frozenset[str]:
        """Every kind of event that some message may become."""
        triggers = [one for family in self.families.values() for one in family.messages.values()]
        triggers += [one for trigger in triggers for one in trigger.when.values()]
        return frozenset(one.event.value for one in triggers if one.event is not None)

    def sensitivity(self, fact: str, value: FactValue | None = None) -> Sensitivity:
        """How much this value of a fact betrays: the fact's own, raised by its code table (PV-08).

        "unmapped" is of the highest, and so is a code that the table no longer holds. KeyError: no such fact.
        """
        own = VOCABULARY[fact].sensitivity
        if value == UNMAPPED:
            return Sensitivity.PROTECTED
        if not isinstance(value, str):
            return own
        told = (family.facts[fact].codes for family in self.families.values() if fact in family.facts)
        return max((own, *(self.tables[table].sensitivity(value) for table in told if table is not None)))


def load_pack(folders: Sequence[Path]) -> Pack:
    """Read `hl7v2/*.yaml` and `codes/*.yaml` of every folder; a later folder overrides and extends single entries.

    Raises ConfigError with every problem of every file as "file:line:column: sentence".
    """
    drafts, tables, digest = _read(folders)
    problems = list(check(drafts, tables))
    if problems:
        raise ConfigError(*problems)
    person, flags = drafts.collected("person"), drafts.collected("flags")
    return Pack(
        families={name: _family(draft) for name, draft in drafts.items() if draft.about is not None},
        person=person,
        flags=flags,
        tables={name: table.table() for name, table in tables.items()},
        digest=digest,
    )


def files(folder: Path, kind: str) -> list[Path]:
    """The mapping (`hl7v2`) or code table (`codes`) files of a folder by name, without their tests."""
    return sorted(path for path in (folder / kind).glob("*.yaml") if not path.name.endswith(TEST_SUFFIX))


def _read(folders: Sequence[Path]) -> tuple[Drafts, Tables, str]:
    drafts, tables, problems, digest = Drafts(), Tables(), list[str](), hashlib.sha256()
    for folder in folders:
        if not folder.is_dir():
            problems.append(f"{folder}:1:1: there is no such folder of mappings")
        for path in _every(folder):
            try:
                node = load(path)
                if path.parent.name == "codes":
                    merged_table(tables, validate_node(CodesFile, node), node)
                else:
                    merged_mapping(drafts, validate_node(MappingFile, node), node)
            except ConfigError as error:
                problems += error.problems
            else:
                digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    if problems:
        raise ConfigError(*problems)
    return drafts, tables, digest.hexdigest()


def _every(folder: Path) -> Iterator[Path]:
    yield from files(folder, "codes")
    yield from files(folder, "hl7v2")


def _family(draft: Draft) -> Family:
    return Family(
        name=draft.name,
        about=draft.about or "",
        participant=draft.participant,
        messages=draft.values("messages"),
        key=draft.key,
        facts=draft.values("facts"),
        visit_flags=draft.values("visit_flags"),
        replaces=draft.single("replaces"),
        decide=draft.single("decide"),
        changed=draft.single("changed"),
        each=draft.each,
    )
