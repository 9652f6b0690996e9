"""What a rule asks for beyond its need: a fact in `reveals` that no template shows is excess (45 CFR 164.502(b))."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from gateway.analyst.findings import Finding
from gateway.analyst.phi import unused_reveals
from gateway.analyst.rule_seen import Seen
from gateway.model.errors import ConfigError, RenderError
from gateway.render.templates import Templates
from gateway.ruleset.rule_file import TEMPLATES


def excess(folder: Path, every: Iterable[Seen]) -> Iterator[Finding]:
    """CG070 at the fact's own place; templates that cannot be read or compiled are told elsewhere."""
    try:
        templates = Templates(folder / TEMPLATES)
    except ConfigError:
        return
    for seen in every:
        yield from _of(folder, seen, templates)


def _of(folder: Path, seen: Seen, templates: Templates) -> Iterator[Finding]:
    rule = seen.rule
    try:
        unused = unused_reveals(rule, templates)
    except RenderError:
        return
    for fact in unused:
        line, column = seen.node.at("send", "reveals", rule.reveals.index(fact))
        names = " and ".join(f"`{name}`" for name in rule.templates)
        sentence = f"`{fact}` is revealed and {names} never shows it: take it out of `reveals`, or use it there"
        yield Finding(file=str(folder / rule.file), line=line, column=column, code="CG070", sentence=sentence)
