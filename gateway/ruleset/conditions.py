"""Conditions from a rule file: each is checked against the vocabulary and remembers its line, so a refusal can name it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from difflib import get_close_matches
from functools import partial

from gateway.model.facts import UNMAPPED, VOCABULARY, Fact, FactType, FactValue
from gateway.model.rule import Bound, Condition
from gateway.ruleset.list_file import Lists
from gateway.yamlfile import Node

_SECTIONS = {
    "where": "beside `event`",
    "unless": "beside `where`",
    "hold": "at the left margin",
    "send": "at the left margin",
}
_PRESENT = {"yes": True, "no": False}
_DATES = ("at_least", "at_most", "after", "before")
MOST_DIGITS = 10  # no fact counts so far, and Python reads no number of thousands of digits
_NO_LIST = ": add it there, or write the codes here"
_BOUNDS: Mapping[FactType, tuple[str, ...]] = {
    FactType.INTEGER: ("at_least", "at_most"),
    FactType.DATE: _DATES,
    FactType.DATETIME: _DATES,
}
_TAKES: Mapping[FactType, str] = {
    FactType.CODE: "a code, a list of codes, {list: name} or {present: yes|no}",
    FactType.YESNO: "yes, no or {present: yes|no}",
    FactType.INTEGER: "{at_least: …, at_most: …} with whole numbers or {present: yes|no}",
    FactType.DATE: "{at_least|at_most|after|before: 2026-03-15} or {present: yes|no}",
    FactType.DATETIME: "{at_least|at_most|after|before: 2026-03-15} (whole days) or {present: yes|no}",
    FactType.TEXT: "{present: yes|no} only",
}


def like(word: str, known: Iterable[str]) -> str:
    """An ending for a sentence, asking whether the closest known word was meant; empty when none is close."""
    close = get_close_matches(word, list(known), n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(f'`{one}`' for one in close)}?" if close else ""


def known_fact(name: str, place: str, problems: list[str]) -> Fact | None:
    """The vocabulary's entry, or None after adding a problem at `place` ("file:line:column")."""
    fact = VOCABULARY.get(name)
    if fact is None and name in _SECTIONS:
        problems.append(f"{place}: `{name}` is no fact but a section, {_SECTIONS[name]}: mend the indentation")
    elif fact is None:
        problems.append(f"{place}: unknown fact `{name[:60]}`{like(name, VOCABULARY)}")
    return fact


def read(section: Node | None, lists: Lists, problems: list[str]) -> tuple[Condition, ...]:
    """Every condition of a `where`, `unless` or `hold`, in file order; adds to `problems` what is wrong.

    `lists`: the named lists of the folder (lists.yaml).
    """
    if section is None or not isinstance(section.value, Mapping):
        return ()  # absent, or already refused by the schema
    found = []
    for name, node in section.value.items():
        fact = known_fact(name, section.key_place(name), problems)
        condition = None if fact is None else _condition(fact, section.keys[name][0], node, lists, problems)
        if condition is not None:
            found.append(condition)
    return tuple(found)


def _condition(fact: Fact, line: int, node: Node, lists: Lists, problems: list[str]) -> Condition | None:
    make = partial(Condition, fact=fact.name, line=line)
    if isinstance(node.value, Mapping):
        if "list" in node.keys and fact.type is FactType.CODE:
            return _from_list(make, node, lists, problems)
        return _bounded(fact, make, node, problems)
    values = _values(fact, node)
    if values is not None and UNMAPPED in values:
        problems.append(f"{node.place}: no condition can ask for `{UNMAPPED}`: add the code to its table instead")
        return None
    if values is None:
        problems.append(f"{node.place}: `{fact.name}` takes {_TAKES[fact.type]}")
        return None
    return make(values=values)


def _from_list(make: partial[Condition], node: Node, lists: Lists, problems: list[str]) -> Condition | None:
    if len(node.keys) > 1:
        problems.append(f"{node.key_place('list')}: `list` stands alone: put all codes into the list")
        return None
    name = list_name(node, lists, problems)
    return None if name is None else make(values=lists[name], listed=name)


def list_name(node: Node, lists: Lists, problems: list[str]) -> str | None:
    """The name that `{list: name}` tells, or None after adding a problem when there is no such list."""
    told = node.get("list")
    name = told.value if told is not None and isinstance(told.value, str) else ""
    if name in lists:
        return name
    problems.append(
        f"{(told or node).place}: there is no list `{name[:60]}` in lists.yaml{like(name, lists) or _NO_LIST}"
    )
    return None


def _values(fact: Fact, node: Node) -> frozenset[FactValue] | None:
    """The values told, or None if the fact takes none such."""
    nodes = node.value if isinstance(node.value, tuple) else (node,)
    words = [one.value for one in nodes if isinstance(one.value, str) and one.value]
    if not nodes or len(words) < len(nodes):
        return None
    if fact.type is FactType.CODE:
        return frozenset(words)
    if fact.type is FactType.YESNO and set(words) <= set(_PRESENT):
        return frozenset(_PRESENT[word] for word in words)
    return None


def _bounded(fact: Fact, make: partial[Condition], node: Node, problems: list[str]) -> Condition | None:
    allowed = (*_BOUNDS.get(fact.type, ()), "present")
    told: dict[str, Bound | None] = {}
    before = len(problems)
    for key in node.keys:
        if key not in allowed:
            problems.append(f"{node.key_place(key)}: `{fact.name}` takes {_TAKES[fact.type]}")
            continue
        told[key] = _bound(fact, key, node, problems)
    if not told and len(problems) == before:
        problems.append(f"{node.place}: `{fact.name}` takes {_TAKES[fact.type]}")
    if "present" in told and len(told) > 1:
        problems.append(f"{node.key_place('present')}: `present` stands alone: a bound already asks for a known value")
    return None if len(problems) > before else make(**told)


def _bound(fact: Fact, key: str, node: Node, problems: list[str]) -> Bound | None:
    value = node.get(key)
    word = value.value if value is not None and isinstance(value.value, str) else ""
    place = node.place if value is None else value.place
    if key == "present":
        found: Bound | None = _PRESENT.get(word)
        wanted = "yes or no"
    elif fact.type is FactType.INTEGER:
        whole = word.isascii() and word.isdigit() and len(word) < MOST_DIGITS
        found, wanted = (int(word) if whole else None), "a whole number"
    else:
        found, wanted = _date(word), "a date like 2026-03-15"
    if found is None:
        problems.append(f"{place}: `{key}` must be {wanted}")
    return found


def _date(word: str) -> date | None:
    try:
        return date.fromisoformat(word)
    except ValueError:
        return None
