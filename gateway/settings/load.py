"""Reads caregate.yaml: every problem is found in one go and told as file:line:column; a setting is never guessed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.model.errors import ConfigError
from gateway.model.when import Millis
from gateway.settings.making import Making
from gateway.settings.presence import absent
from gateway.settings.secrets import Secrets
from gateway.settings.sections import SiteFile, WorkerSection
from gateway.settings.settings import Section, Settings
from gateway.yamlfile import Node, load_text, validate_node
from gateway.yamlfile import load as load_file


def load(path: Path, *, environ: Mapping[str, str] | None = None, secrets: bool = True) -> Settings:
    """Read and check a configuration file; raises ConfigError with all problems.

    `environ` (default: the process's) may override what `gateway.settings.environment` documents.
    `secrets=False` leaves env: and file: references as they are: to lint or show, never to run.
    """
    return _checked(load_file(path), path.absolute(), os.environ if environ is None else environ, secrets=secrets)


def loads(text: str, path: Path, *, environ: Mapping[str, str] | None = None) -> Settings:
    """As `load`, from text; `path` is where the file would be (relative paths start in its folder)."""
    return _checked(load_text(text, path), path.absolute(), environ or {}, secrets=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A configuration looked over without stopping at the first mistake.

    `problems`: each "file:line:column: sentence". `sections`: the connectors' parts, as far as the file could be
    read. `rules`, `mappings`: the folders meant. `time_limit`: the worker's. `senders`: of every organisation.
    `rows`: by source of rows, the mapping it names and where.
    """

    problems: tuple[str, ...]
    sections: tuple[Section, ...]
    rules: Path
    mappings: Path
    time_limit: Millis
    senders: tuple[str, ...] = ()
    rows: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def examine(path: Path, *, environ: Mapping[str, str] | None = None, secrets: bool = True) -> Examined:
    """As `load`, to lint: never raises for what is in the file, and looks for the files it names as well."""
    environ = os.environ if environ is None else environ
    base = path.absolute().parent
    try:
        root = load_file(path)
        file = validate_node(SiteFile, root)
    except ConfigError as error:
        problems, limit = error.problems, WorkerSection().time_limit
        return Examined(
            problems=problems, sections=(), rules=base / "rules", mappings=base / "mappings", time_limit=limit
        )
    making = Making(root, file, path.absolute(), environ, Secrets(base, environ, resolve=secrets))
    sections = making.sections()
    found = making.problems() or _unmakeable(making, sections)
    return Examined(
        problems=(*found, *absent(root, file, base)),
        sections=tuple(sections.values()),
        rules=base / file.rules,
        mappings=base / file.mappings,
        time_limit=file.worker.time_limit,
        senders=tuple(one.sender_email for one in file.organizations.values()),
        rows=dict(_rows(root, file)),
    )


def _rows(root: Node, file: SiteFile) -> Iterator[tuple[str, tuple[str, str]]]:
    """By source of rows, the mapping it names and where that stands."""
    for name, source in file.sources.items():
        node = root.get("sources", name)
        if source.mapping is not None and node is not None:
            yield name, (source.mapping, node.key_place("mapping"))


def _unmakeable(making: Making, sections: Mapping[tuple[str, str], Section]) -> Sequence[str]:
    try:
        making.settings(sections)
    except ConfigError as error:
        return error.problems
    return ()


def _checked(root: Node, path: Path, environ: Mapping[str, str], *, secrets: bool) -> Settings:
    file = validate_node(SiteFile, root)
    making = Making(root, file, path, environ, Secrets(path.parent, environ, resolve=secrets))
    sections = making.sections()
    problems = making.problems()
    if problems:
        raise ConfigError(*problems)
    return making.settings(sections)
