"""One rule file becomes one Rule, or every problem in it at its line: what cannot be right is refused before it is active."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway import yamlfile
from gateway.model.consent import ChannelKind, Purpose
from gateway.model.errors import ConfigError
from gateway.model.event import EventKind
from gateway.model.facts import FactType
from gateway.model.request import Priority
from gateway.model.rule import Cancel, Condition, Effective, Rule, Variant
from gateway.ruleset import campaign_file, conditions
from gateway.ruleset.complaints import Complaints
from gateway.ruleset.list_file import Lists
from gateway.ruleset.schedule_file import read_schedule
from gateway.ruleset.schema import RuleFile, SendSection
from gateway.yamlfile import Node

TEMPLATES = "templates"
PARTS = ("subject.txt", "body.txt")  # body.html may be there as well
_ALL_SHARES = 100


def read_rule(path: Path, node: Node, templates: Mapping[str, str], lists: Lists, problems: list[str]) -> Rule | None:
    """One rule file, or None after adding to `problems` everything that is wrong with it."""
    before = len(problems)
    where = conditions.read(node.get("when", "where"), lists, problems)
    unless = conditions.read(node.get("when", "unless"), lists, problems)
    hold = conditions.read(node.get("hold"), lists, problems)
    cancelled = conditions.read(node.get("cancel", "where"), lists, problems)
    try:
        file = yamlfile.validate_node(RuleFile, node)
    except ConfigError as error:
        problems.extend(error.problems)
        return None
    tell = Complaints(node, problems)
    _check(path, file, tell)
    _check_send(file.send, tell)
    campaign_file.check(file, tell)
    _check_wording(file.send, tell, templates)
    schedule = read_schedule(file.send.at, tell)
    if schedule is None or len(problems) > before:
        return None
    send = file.send
    variants = tuple(Variant(name=one.name, template=one.template, share=one.share) for one in send.variants or ())
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
        template=send.template or variants[0].template,
        variants=variants,
        schedule=schedule,
        expires=send.expires,
        expires_after=send.expires_after,
        reveals=tuple(send.reveals),
        max_age=file.max_age,
        priority=file.priority or _priority(send.purpose),
        effective=_effective(node, file),
        once_per_patient=file.once_per is not None,
        cancel=_cancel(node, file, cancelled),
        alike=tuple(file.alike),
        sms_segments=send.sms_segments,
        silent_after=send.fallback.on_silence if send.fallback else None,
        unknown_is_silence=send.fallback is not None and send.fallback.on_unknown,
        read_within=send.read_within,
        campaign=campaign_file.read(node, file),
    )


def _priority(purpose: Purpose) -> Priority:
    if purpose is Purpose.TREAT:
        return Priority.CLINICAL
    return Priority.MARKETING if purpose is Purpose.HMARKT else Priority.ROUTINE


def _effective(node: Node, file: RuleFile) -> Effective | None:
    told = file.effective
    return None if told is None else Effective(start=told.start, until=told.until, line=node.keys["effective"][0])


def _cancel(node: Node, file: RuleFile, where: tuple[Condition, ...]) -> Cancel | None:
    told = file.cancel
    return None if told is None else Cancel(events=frozenset(told.event), where=where, line=node.keys["cancel"][0])


def _check(path: Path, file: RuleFile, tell: Complaints) -> None:
    """Name, events and days: everything outside `send` that the schema alone cannot see."""
    if file.rule != path.stem:
        tell.say(f"the rule must be named like its file: `{path.stem}`", "rule")
    _check_events(file.when.event, tell, "when", "event")
    if file.cancel is not None:
        _check_events(file.cancel.event, tell, "cancel", "event")
        for position, event in enumerate(file.cancel.event):
            if event.startswith("patient."):
                tell.say(
                    "an event about the person alone leads nothing to a state: it cannot cancel",
                    "cancel",
                    "event",
                    position,
                )
    _check_alike(file, tell)
    days = file.effective
    if days is not None and days.start is None and days.until is None:
        tell.say("tell `from`, `until` or both", "effective")
    if days is not None and days.start is not None and days.until is not None and days.start > days.until:
        tell.say("ends before it begins: the rule would never be in effect", "effective", "until")


def _check_alike(file: RuleFile, tell: Complaints) -> None:
    for position, name in enumerate(file.alike):
        tell.fact(name, "alike", position)
    tell.repeated(file.alike, "alike")
    if file.alike and file.once_per is None and file.cancel is None:
        tell.say("nothing is looked for: tell `once_per` or `cancel` as well", "alike")


def _check_events(events: list[str], tell: Complaints, *path: str) -> None:
    kinds = [kind.value for kind in EventKind if kind.fires]
    for position, event in enumerate(events):
        if event not in kinds and all(word in kinds for word in event.split()):
            tell.say("two events in one: a comma is missing between them", *path, position)
        elif event not in kinds:
            tell.say(f"unknown event `{event[:60]}`{conditions.like(event, kinds)}", *path, position)
    tell.repeated(events, *path)


def _check_send(send: SendSection, tell: Complaints) -> None:
    if send.channels == ["preferred"] or "preferred" in send.channels[1:]:
        tell.say("`preferred` comes first, and the channels that may be used follow it", "send", "channels")
    for position, name in enumerate(send.reveals):
        tell.fact(name, "send", "reveals", position)
    if send.expires is not None and send.expires_after is not None:
        tell.say("`expires` is told as well: one of the two is enough", "send", "expires_after")
    elif send.expires is None and send.expires_after is None:
        tell.say("tell either `expires` (a datetime fact) or `expires_after` (a duration)", "send")
    if send.expires is not None:
        tell.fact(send.expires, "send", "expires", of=FactType.DATETIME)
    _check_fallback(send, tell)
    tell.repeated(send.reveals, "send", "reveals")
    tell.repeated(send.channels, "send", "channels")


def _check_fallback(send: SendSection, tell: Complaints) -> None:
    """A second message on mere silence needs a second channel, and may not be marketing."""
    if send.fallback is not None and send.purpose is Purpose.HMARKT:
        tell.say(
            "silence is no reason for a second marketing message: an authorization is for one (45 CFR 164.508)",
            "send", "fallback",
        )  # fmt: skip
    if send.fallback is not None and len(set(send.channels) - {"preferred"}) == 1:
        tell.say("there is no second channel to fall back to", "send", "fallback")
    if send.read_within is not None and ChannelKind.PORTAL not in send.channels:
        tell.say(
            "only what lies in the portal can be picked up: `portal` is not among the channels", "send", "read_within"
        )


def _check_wording(send: SendSection, tell: Complaints, templates: Mapping[str, str]) -> None:
    """One template, or variants with a template of their own each, whose shares are everybody."""
    if (send.template is None) == (send.variants is None):
        tell.say("tell either `template` or `variants`", "send")
    if send.template is not None:
        _check_template(send.template, tell, templates, "send", "template")
    variants = send.variants or []
    for position, one in enumerate(variants):
        _check_template(one.template, tell, templates, "send", "variants", position, "template")
        if one.name in [other.name for other in variants[:position]]:
            tell.say(f"two variants are named `{one.name}`", "send", "variants", position, "name")
        if one.template in [other.template for other in variants[:position]]:
            tell.say("two variants have the same template: they are one", "send", "variants", position, "template")
    total = sum(one.share for one in variants)
    if variants and total != _ALL_SHARES:
        tell.say(f"the shares are {total} together: they must be {_ALL_SHARES}", "send", "variants")


def _check_template(name: str, tell: Complaints, templates: Mapping[str, str], *path: str | int) -> None:
    if name not in templates:
        known = conditions.like(name, templates)
        tell.say(f"there is no template folder `{TEMPLATES}/{name}` with {' and '.join(PARTS)}{known}", *path)
