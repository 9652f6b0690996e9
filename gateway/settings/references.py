"""What one section of caregate.yaml says about another must hold: each broken reference is told where it stands."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches

from gateway.model.event import Format
from gateway.model.facts import VOCABULARY
from gateway.model.outcome import TELLABLE
from gateway.settings.installed import offered
from gateway.settings.sections import SiteFile, SourceSection
from gateway.settings.settings import PRODUCTION
from gateway.yamlfile import Node

ROWS = ("snowflake", "tables")
"""Kinds of sources whose messages are rows."""

_SHORT = frozenset({"prod", "prd", "live"})
_NOT_YET = frozenset({"preproduction", "pre-production", "pre_production", "nonproduction", "non-production"})


def broken(root: Node, file: SiteFile) -> Iterator[str]:
    """Every problem between sections, as "file:line:column: sentence"."""
    yield from _environment(root, file)
    yield from _recipients(root, file)
    yield from _places(root, file)
    for name, source in file.sources.items():
        yield from _source(root, file, name, source)
    yield from _channels(root, file)
    yield from _sinks(root, file)
    yield from _alerts(root, file)


def _at(root: Node, *path: str | int) -> str:
    node = root.get(*path)
    return (node or root).place


def _unknown(root: Node, path: tuple[str | int, ...], what: str, word: str, known: Collection[str]) -> Iterator[str]:
    if word not in known:
        close = get_close_matches(word, known, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"known: {', '.join(sorted(known)) or 'none'}"
        yield f"{_at(root, *path)}: there is no {what} of this name; {hint}"


def _environment(root: Node, file: SiteFile) -> Iterator[str]:
    """A name that was surely meant to be `production` would make a silent test system of it."""
    name = file.environment
    if (
        name != PRODUCTION
        and (name in _SHORT or get_close_matches(name, [PRODUCTION], cutoff=0.8))
        and name not in _NOT_YET
    ):
        yield (
            f"{_at(root, 'environment')}: `environment` is not the word that writes to patients; did you mean `{PRODUCTION}`? "
            "A test system wants a name that cannot be mistaken for it, like `test`"
        )


def _recipients(root: Node, file: SiteFile) -> Iterator[str]:
    """Outside production only listed recipients are ever written to; that list can be empty but not left out."""
    if file.environment != PRODUCTION and file.allowed_recipients is None:
        yield (
            f"{_at(root, 'environment')}: outside production `allowed_recipients` must list who may be written to"
            " (`[]`: nobody)"
        )
    if file.environment == PRODUCTION and file.allowed_recipients is not None:
        yield f"{_at(root, 'allowed_recipients')}: has no meaning in production: remove it"


def _places(root: Node, file: SiteFile) -> Iterator[str]:
    for name, organization in file.organizations.items():
        if organization.parent is not None:
            path = ("organizations", name, "parent")
            yield from _unknown(root, path, "organization", organization.parent, file.organizations)
            yield from _own_ancestor(root, file, name)
    codes: dict[str, str] = {}
    for name, location in file.locations.items():
        yield from _unknown(
            root, ("locations", name, "organization"), "organization", location.organization, file.organizations
        )
        for at, code in enumerate(location.codes):
            if codes.setdefault(code, name) != name:
                yield f"{_at(root, 'locations', name, 'codes', at)}: the location `{codes[code]}` has this code already"


def _own_ancestor(root: Node, file: SiteFile, name: str) -> Iterator[str]:
    seen, parent = {name}, file.organizations[name].parent
    while parent is not None and parent in file.organizations:
        if parent in seen:
            yield f"{_at(root, 'organizations', name, 'parent')}: leads back to the organization itself"
            return
        seen.add(parent)
        parent = file.organizations[parent].parent


def _source(root: Node, file: SiteFile, name: str, source: SourceSection) -> Iterator[str]:
    here = ("sources", name)
    yield from _unknown(root, (*here, "kind"), "kind of source", source.kind, kinds("gateway.sources"))
    yield from _unknown(root, (*here, "organization"), "organization", source.organization, file.organizations)
    for code, location in source.locations.items():
        yield from _unknown(root, (*here, "locations", code), "location", location, file.locations)
    speaks = source.kind == "fhir" or source.format is Format.FHIR
    if source.write_back is not None and not (speaks and source.base):
        yield f"{_at(root, *here, 'write_back')}: is for a source of FHIR with `base`, the server that is told"
    rows = source.kind in ROWS or source.format is Format.TABLE
    if rows and source.mapping is None:
        yield f"{_at(root, *here)}: tell `mapping`, the file in mappings/tables by which its rows are read"
    if source.mapping is not None and not rows:
        yield f"{_at(root, *here, 'mapping')}: is for a source of rows (`format: table`)"
    if source.guard.model_fields_set and not rows:
        yield f"{_at(root, *here, 'guard')}: is for a source of rows (`format: table`)"
    # What remains is the connector's to judge; a key that all but equals one of ours is surely meant to be ours.
    for key in source.model_extra or {}:
        if close := get_close_matches(key, SourceSection.model_fields, n=1, cutoff=0.85):
            section = root.get(*here)
            place = section.key_place(key) if section is not None else root.place
            yield f"{place}: unknown key `{key}`; did you mean `{close[0]}`?"


def _channels(root: Node, file: SiteFile) -> Iterator[str]:
    first: dict[str, str] = {}
    for name, channel in file.channels.items():
        yield from _unknown(
            root, ("channels", name, "kind"), "kind of channel", channel.kind, kinds("gateway.channels")
        )
        if first.setdefault(channel.kind, name) != name:
            yield f"{_at(root, 'channels', name, 'kind')}: `{first[channel.kind]}` is a channel of this kind already"


def _sinks(root: Node, file: SiteFile) -> Iterator[str]:
    for name, sink in file.sinks.items():
        yield from _unknown(root, ("sinks", name, "kind"), "kind of sink", sink.kind, kinds("gateway.sinks"))
        for source in sink.sources:
            yield from _unknown(root, ("sinks", name, "sources"), "source", source, file.sources)
        for at, fact in enumerate(sink.facts):
            yield from _told(root, ("sinks", name, "facts"), at, fact)


def _told(root: Node, path: tuple[str | int, ...], at: int, fact: str) -> Iterator[str]:
    """A fact that a sink is to be given must be one, and one that may leave."""
    place = (*path, at) if root.get(*path, at) else path
    yield from _unknown(root, place, "fact", fact, VOCABULARY)
    if fact in VOCABULARY and fact not in TELLABLE:
        yield f"{_at(root, *place)}: no sink is given `{fact}`: it is of the person, protected, or never kept"


def _alerts(root: Node, file: SiteFile) -> Iterator[str]:
    for name, alert in file.alerts.to.items():
        here = ("alerts", "to", name)
        yield from _unknown(root, (*here, "kind"), "kind of alert", alert.kind, kinds("gateway.alerts"))
        if alert.channel is not None:
            yield from _unknown(root, (*here, "channel"), "channel", alert.channel, file.channels)
        if name == "log":
            yield f"{_at(root, *here)}: `log` is the name of the log line, which is always there; choose another"


def kinds(group: str) -> frozenset[str]:
    """The names of the connectors that are installed: entry points of "gateway.sources", "gateway.sinks", …."""
    return frozenset(point.name for point in offered(group))
