"""Which place of a message feeds what: the mapping's own paths, and what the reader itself looks at in the header."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.mapping.pack import Family, Pack
from gateway.mapping.schema import Source, Trigger
from gateway.mapping.sources import paths_of
from gateway.mapping.subjects import SUBJECTS

ENVELOPE: Mapping[tuple[str, int], str] = {
    ("MSH", 1): "delimiters", ("MSH", 2): "delimiters", ("MSH", 3): "duplicates", ("MSH", 4): "duplicates",
    ("MSH", 5): "answer", ("MSH", 6): "answer", ("MSH", 7): "message time", ("MSH", 9): "message type",
    ("MSH", 10): "duplicates", ("MSH", 11): "production", ("MSH", 12): "version", ("MSH", 13): "sequence number",
    ("MSH", 14): "continuation", ("MSH", 15): "answer", ("MSH", 16): "answer", ("MSH", 18): "character set",
    ("DSC", 1): "continuation", ("EVN", 2): "message time", ("EVN", 6): "time of the event",
}  # fmt: skip
"""What the reader and the listener look at themselves, whatever the mappings say (C2 §2.9.2, §2.14.9; AD-36)."""

_ACTIONS = {(segment, 2): "action of a resource" for segment in ("AIS", "AIG", "AIL", "AIP")}  # N-05
_CONSENT = {("CON", field): "consents" for field in (2, 9, 11, 13, 14, 15, 16)}  # PV-06


@dataclass(frozen=True, slots=True, kw_only=True)
class Asks:
    """One thing a mapping asks of a message type. `used`: read in this deployment (law 5); else only defined."""

    name: str
    source: Source
    used: bool


def asks(pack: Pack, type_: str, facts: frozenset[str] | None) -> tuple[Asks, ...]:
    """Everything the mappings ask of one message type such as "SIU^S12"; empty when nothing maps it.

    Names as in `mapping/trace.py`. `facts`: those in use, None for all.
    """
    found = pack.trigger(type_)
    if found is None or found[1].ignored is not None:
        return ()
    return tuple(_asks(pack, *found, facts))


def _asks(pack: Pack, family: Family, trigger: Trigger, facts: frozenset[str] | None) -> Iterator[Asks]:
    structural = frozenset(SUBJECTS[family.about].structural)
    for slot, source in pack.person.items():
        name = slot if slot in ("identifiers", "merged_from") else f"person.{slot}"
        yield Asks(name=name, source=source, used=True)
    for section, sources in (("flags", pack.flags), ("visit_flags", family.visit_flags)):
        for reason, source in sources.items():
            yield Asks(name=f"{section}.{reason}", source=source, used=True)
    for fact, source in family.facts.items():
        yield Asks(name=fact, source=source, used=facts is None or fact in facts or fact in structural)
    singles = {"key": family.key, "changed": family.changed, "parent": family.parent, "named": family.named}
    singles["decide"] = family.decide if trigger.when else None
    replaces = any(one.replaces == "yes" for one in (trigger, *trigger.when.values()))
    singles["replaces"] = family.replaces if replaces else None
    for name, single in singles.items():
        if single is not None:
            yield Asks(name=name, source=single, used=True)


class Lineage:
    """Who reads a place, for one message type in this deployment."""

    def __init__(self, pack: Pack, type_: str, facts: frozenset[str] | None) -> None:
        self.asks = asks(pack, type_, facts)
        self._about = [(path, one.name, one.used) for one in self.asks for path in paths_of(one.source)]
        self._others = {**ENVELOPE, **(_ACTIONS | _CONSENT if self.asks else {})}

    def own(self, segment: str, field: int) -> str | None:
        """What the reader itself looks at a place for, whatever the mappings say; None when it does not."""
        return self._others.get((segment, field))

    def readers(self, segment: str, field: int | None = None, component: int | None = None) -> dict[str, bool]:
        """Name → whether it is used, of everything read at a place; without `field` anywhere in the segment.

        A path that names a component reads that one only; a computation reads of its field what it needs.
        """
        found: dict[str, bool] = {}
        for (id_, number), name in self._others.items():
            if id_ == segment and field in (None, number):
                found[name] = True
        for path, name, used in self._about:
            here = path.segment == segment and field in (None, path.field)
            if here and (component is None or path.component in (None, component)):
                found[name] = used or found.get(name, False)
        return found


def spoken(name: str) -> str:
    """A name as people read it: "patient.given_name", "hold vip", "appointment.start"."""
    section, dot, rest = name.partition(".")
    if section in ("flags", "visit_flags"):
        return f"hold {rest}"
    if dot and section != "person":
        return name
    return f"patient.{rest}" if dot else _SINGLES.get(name, name)


_SINGLES = {
    "identifiers": "patient.identifiers",
    "merged_from": "the person merged away",
    "key": "identity",
    "replaces": "what it replaces",
    "changed": "time of change",
    "parent": "what it is a part of",
    "named": "what its parts call it",
    "decide": "kind of event",
}
