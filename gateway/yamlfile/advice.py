"""What was probably meant: one mistake is told once, at its place, with what to do; never a value of the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pydantic

from gateway.yamlfile.nodes import Node

Found = tuple[int, int, str]
_TYPOGRAPHIC = frozenset("„“”‟‚‘’«»")
_DEEP = 6  # sections within sections: no file of ours is deeper


def advised(
    homes: Mapping[str, tuple[str, ...]], root: Node, unknown: list[Found], problems: list[Found]
) -> tuple[list[Found], list[Found]]:
    """Unknown keys and other problems of one file without their consequences, and with advice.

    `homes`: for every key that the file's models have, the sections it may stand in ("" is the top).
    """
    kept = [one for one in problems if not any(_explains(root, key, one) for key in unknown)]
    return [_at_home(homes, one) for one in unknown], [_straight(root, one) for one in _joined(kept)]


def _explains(root: Node, unknown: Found, problem: Found) -> bool:
    """Whether a key is only missing because it is misspelled beside where it should be."""
    line, column, text = problem
    if not text.endswith(" is missing"):
        return False
    name = text.rsplit("`", 2)[1].rpartition(".")[2]
    return f"`{name}`" in unknown[2].partition("; did you mean ")[2] and any(
        (node.line, node.column) == (line, column) and unknown[:2] in node.keys.values() for node in _every(root)
    )


def _at_home(homes: Mapping[str, tuple[str, ...]], unknown: Found) -> Found:
    """A key that is known elsewhere is not misspelled, it stands in the wrong place."""
    line, column, text = unknown
    place, _, rest = text.partition("unknown key `")
    key = rest.partition("`")[0]
    sections = homes.get(key)
    if not sections:
        return unknown
    where = " or ".join(f"under `{section}`" if section else "at the left margin" for section in sections)
    return line, column, f"{place}`{key}` stands in the wrong section: it belongs {where}; mend the indentation"


def _joined(problems: list[Found]) -> list[Found]:
    """Alternatives of one value are told in one sentence."""
    found: dict[tuple[int, int, str], str] = {}
    for line, column, text in problems:
        head, must, tail = text.partition(" must ")
        before = found.get((line, column, head + must))
        found[line, column, head + must] = tail if before is None else f"{before}, or {tail}"
    return [(line, column, head + tail) for (line, column, head), tail in found.items()]


def _straight(root: Node, problem: Found) -> Found:
    """Quotes that a word processor made are part of the value, and look as if they were not."""
    line, column, text = problem
    values = (node.value for node in _every(root) if (node.line, node.column) == (line, column))
    if any(isinstance(value, str) and _TYPOGRAPHIC & set(value) for value in values):
        return line, column, f'{text}; the quotes are typographic ones: write " instead'
    return problem


def _every(node: Node) -> Iterator[Node]:
    yield node
    children = node.value.values() if isinstance(node.value, Mapping) else node.value
    for child in children if not isinstance(children, str | None) else ():
        yield from _every(child)


def homes(fields: Iterator[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Keys by the sections they may stand in, from (section, key) pairs."""
    found: dict[str, tuple[str, ...]] = {}
    for section, key in fields:
        if section not in found.get(key, ()):
            found[key] = (*found.get(key, ()), section)
    return found


def sections(model: type[pydantic.BaseModel], path: str = "") -> Iterator[tuple[str, str]]:
    """(section, key) of every key of a model and of the sections in it; lists and free keys are not gone into."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        yield path, key
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, pydantic.BaseModel) and path.count(".") < _DEEP:
            yield from sections(inner, f"{path}.{key}" if path else key)
