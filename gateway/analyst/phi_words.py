"""The PHI budget as the page a privacy officer signs, in Markdown: no date and no order but the files' own, so that it can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.analyst.phi import Budget, FieldRead, Shown, ToldTo
from gateway.model.facts import VOCABULARY

_HEAD = """\
# The PHI budget

Made by `caregate phi --markdown` from the rules, templates, policy and mappings that run; do not edit it. Two of these pages
can be compared line by line: every difference is a change of what is read, kept or shown.

* Rule set: `{ruleset}`
* Mappings: `{mappings}`
* A message as received is kept sealed for {raw}; what leaves is kept sealed for {bodies}; facts end {facts} after what they are about.
"""
_SIGNED = """\
## Signed

Whoever signs has read this page for the rule set and the mappings above, and for no other.

| name | role | date | signature |
| --- | --- | --- | --- |
|  | privacy officer |  |  |
"""


def page(told: Budget) -> str:
    """The whole page."""
    kept = told.kept
    head = _HEAD.format(
        ruleset=told.ruleset, mappings=told.mappings, raw=kept.raw, bodies=kept.bodies, facts=kept.facts
    )
    return "\n".join([head, *_parts(told), _SIGNED])


def summary(told: Budget) -> Iterator[str]:
    """The few lines somebody reads first; everything else stands on the page."""
    yield f"rule set {told.ruleset[:12]}, mappings {told.mappings[:12]}"
    for one in told.shown:
        unused = " - no template shows it: take it out of `reveals`" if one.unused else ""
        withheld = f", above the ceiling of {', '.join(one.withheld)}" if one.withheld else ""
        yield f"{one.fact} ({one.sensitivity}): {one.rule} shows it by {_list(one.reaches)} for {one.purpose}{withheld}{unused}"
    fields = {one.field for one in told.fields}
    dropped = sorted({one.becomes.strip("`") for one in told.dropped})
    yield f"{len(fields)} fields read; mapped and dropped, because nothing uses it: {', '.join(dropped) or 'nothing'}"
    for sink in told.sinks:
        given = f", with {_list(sink.facts)}" if sink.facts else ""
        yield f"sink {sink.name} ({sink.kind}) is told what became of {_list(sink.sources)}{given}; agreement: {sink.agreement}"
    segments = [name for name, _ in told.never if "-" not in name]
    yield f"segments never read: {', '.join(segments)}"


def _sink(one: ToldTo) -> tuple[str, ...]:
    facts = (f"`{fact}` ({VOCABULARY[fact].sensitivity.name.lower()})" for fact in one.facts)
    rules, kinds = _list(one.rules or ("all",)), _list(one.kinds or ("all but event",))
    return (one.name, one.kind, _list(one.sources), rules, kinds, _list(facts), one.agreement)


def _parts(told: Budget) -> Iterator[str]:
    head = ("fact", "sensitivity", "rule", "purpose", "templates", "can reach", "above the ceiling of")
    yield _table("What patients are shown", head, map(_shown, told.shown))
    if told.sinks:
        heads = ("sink", "kind", "told of what came of", "rules", "kinds", "facts", "agreement")
        yield _table(
            "Who is told what became of it: a token, the source's own row key, rule, channel, reason, and the facts named",
            heads,
            map(_sink, told.sinks),
        )
    columns = ("field", "mapping", "becomes", "sensitivity", "asked by", "gates", "templates", "can reach", "kept")
    yield _table(
        "What is read, and what becomes of it", columns, (_read(one) for one in told.fields if not one.dropped)
    )
    yield _table(
        "Mapped, and dropped because no rule, template or gate uses it",
        ("field", "mapping", "would become", "sensitivity"),
        ((f"`{one.field}`", one.mapping, one.becomes, one.sensitivity) for one in told.dropped),
    )
    built_in = ((f"`{field}`", what, kept) for field, what, kept in told.built_in)
    yield _table("Read whatever the mappings say", ("field", "is", "kept"), built_in)
    never = ((f"`{name}`", meaning) for name, meaning in told.never)
    yield _table("Never read", ("segment or field", "holds"), never)


def _grouped(rows: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """What several mappings do alike in one row, with their names."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for field, mapping, *rest in rows:
        alike.setdefault((field, *rest), []).append(mapping)
    yield from ((field, ", ".join(mappings), *rest) for (field, *rest), mappings in alike.items())


def _shown(one: Shown) -> tuple[str, ...]:
    templates = "**none: excess**" if one.unused else _list(one.templates)
    return (
        f"`{one.fact}`",
        one.sensitivity,
        one.rule,
        one.purpose,
        templates,
        _list(one.reaches),
        _list(one.withheld),
    )


def _read(one: FieldRead) -> tuple[str, ...]:
    return (
        f"`{one.field}`",
        one.mapping,
        one.becomes,
        one.sensitivity,
        _list(one.asks),
        one.gates,
        _list(one.templates),
        _list(one.reaches),
        one.kept,
    )


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "–"


def _table(title: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    body = "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
    return f"## {title}\n\n{body}"
