"""Conditions that can never be met, or never have an answer: a rule that cannot fire looks like one that has nobody to tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from gateway.analyst.findings import Finding
from gateway.analyst.implied import implies, is_empty
from gateway.analyst.rule_seen import CANCEL, HOLD, UNLESS, WHERE, Section, Seen, space_of
from gateway.model.facts import VOCABULARY, WHEN_DUE, FactType
from gateway.model.rule import Condition
from gateway.ruleset.load import POLICY
from gateway.ruleset.schedule import OCCURRED
from gateway.yamlfile import Node


def findings(seen: Seen, codes: Mapping[str, frozenset[str]]) -> Iterator[Finding]:
    """CG031, CG032 and CG041 of one rule; `codes`: per fact, the codes that the tables in use produce."""
    yield from _never_true(seen)
    yield from _refused(seen)
    yield from _withheld(seen)
    yield from _never_told(seen)
    yield from _known_later(seen)
    yield from _strange_codes(seen, codes)


def _never_true(seen: Seen) -> Iterator[Finding]:
    """Bounds that leave no value, and asking for the absence of what the schedule counts from."""
    needed = _needed(seen)
    for section, condition in seen.conditions():
        if is_empty(condition):
            yield _at(seen, "CG031", section, condition, "no value lies between these bounds: it can never hold")
        elif section == WHERE and condition.present is False and condition.fact in needed:
            sentence = f"`{condition.fact}` must be there for `send.{needed[condition.fact]}`: the rule can never plan"
            yield _at(seen, "CG031", section, condition, sentence)


def _needed(seen: Seen) -> dict[str, str]:
    """Facts without which nothing can be planned, and the key that needs each."""
    rule = seen.rule
    found = {} if rule.expires is None else {rule.expires: "expires"}
    return {fact: key for fact, key in {**found, rule.schedule.anchor: "at"}.items() if fact != OCCURRED}


def _refused(seen: Seen) -> Iterator[Finding]:
    """`unless` that takes away everything `where`, or the schedule, asks for."""
    where = {condition.fact: condition for condition in seen.rule.where}
    for fact in _needed(seen):
        where.setdefault(fact, Condition(fact=fact, line=0, present=True))
    for condition in seen.rule.unless:
        wanted = where.get(condition.fact)
        if wanted is not None and implies(wanted, condition):
            sentence = f"every value `where` asks of `{condition.fact}` is refused here: the rule can never match"
            yield _at(seen, "CG031", UNLESS, condition, sentence)
        elif condition.values == frozenset({True, False}):
            yield _at(seen, "CG031", UNLESS, condition, "yes and no are both refused here: the rule can never match")


def _withheld(seen: Seen) -> Iterator[Finding]:
    """What matches, and the policy never lets go: protected care. What is about children goes to who represents them."""
    for condition in seen.rule.where:
        service = condition.fact.partition(".")[2] == "service"
        if service and condition.values and condition.values <= seen.policy.protected_services:
            sentence = f"{POLICY} protects all of these (protected_services): this rule never sends; drop the rule"
            yield _at(seen, "CG031", WHERE, condition, sentence)


_UNTOLD: Mapping[Section, str] = {
    WHERE: "the rule's events never tell `{fact}`: it can never match; ask about {told}",
    UNLESS: "the rule's events never tell `{fact}`, and not knowing refuses: it can never match; take it out",
    HOLD: "the rule's events never tell `{fact}`, and not knowing holds: nothing would ever leave; take it out",
    CANCEL: "the events that cancel never tell `{fact}`: they would never cancel; ask about {told}",
}


def _never_told(seen: Seen) -> Iterator[Finding]:
    """An appointment's event tells nothing of a visit's facts, and the other way about."""
    spaces = seen.spaces()
    cancel = seen.rule.cancel
    across = frozenset() if cancel is None else frozenset(map(space_of, cancel.events)) | {"patient", "event"}
    for section, condition in seen.conditions():
        told = across if section == CANCEL else spaces
        harmless = condition.present is (section in (UNLESS, HOLD))  # `present` alone knows of absence
        if space_of(condition.fact) not in told and not harmless:
            sentence = _UNTOLD[section].format(fact=condition.fact, told=_spoken(told))
            yield _at(seen, "CG032", section, condition, sentence)
    yield from _schedule_never_told(seen, spaces)
    yield from _never_alike(seen, spaces if cancel is None else spaces & across)
    for number, name in enumerate(seen.rule.reveals):
        if space_of(name) not in spaces:
            sentence = f"the rule's events never tell `{name}`: no message could be written; take it out"
            yield seen.at("CG032", sentence, "send", "reveals", number)


def _never_alike(seen: Seen, told: frozenset[str]) -> Iterator[Finding]:
    """Both sides must tell it, and the same person is no likeness."""
    for number, name in enumerate(seen.rule.alike):
        if space_of(name) not in told - {"patient", "event"}:
            sentence = f"`{name}` is not told on both sides: nothing would ever be alike; take it out"
            yield seen.at("CG032", sentence, "alike", number)


def _known_later(seen: Seen) -> Iterator[Finding]:
    """What is looked at when a message is due cannot decide whether it is planned."""
    for section, condition in seen.conditions():
        if section in (WHERE, UNLESS) and condition.fact in WHEN_DUE:
            sentence = f"`{condition.fact}` is not known before the message is due: ask for it under `hold`"
            yield _at(seen, "CG032", section, condition, sentence)


def _schedule_never_told(seen: Seen, spaces: frozenset[str]) -> Iterator[Finding]:
    rule = seen.rule
    side = "before" if rule.schedule.before else "after"
    places = ((rule.schedule.anchor, ("send", "at", side)), (rule.expires, ("send", "expires")))
    untold = {fact: path for fact, path in reversed(places) if fact and space_of(fact) not in spaces}
    for fact, path in untold.items():
        sentence = f"the rule's events never tell `{fact}`: nothing could be planned; count from {_spoken(spaces)}"
        yield seen.at("CG032", sentence, *path)


def _spoken(spaces: frozenset[str]) -> str:
    return " or ".join(f"`{space}.…`" for space in sorted(spaces))


def _strange_codes(seen: Seen, codes: Mapping[str, frozenset[str]]) -> Iterator[Finding]:
    for section, condition in seen.conditions():
        known = codes.get(condition.fact)
        if known is None or condition.values is None or VOCABULARY[condition.fact].type is not FactType.CODE:
            continue
        for value in sorted(str(value) for value in condition.values - known):
            of = f" (list `{condition.listed}`)" if condition.listed else ""
            sentence = f"no code table turns anything into `{value}`{of}{_meant(value, known)}"
            line, column = _code_place(seen.node, section, condition, value)
            yield Finding(file=seen.node.file, line=line, column=column, code="CG041", sentence=sentence)


def _meant(value: str, known: frozenset[str]) -> str:
    """An ending that names the nearest code, whatever the case it was written in."""
    tidy = value.lower().replace("_", "-").replace(" ", "-")
    close = [tidy] if tidy in known else get_close_matches(tidy, sorted(known), n=2, cutoff=0.6)
    return (
        f"; did you mean {' or '.join(f'`{one}`' for one in close)}?" if close else ": add it to the table, or drop it"
    )


def _code_place(root: Node, section: Section, condition: Condition, value: str) -> tuple[int, int]:
    """Where the code itself stands; the name of the list it came from, if it did."""
    node = root.get(*section, condition.fact)
    items = node.value if node is not None and isinstance(node.value, tuple) else ()
    found = next((one for one in items if one.value == value), node)
    if found is not None and condition.listed:
        found = found.get("list")
    return (condition.line, 1) if found is None else (found.line, found.column)


def _at(seen: Seen, code: str, section: Section, condition: Condition, sentence: str) -> Finding:
    return seen.at_key(code, sentence, *section, condition.fact)
