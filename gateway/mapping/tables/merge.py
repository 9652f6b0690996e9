"""Overlays of table mappings: columns, facts and contacts entry by entry, everything else as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.mapping.merge import lay
from gateway.mapping.tables.family import RowFamily, kinds_of
from gateway.mapping.tables.kinds import about_of
from gateway.mapping.tables.schema import ColumnTold, RowFile
from gateway.yamlfile import Node


@dataclass(slots=True)
class RowDraft:
    """A mapping of a table while its files are merged: every entry with its place.

    `written`: the keys of its files, those included that could not be understood and are told of already.
    """

    name: str
    place: str
    singles: dict[str, tuple[Any, str]] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    entries: dict[str, dict[str, tuple[Any, str]]] = field(default_factory=dict)

    def single(self, name: str) -> Any:
        """What stands under a name of SINGLES; None when no file tells it."""
        return self.singles[name][0] if name in self.singles else None

    def lacks(self, name: str) -> bool:
        """Whether what must stand under a name does not, and nobody has said so."""
        return not (self.entries.get(name) or self.single(name)) and (name in self.singles or name not in self.written)

    def where(self, name: str) -> str:
        """Where that stands; the file's own place when it does not."""
        return self.singles[name][1] if name in self.singles else self.place

    def values(self, section: str) -> dict[str, Any]:
        """The entries of a section without their places."""
        return {name: value for name, (value, _) in self.entries[section].items()}

    def family(self) -> RowFamily:
        """The finished mapping; of one without problems."""
        event = self.single("event")
        return RowFamily(
            name=self.name,
            about=about_of(kinds_of(event)) or "",
            columns=self.values("columns"),
            key=tuple(self.single("key")),
            identity=tuple(self.single("identity")),
            event=event,
            facts={name: told_of(value) for name, value in self.values("facts").items()},
            contact=self.values("contact"),
            **{name: self.single(name) for name in ("at", "zone", "occurred", "gone")},
        )


RowDrafts = dict[str, RowDraft]


def told_of(value: str | ColumnTold) -> ColumnTold:
    """A fact's source, whichever way it was written."""
    return ColumnTold(column=value) if isinstance(value, str) else value


def merged_rows(drafts: RowDrafts, file: RowFile, node: Node) -> None:
    """Lay one mapping file over what stands; an entry with nothing after it is taken out."""
    draft = drafts.setdefault(file.mapping, RowDraft(file.mapping, node.place))
    draft.written.update(node.keys)
    for name in file.SINGLES:
        if (single := getattr(file, name)) is not None:
            draft.singles[name] = single, node.key_place(name)
    for section in file.SECTIONS:
        lay(draft.entries.setdefault(section, {}), getattr(file, section), node.get(section))
