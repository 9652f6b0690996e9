"""The mapping pack: shipped files and site overlays merged, every fault found before the first message is read."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

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
from gateway.mapping.check import check, check_tables
from gateway.mapping.codes import CodeTable
from gateway.mapping.computed import COMPUTED
from gateway.mapping.fhir import (  # noqa: F401 – these too
    consents,
    contacts,
    holds,
    keys,
    occasions,
    people,
    relatives,
    states,
)
from gateway.mapping.fhir.check import check_resources
from gateway.mapping.fhir.family import ResourceFamily
from gateway.mapping.fhir.register import RESOURCE_COMPUTED
from gateway.mapping.fhir.schema import ResourceFile
from gateway.mapping.files import TEST_SUFFIX, ReadFile, files, read_files
from gateway.mapping.merge import Draft, Drafts, Tables, merged_mapping, merged_table
from gateway.mapping.schema import CodesFile, MappingFile, Source, Trigger
from gateway.mapping.tables.check import check_rows
from gateway.mapping.tables.family import RowFamily
from gateway.mapping.tables.merge import RowDrafts, merged_rows
from gateway.mapping.tables.schema import RowFile
from gateway.model.errors import ConfigError
from gateway.model.facts import UNMAPPED, VOCABULARY, FactValue, Sensitivity
from gateway.yamlfile import like

# COMPUTED, RESOURCE_COMPUTED: here the registers are full
__all__ = ["COMPUTED", "RESOURCE_COMPUTED", "TEST_SUFFIX", "Family", "Pack", "ResourceFamily", "files", "load_pack"]


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
    parent: Source | None = None
    named: Source | None = None
    each: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """All mappings and code tables in force. `digest`: SHA-256 over the files, hexadecimal, for the audit.

    `families` read messages, `resources` FHIR resources, with what each tells of the person; `rows` tables, by the name a
    source tells. All share the code tables.

    `dialects`: by source, the pack with the files that are for that source alone (X-08); `named` says where the
    first of them names it.
    """

    families: Mapping[str, Family]
    person: Mapping[str, Source]
    flags: Mapping[str, Source]
    tables: Mapping[str, CodeTable]
    digest: str
    resources: Mapping[str, ResourceFamily] = field(default_factory=dict)
    resource_person: Mapping[str, Source] = field(default_factory=dict)
    resource_flags: Mapping[str, Source] = field(default_factory=dict)
    rows: Mapping[str, RowFamily] = field(default_factory=dict)
    dialects: Mapping[str, Pack] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)
    coded: dict[str, list[list[CodeTable]]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def of(self, source: str) -> Pack:
        """What the messages of one source are read with."""
        return self.dialects.get(source, self)

    def check_sources(self, known: Collection[str]) -> tuple[str, ...]:
        """Every file for a source that is not configured, as "file:line:column: sentence": nobody would read it."""
        return tuple(
            f"{place}: there is no source `{source[:40]}`; known: {', '.join(sorted(known)) or 'none'}"
            for source, place in self.named.items()
            if source not in known
        )

    def check_mappings(self, named: Mapping[str, tuple[str, str]]) -> tuple[str, ...]:
        """Every source of rows whose mapping there is none of, as "place: sentence"; `named`: mapping and place by source."""
        return tuple(
            f"{place}: there is no mapping `{name[:40]}` in mappings/tables{like(name, self.of(source).rows)}"
            for source, (name, place) in named.items()
            if name and name not in self.of(source).rows
        )

    @property
    def every(self) -> tuple[Pack, ...]:
        """What all sources are read with, and what single sources are."""
        return (self, *self.dialects.values())

    def trigger(self, type_: str) -> tuple[Family, Trigger] | None:
        """The family and meaning of a message type such as "ADT^A01"; None when nothing maps it."""
        for family in self.families.values():
            if type_ in family.messages:
                return family, family.messages[type_]
        return None

    @property
    def mapped(self) -> tuple[Family | ResourceFamily | RowFamily, ...]:
        """The mappings of messages, then those of resources and of tables."""
        return (*self.families.values(), *self.resources.values(), *self.rows.values())

    def types(self) -> frozenset[str]:
        """Every message type that some mapping names."""
        return frozenset(type_ for pack in self.every for one in pack.families.values() for type_ in one.messages)

    def kinds(self) -> frozenset[str]:
        """Every kind of event that some message may become."""
        triggers = [one for pack in self.every for family in pack.families.values() for one in family.messages.values()]
        triggers += [one for pack in self.every for family in pack.resources.values() for one in family.when.values()]
        triggers += [one for trigger in triggers for one in trigger.when.values()]
        told = {one.event.value for one in triggers if one.event is not None}
        return frozenset(told).union(
            kind.value for pack in self.every for one in pack.rows.values() for kind in one.kinds
        )

    def words(self) -> dict[str, frozenset[str]]:
        """The words that each coded fact may be."""
        found: dict[str, frozenset[str]] = {}
        for fact in {fact for pack in self.every for family in pack.mapped for fact in family.facts}:
            tables = [table for family in self._families() for table in self._tables(family, fact)]
            if tables:
                found[fact] = frozenset(word for table in tables for word in table.words)
        return found

    def sensitivity(self, fact: str, value: FactValue | None = None) -> Sensitivity:
        """How much this value of a fact betrays: the fact's own, raised by its code table (PV-08).

        "unmapped" is of the highest, and so is a code that no table of the fact holds any longer. KeyError: no such
        fact.
        """
        own = VOCABULARY[fact].sensitivity
        if value == UNMAPPED:
            return Sensitivity.PROTECTED
        if not isinstance(value, str):
            return own
        levels = [own]
        for tables in self._coded(fact):
            held = [table.sensitivity(value) for table in tables if value in table.words]
            levels.append(max(held, default=Sensitivity.PROTECTED))
        return max(levels)

    def _coded(self, fact: str) -> list[list[CodeTable]]:
        """The code tables of a fact, by the mappings that have any for it; looked up once, for it is asked at each send."""
        found = self.coded.get(fact)
        if found is None:
            every = [self._tables(family, fact) for family in sorted(self._families())]
            found = self.coded[fact] = [tables for tables in every if tables]
        return found

    def _families(self) -> frozenset[str]:
        return frozenset(family.name for pack in self.every for family in pack.mapped)

    def _tables(self, family: str, fact: str) -> list[CodeTable]:
        """The code tables of a fact of a mapping: one, or another in a dialect."""
        named = [(pack, one) for pack in self.every for one in pack.mapped if one.name == family]
        told = [(pack, one.facts[fact].codes) for pack, one in named if fact in one.facts]
        return [pack.tables[codes] for pack, codes in told if codes is not None]


def load_pack(folders: Sequence[Path]) -> Pack:
    """Read `hl7v2/*.yaml`, `fhir/*.yaml`, `tables/*.yaml` and `codes/*.yaml` of every folder; a later folder overrides and extends single entries.

    Raises ConfigError with every problem of every file as "file:line:column: sentence".
    """
    read, problems = read_files(folders)
    if read is None:
        raise ConfigError(*problems)
    named = _named(read)
    merged = {source: _merged(read, source) for source in (None, *named)}
    problems += [problem for one in merged.values() for problem in _checked(one)]
    if problems:
        raise ConfigError(*dict.fromkeys(problems))
    dialects = {source: _pack(one) for source, one in merged.items() if source is not None}
    return replace(_pack(merged[None]), dialects=dialects, named=named)


def _checked(one: _Merged) -> Iterator[str]:
    yield from check_tables(one.tables)
    yield from check(one.drafts, one.tables)
    yield from check_resources(one.resources, one.tables)
    yield from check_rows(one.rows, one.tables)


class _Merged(NamedTuple):
    """Files laid over one another."""

    drafts: Drafts
    resources: Drafts
    rows: RowDrafts
    tables: Tables
    digest: str


def _named(read: Sequence[ReadFile]) -> dict[str, str]:
    """The sources that files name, each with its first place."""
    found: dict[str, str] = {}
    for one in read:
        for number, source in enumerate(one.file.sources):
            at = one.node.get("sources", number)
            found.setdefault(source, one.node.place if at is None else at.place)
    return found


def _merged(read: Sequence[ReadFile], source: str | None) -> _Merged:
    """The files for one source, or those for every source."""
    merged, digest = _Merged(Drafts(), Drafts(), RowDrafts(), Tables(), ""), hashlib.sha256()
    for one in read:
        if one.file.sources and source not in one.file.sources:
            continue
        digest.update(one.raw)
        if isinstance(one.file, CodesFile):
            merged_table(merged.tables, one.file, one.node)
        elif isinstance(one.file, RowFile):
            merged_rows(merged.rows, one.file, one.node)
        else:
            drafts = merged.drafts if isinstance(one.file, MappingFile) else merged.resources
            merged_mapping(drafts, one.file, one.node)
    return merged._replace(digest=digest.hexdigest())


def _pack(merged: _Merged) -> Pack:
    drafts, resources = merged.drafts, merged.resources
    return Pack(
        families={name: _family(draft) for name, draft in drafts.items() if draft.about is not None},
        person=drafts.collected("person"),
        flags=drafts.collected("flags"),
        tables={name: table.table() for name, table in merged.tables.items()},
        digest=merged.digest,
        resources={name: _resource(draft) for name, draft in resources.items() if draft.about is not None},
        resource_person=resources.collected("person"),
        resource_flags=resources.collected("flags"),
        rows={name: draft.family() for name, draft in merged.rows.items()},
    )


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
        parent=draft.single("parent"),
        named=draft.single("named"),
        each=draft.each,
    )


def _resource(draft: Draft) -> ResourceFamily:
    return ResourceFamily(
        name=draft.name,
        about=draft.about or "",
        resource=draft.resource or "",
        participant=draft.participant,
        when=draft.values("when"),
        facts=draft.values("facts"),
        visit_flags=draft.values("visit_flags"),
        key=draft.key,
        **{name: draft.single(name) for name in ResourceFile.SINGLES},
    )
