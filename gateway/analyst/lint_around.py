"""What a rule leans on: events the mappings produce, lists and templates that are used, an owner to ask, days to come."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path

from gateway.analyst.findings import Finding
from gateway.analyst.rule_seen import Seen
from gateway.model.event import EventKind as Kind
from gateway.ruleset import RuleSet
from gateway.ruleset.load import LISTS, POLICY
from gateway.ruleset.rule_file import PARTS, TEMPLATES
from gateway.yamlfile import load as read_yaml

# What takes a planned message back, by the event that planned it: any one will do (AD-08, AD-10, SI-04, OR-04, RX-03,
# DO-01, VX-01).
_CANCELS: Mapping[str, tuple[Kind, ...]] = {
    Kind.APPOINTMENT_BOOKED: (Kind.APPOINTMENT_CANCELLED, Kind.APPOINTMENT_DELETED),
    Kind.APPOINTMENT_RESCHEDULED: (Kind.APPOINTMENT_CANCELLED, Kind.APPOINTMENT_DELETED),
    Kind.ENCOUNTER_ADMITTED: (Kind.ENCOUNTER_ADMISSION_CANCELLED,),
    Kind.ENCOUNTER_DISCHARGED: (Kind.ENCOUNTER_DISCHARGE_CANCELLED,),
    Kind.ENCOUNTER_PREADMITTED: (Kind.ENCOUNTER_PREADMISSION_CANCELLED,),
    Kind.RESULT_AVAILABLE: (Kind.RESULT_RETRACTED,),
    Kind.RESULT_CORRECTED: (Kind.RESULT_RETRACTED,),
    Kind.PRESCRIPTION_NEW: (Kind.PRESCRIPTION_CANCELLED, Kind.PRESCRIPTION_DISCONTINUED),
    Kind.PRESCRIPTION_RENEWED: (Kind.PRESCRIPTION_CANCELLED, Kind.PRESCRIPTION_DISCONTINUED),
    Kind.PRESCRIPTION_NO_REFILLS_LEFT: (Kind.PRESCRIPTION_CANCELLED, Kind.PRESCRIPTION_DISCONTINUED),
    Kind.PRESCRIPTION_DISPENSED: (Kind.PRESCRIPTION_DISPENSE_CANCELLED,),
    Kind.DOCUMENT_AVAILABLE: (Kind.DOCUMENT_WITHDRAWN,),
    Kind.IMMUNIZATION_GIVEN: (Kind.IMMUNIZATION_RETRACTED,),
}
_ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>.]+(\.[^\s@<>.]+)+")


def of_rule(seen: Seen, events: frozenset[str] | None, today: date | None) -> Iterator[Finding]:
    """CG036, CG037, CG040, CG042 and CG046 of one rule; `events`: kinds that the mappings in use produce."""
    if _ADDRESS.fullmatch(seen.rule.owner) is None:
        sentence = "the owner is whom people ask: write one e-mail address, like access-center@lakeside.example"
        yield seen.at("CG036", sentence, "owner")
    days = seen.rule.effective
    if today is not None and days is not None and days.until is not None and days.until < today:
        sentence = f"the rule is over since {days.until}: delete it, or tell a later day"
        yield seen.at("CG037", sentence, "effective", "until")
    yield from _without_state(seen)
    if events is not None:
        yield from _events(seen, events)


def _without_state(seen: Seen) -> Iterator[Finding]:
    """An event after which something is in the state it was in: rules ask what led to that (SI-03)."""
    cancel = frozenset() if seen.rule.cancel is None else seen.rule.cancel.events
    for section, named in ((("when", "event"), seen.rule.events), (("cancel", "event"), cancel)):
        if Kind.APPOINTMENT_MODIFIED in named:
            sentence = (
                f"`{Kind.APPOINTMENT_MODIFIED}` changes facts and leads to no state: name what led to it, like "
                "`appointment.booked`; its rules are asked again at every change"
            )
            yield seen.at("CG046", sentence, *_place(seen, section, Kind.APPOINTMENT_MODIFIED))


def _events(seen: Seen, events: frozenset[str]) -> Iterator[Finding]:
    rule = seen.rule
    unknown = rule.events - events
    for event in sorted(unknown):
        sentence = f"no mapping produces `{event}`: map a message to it, or drop it"
        yield seen.at("CG040", sentence, *_place(seen, ("when", "event"), event))
    for event in sorted((rule.cancel.events if rule.cancel is not None else frozenset()) - events):
        sentence = f"no mapping produces `{event}`: map a message to it, or drop it"
        yield seen.at("CG040", sentence, *_place(seen, ("cancel", "event"), event))
    if not rule.schedule.moves and all(step.is_zero for step in rule.schedule.steps):
        return  # what leaves at once leaves nothing to withdraw
    needed = {_CANCELS[event] for event in rule.events - unknown if event in _CANCELS}
    for cancelling in sorted(needed):
        if not events.intersection(cancelling):
            names = " or ".join(f"`{event}`" for event in cancelling)
            sentence = f"nobody cancels this: no mapping produces {names}; map a message to it"
            yield seen.at("CG042", sentence, "when", "event")


def _place(seen: Seen, path: tuple[str, ...], event: str) -> tuple[str | int, ...]:
    node = seen.node.get(*path)
    words = [one.value for one in node.value] if node is not None and isinstance(node.value, tuple) else []
    return (*path, words.index(event)) if event in words else path


def of_folder(folder: Path, rules: RuleSet, every: Iterable[Seen]) -> Iterator[Finding]:
    """CG033 and CG035: what stands in the folder and nobody uses, spelled otherwise somewhere, or left over."""
    seen = list(every)
    yield from _lists(folder, rules, {condition.listed for one in seen for _, condition in one.conditions()})
    used = {template for one in seen for template in one.rule.templates}
    for name in sorted(set(rules.templates) - used):
        sentence = (
            f"no rule uses the template `{name}`: tell `template: {name}` where it is meant, or delete the folder"
        )
        yield Finding(
            file=str(folder / TEMPLATES / name / PARTS[-1]), line=1, column=1, code="CG035", sentence=sentence
        )


def _lists(folder: Path, rules: RuleSet, used: set[str | None]) -> Iterator[Finding]:
    if not rules.lists:
        return
    policy = read_yaml(folder / POLICY).get("protected_services", "list")
    used.add(policy.value if policy is not None and isinstance(policy.value, str) else None)
    node = read_yaml(folder / LISTS)
    section = node.get("lists")
    for name, (line, column) in section.keys.items() if section is not None else ():
        if name not in used:
            sentence = f"no rule uses the list `{name}`: write {{list: {name}}} where it is meant, or take it out"
            yield Finding(file=node.file, line=line, column=column, code="CG033", sentence=sentence)
