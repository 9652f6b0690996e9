"""One rule file becomes one Rule, or every problem in it at its line: what cannot be right is refused before it is active."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from gateway import yamlfile
from gateway.model.consent import ChannelKind, Purpose
from gateway.model.errors import ConfigError
from gateway.model.event import EventKind
from gateway.model.facts import FactType
from gateway.model.request import Priority
from gateway.model.rule import Rule, Schedule, Step
from gateway.model.when import HOUR, MINUTE
from gateway.ruleset import conditions
from gateway.ruleset.schedule import OCCURRED
from gateway.ruleset.schema import RuleFile, SendSection, duration
from gateway.yamlfile import Node

TEMPLATES = "templates"
PARTS = ("subject.txt", "body.txt")  # body.html may be there as well


def read_rule(path: Path, node: Node, templates: Mapping[str, str], problems: list[str]) -> Rule | None:
    """One rule file, or None after adding to `problems` everything that is wrong with it."""
    before = len(problems)
    where = conditions.read(node.get("when", "where"), problems)
    unless = conditions.read(node.get("when", "unless"), problems)
    hold = conditions.read(node.get("hold"), problems)
    try:
        file = yamlfile.validate_node(RuleFile, node)
    except ConfigError as error:
        problems.extend(error.problems)
        return None
    _check(path, node, file, templates, problems)
    schedule = _schedule(node, file.send, problems)
    if schedule is None or len(problems) > before:
        return None
    send = file.send
    return Rule(
        name=file.rule,
        file=path.name,
        owner=file.owner,
        why=file.why,
        events=frozenset(file.when.event),
        where=where,
        unless=unless,
        hold=hold,
        purpose=send.purpose,
        remuneration=send.remuneration,
        topic=send.topic,
        channels=tuple(ChannelKind(c) for c in send.channels if c != "preferred"),
        preferred_first="preferred" in send.channels,
        template=send.template,
        schedule=schedule,
        expires=send.expires,
        expires_after=send.expires_after,
        reveals=tuple(send.reveals),
        max_age=file.max_age,
        priority=file.priority or _priority(send.purpose),
    )


def _priority(purpose: Purpose) -> Priority:
    if purpose is Purpose.TREAT:
        return Priority.CLINICAL
    return Priority.MARKETING if purpose is Purpose.HMARKT else Priority.ROUTINE


class _Complaints:
    """Collects problems about places in one rule file."""

    def __init__(self, root: Node, problems: list[str]) -> None:
        self._root, self._problems = root, problems

    def say(self, sentence: str, *path: str | int) -> None:
        self._problems.append(f"{self._place(path)}: {sentence}")

    def fact(self, name: str, *path: str | int, of: FactType | None = None) -> None:
        fact = conditions.known_fact(name, self._place(path), self._problems)
        if fact is not None and of is not None and fact.type is not of:
            self.say(f"`{name}` is no {of.value} fact", *path)

    def _place(self, path: tuple[str | int, ...]) -> str:
        line, column = self._root.at(*path)
        return f"{self._root.file}:{line}:{column}"


def _check(path: Path, node: Node, file: RuleFile, templates: Mapping[str, str], problems: list[str]) -> None:
    """Everything about one file that the schema alone cannot see."""
    tell = _Complaints(node, problems)
    if file.rule != path.stem:
        tell.say(f"the rule must be named like its file: `{path.stem}`", "rule")
    kinds = [kind.value for kind in EventKind if kind.fires]
    for position, event in enumerate(file.when.event):
        if event not in kinds:
            tell.say(f"unknown event `{event[:60]}`{conditions.like(event, kinds)}", "when", "event", position)
    _check_send(file.send, tell, templates)
    _repeated(file.when.event, tell, "when", "event")


def _check_send(send: SendSection, tell: _Complaints, templates: Mapping[str, str]) -> None:
    if send.remuneration == "paid" and send.purpose is not Purpose.HMARKT:
        tell.say("a message somebody pays for is marketing: purpose must be HMARKT (45 CFR 164.501)", "send", "purpose")
    if send.channels == ["preferred"] or "preferred" in send.channels[1:]:
        tell.say("`preferred` comes first, and the channels that may be used follow it", "send", "channels")
    if send.template not in templates:
        known = conditions.like(send.template, templates)
        tell.say(
            f"there is no template folder `{TEMPLATES}/{send.template}` with {' and '.join(PARTS)}{known}",
            "send",
            "template",
        )
    for position, name in enumerate(send.reveals):
        tell.fact(name, "send", "reveals", position)
    if (send.expires is None) == (send.expires_after is None):
        tell.say("tell either `expires` (a datetime fact) or `expires_after` (a duration)", "send")
    elif send.expires is not None:
        tell.fact(send.expires, "send", "expires", of=FactType.DATETIME)
    _repeated(send.reveals, tell, "send", "reveals")
    _repeated(send.channels, tell, "send", "channels")
    _repeated(send.at.by, tell, "send", "at", "by")


def _repeated(values: Iterable[str], tell: _Complaints, *path: str) -> None:
    seen: set[str] = set()
    for position, value in enumerate(values):
        if value in seen:
            tell.say(f"`{value[:60]}` stands here twice", *path, position)
        seen.add(value)


def _schedule(node: Node, send: SendSection, problems: list[str]) -> Schedule | None:
    tell = _Complaints(node, problems)
    anchor = send.at.before or send.at.after
    if anchor is None or (send.at.before and send.at.after):
        tell.say("tell either `before` or `after`, and a datetime fact", "send", "at")
        return None
    side = "before" if send.at.before else "after"
    tell.fact(anchor, "send", "at", side, of=FactType.DATETIME)
    if side == "before" and anchor == OCCURRED:
        tell.say("nothing can be sent before an event is known: use `after`", "send", "at", side)
    sign = -1 if side == "before" else 1
    steps = []
    for position, text in enumerate(send.at.by):
        try:
            steps.append(_step(text, sign))
        except ValueError as error:
            tell.say(f"`by` {error}", "send", "at", "by", position)
    return Schedule(anchor=anchor, steps=tuple(steps))


def _step(text: str, sign: int) -> Step:
    count, unit = duration(text)
    if unit == "d":
        return Step(label=text, days=sign * count, millis=0)
    return Step(label=text, days=0, millis=sign * count * (HOUR if unit == "h" else MINUTE))
