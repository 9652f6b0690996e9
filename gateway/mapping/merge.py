"""Overlays: a later file changes exactly the entries it names, and each entry remembers where it was written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.mapping.codes import CodeTable, Word
from gateway.mapping.fhir.schema import ResourceFile
from gateway.mapping.schema import CodesFile, MappingFile, Source, WordEntry
from gateway.model.facts import Sensitivity
from gateway.yamlfile import Node


@dataclass(slots=True)
class Draft:
    """A mapping of messages or resources while its files are merged: per section the entries with their places."""

    name: str
    place: str
    about: str | None = None
    resource: str | None = None
    participant: str = "when-several"
    key: Source | None = None
    key_place: str = ""
    singles: dict[str, tuple[Source, str]] = field(default_factory=dict)
    each: tuple[str, ...] = ()
    entries: dict[str, dict[str, tuple[Any, str]]] = field(default_factory=dict)

    def single(self, name: str) -> Source | None:
        """The source that stands alone under a name of SINGLES; None when no file tells it."""
        return self.singles[name][0] if name in self.singles else None

    def values(self, section: str) -> dict[str, Any]:
        """The entries of a section without their places."""
        return {name: value for name, (value, _) in self.entries.get(section, {}).items()}


class Drafts(dict[str, Draft]):
    """Mappings by name."""

    def collected(self, section: str) -> dict[str, Any]:
        """The entries of a section over all mappings."""
        return {name: value for draft in self.values() for name, value in draft.values(section).items()}


@dataclass(slots=True)
class TableDraft:
    """A code table while its files are merged."""

    name: str
    words: dict[str, tuple[WordEntry, str]] = field(default_factory=dict)
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)

    def table(self) -> CodeTable:
        """The finished table."""
        words = {
            name: Word(meaning=entry.meaning, sensitivity=Sensitivity[entry.sensitivity.upper()])
            for name, (entry, _) in self.words.items()
        }
        return CodeTable(self.name, words, {code: word for code, (word, _) in self.codes.items()})


class Tables(dict[str, TableDraft]):
    """Code tables by name."""


def merged_mapping(drafts: Drafts, file: MappingFile | ResourceFile, node: Node) -> None:
    """Lay one mapping file over what stands; an entry with nothing after it is taken out."""
    draft = drafts.setdefault(file.mapping, Draft(file.mapping, node.place))
    draft.about = file.about or draft.about
    draft.participant = file.participant or draft.participant
    if file.key is not None:
        draft.key, draft.key_place = file.key, node.key_place("key")
    if isinstance(file, MappingFile):
        draft.each = tuple(file.each) or draft.each
    else:
        draft.resource = file.resource or draft.resource
    for name in file.SINGLES:
        if (single := getattr(file, name)) is not None:
            draft.singles[name] = single, node.key_place(name)
    for section in file.SECTIONS:
        entries = draft.entries.setdefault(section, {})
        lay(entries, getattr(file, section), node.get(section))


def merged_table(tables: Tables, file: CodesFile, node: Node) -> None:
    """Lay one code table over what stands; a code with nothing after it becomes unknown again."""
    draft = tables.setdefault(file.table, TableDraft(file.table))
    words = {word: entry or WordEntry() for word, entry in file.words.items()}
    lay(draft.words, words, node.get("words"))
    lay(draft.codes, file.codes, node.get("codes"), fold=True)


def lay(entries: dict[str, Any], told: dict[Any, Any], node: Node | None, *, fold: bool = False) -> None:
    """Lay the entries of one section over what stands, each with its place; nothing told takes one out."""
    for name, value in told.items():
        key = str(name).strip(" ").upper() if fold else str(name)  # codes are compared without case
        if value is None:
            entries.pop(key, None)
        else:
            entries[key] = value, (node.key_place(str(name)) if node is not None else "")
