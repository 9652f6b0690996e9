"""Templates against their rules: every name a template reads must be revealed, and each use is found at its line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jinja2 import nodes

from gateway.model.consent import Purpose
from gateway.model.errors import ConfigError, RenderError
from gateway.model.rule import Rule
from gateway.render.sandbox import environment
from gateway.render.templates import Templates
from gateway.render.values import allowed_names

Found = tuple[Path, int, str, str]  # file, line, code, sentence


def read_templates(folder: Path) -> Templates | str:
    """The templates of a rule folder, or the sentence that says why they cannot be read."""
    try:
        return Templates(folder)
    except ConfigError as error:
        return error.problems[0]


def template_findings(folder: Path, templates: Templates | str, rule: Rule) -> Iterator[Found]:
    """What is wrong with the rule's template: CG010 (not revealed, does not compile), CG011 (no way out)."""
    root = folder / rule.template
    uses = _uses(templates, rule.template)
    if isinstance(uses, str):
        yield root / "body.txt", 1, "CG010", uses
        return
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix in (".txt", ".html"):
            yield from _unrevealed(path, rule)
    if rule.purpose is Purpose.HMARKT and "opt_out" not in uses:
        # 15 USC 7704(a)(3), 16 CFR 316.5: every marketing message tells how to stop it
        yield root / "body.txt", 1, "CG011", "marketing must say how to stop it: add {{ opt_out }}"


def _uses(templates: Templates | str, name: str) -> frozenset[str] | str:
    if isinstance(templates, str):
        return templates
    try:
        return templates.uses(name)
    except RenderError as error:
        return str(error)


def _unrevealed(path: Path, rule: Rule) -> Iterator[Found]:
    allowed = allowed_names(rule.reveals)
    for name, line in sorted(_names(environment({}).parse(path.read_text(encoding="utf-8"))), key=lambda use: use[1]):
        if name not in allowed:
            yield (
                path,
                line,
                "CG010",
                f"`{name}` is not revealed by rule {rule.name}: add the fact to `reveals`, or drop it",
            )


def _names(node: nodes.Node) -> Iterator[tuple[str, int]]:
    """Every maximal dotted name with its line."""
    chain: list[str] = []
    step = node
    while isinstance(step, nodes.Getattr):
        chain.append(step.attr)
        step = step.node
    if isinstance(step, nodes.Name):
        yield ".".join([step.name, *reversed(chain)]), step.lineno
        return
    for child in node.iter_child_nodes():
        yield from _names(child)
