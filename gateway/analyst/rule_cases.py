"""What may be written in a *.test.yaml beside a rule: a patient, an event, facts, and what is expected to come of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gateway.model.consent import ANY, ChannelKind, Consent, Purpose
from gateway.model.errors import ConfigError
from gateway.model.event import EventKind
from gateway.model.facts import UNMAPPED, VOCABULARY, FactType, FactValue
from gateway.model.verdict import Reason
from gateway.model.when import Millis, Precision, When, to_millis, zone_of
from gateway.yamlfile import Node, load, validate_node

ABSENT = "absent"  # takes a fact away that `given` told
DEFAULT_ZONE = "America/New_York"


def _one(value: object) -> object:
    return [value] if isinstance(value, dict | str) else value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PatientGiven(_Strict):
    """The patient of a test; what is not told is an adult with one usable e-mail address."""

    age: Annotated[int, Field(ge=0, le=130)] | Literal["unknown"] = 44
    zone: str | None = None
    reachable: list[ChannelKind] = [ChannelKind.EMAIL]
    prefers: ChannelKind | None = None
    opted_out: list[ChannelKind] = []
    inpatient: bool = False
    deceased: bool = False
    merged: bool = False
    holds: list[Reason] = []


class Situation(_Strict):
    """The state of the world; `given` at the top of a file has the same keys as defaults for its tests."""

    event: EventKind | None = None
    now: str | None = None
    occurred: str | None = None
    zone: str | None = None
    production: bool | None = None
    facts: dict[str, str] = {}
    patient: PatientGiven | None = None
    consents: list[str] | None = None
    sent: list[str] | None = None


class SendExpected(_Strict):
    """One message: which step, when it leaves (local), by which channel."""

    step: str
    at: str
    by: ChannelKind


class NotExpected(_Strict):
    """A step (every one when not told) that does not leave, and why."""

    step: str | None = None
    because: Reason


class SilentExpected(_Strict):
    """Nothing is planned: the condition's fact that decided, or `when.event`."""

    because: str


class Expected(_Strict):
    """What should come of it; every step of the rule must be accounted for, unless the rule is `silent`."""

    sends: list[SendExpected] = []
    withheld: Annotated[list[NotExpected], BeforeValidator(_one)] = []
    held: Annotated[list[NotExpected], BeforeValidator(_one)] = []
    skipped: Annotated[list[str], BeforeValidator(_one)] = []
    silent: SilentExpected | None = None


class CaseEntry(Situation):
    """One test."""

    name: Annotated[str, Field(min_length=1)]
    expect: Expected


class CaseFile(_Strict):
    """One *.test.yaml."""

    given: Situation = Situation()
    tests: Annotated[list[CaseEntry], Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test with its defaults filled in and its facts typed. `zone` is the place's; times are Millis UTC."""

    file: str
    line: int
    name: str
    event: EventKind
    now: Millis
    occurred: Millis
    zone: str
    production: bool
    facts: Mapping[str, FactValue]
    patient: PatientGiven
    consents: tuple[Consent, ...]
    sent: tuple[Millis, ...]
    expect: Expected


def read_cases(path: Path) -> list[Case]:
    """Every test of one file. Raises ConfigError with all problems at their lines."""
    node = load(path)
    file = validate_node(CaseFile, node)
    problems: list[str] = []
    cases = [_case(node, file.given, entry, number, problems) for number, entry in enumerate(file.tests)]
    if problems:
        raise ConfigError(*problems)
    return [case for case in cases if case is not None]


def _case(root: Node, given: Situation, entry: CaseEntry, number: int, problems: list[str]) -> Case | None:
    line, column = root.at("tests", number)
    before = len(problems)
    read = _Reading(f"{root.file}:{line}:{column}", entry.zone or given.zone or DEFAULT_ZONE, problems)
    event = entry.event or given.event
    now = read.time("now", entry.now or given.now)
    if event is None:
        read.complain("`event` is missing")
    texts = {**given.facts, **entry.facts}
    facts = {name: value for name, text in texts.items() if (value := read.fact(name, text)) is not None}
    patient = entry.patient or given.patient or PatientGiven()
    told = entry.consents if entry.consents is not None else given.consents
    consents = tuple(read.consents(["permit * * *"] if told is None else told))
    sent = entry.sent if entry.sent is not None else given.sent or []
    occurred = entry.occurred or given.occurred
    occurred_at = now if occurred is None else read.time("occurred", occurred)
    sent_at = tuple(read.time("sent", text) for text in sent)
    production = entry.production if entry.production is not None else given.production
    if len(problems) > before or event is None:
        return None
    return Case(
        file=root.file,
        line=line,
        name=entry.name,
        event=event,
        now=now,
        occurred=occurred_at,
        zone=read.zone,
        production=production is not False,
        facts={"patient.inpatient": patient.inpatient, **_age(patient), **facts},
        patient=patient,
        consents=consents,
        sent=sent_at,
        expect=entry.expect,
    )


def _age(patient: PatientGiven) -> dict[str, FactValue]:
    return {} if patient.age == "unknown" else {"patient.age": patient.age}


class _Reading:
    """Types the texts of one test; what cannot be read becomes a problem at the test's place."""

    def __init__(self, place: str, zone: str, problems: list[str]) -> None:
        self._place, self._problems = place, problems
        self.zone = zone
        try:
            zone_of(zone)
        except ValueError:
            self.complain("`zone` is no time zone")
            self.zone = DEFAULT_ZONE

    def complain(self, sentence: str) -> None:
        self._problems.append(f"{self._place}: {sentence}")

    def time(self, key: str, text: str | None) -> Millis:
        """A local date and time as an instant; 0 after a complaint."""
        when = None if text is None else self._when(text)
        if when is None or not when.has_clock:
            self.complain(f"`{key}` must be a local date and time like 2026-03-15 09:30")
            return 0
        return when.utc

    def _when(self, text: str) -> When | None:
        try:
            day = datetime.fromisoformat(text)
        except ValueError:
            return None
        if day.tzinfo is not None:
            return None
        precision = Precision.MINUTE if ":" in text else Precision.DAY
        return When(to_millis(day.replace(tzinfo=zone_of(self.zone))), self.zone, precision)

    def fact(self, name: str, text: str) -> FactValue | None:
        """A fact's typed value; None when it is `absent`, or after a complaint."""
        fact = VOCABULARY.get(name)
        if fact is None:
            self.complain(f"unknown fact `{name[:60]}`")
            return None
        if text == ABSENT:
            return None
        value: FactValue | None = UNMAPPED if text == UNMAPPED else self._typed(fact.type, text)
        if value is None:
            self.complain(f"`{name}` does not have a {fact.type.value} value")
        return value

    def _typed(self, kind: FactType, text: str) -> FactValue | None:
        if kind is FactType.DATETIME:
            return self._when(text)
        if kind is FactType.YESNO:
            return {"yes": True, "no": False}.get(text)
        if kind is FactType.INTEGER:
            return int(text) if text.isascii() and text.isdigit() else None
        return _date(text) if kind is FactType.DATE else text

    def consents(self, texts: list[str]) -> Iterator[Consent]:
        """Ledger entries from "permit|deny PURPOSE CHANNEL TOPIC", in the order they were recorded."""
        for number, text in enumerate(texts):
            words = text.split()
            if len(words) != 4 or words[0] not in ("permit", "deny") or not _known(words[1], words[2]):
                self.complain("a consent is `permit` or `deny`, a purpose, a channel and a topic, or * for any")
                continue
            yield Consent(
                id=number,
                patient=1,
                address=None,
                purpose=words[1],
                channel=words[2],
                topic=words[3],
                permit=words[0] == "permit",
                valid_from=0,
                valid_until=None,
                evidence="test",
                recorded=number,
            )


def _known(purpose: str, channel: str) -> bool:
    return purpose in (ANY, *Purpose) and channel in (ANY, *ChannelKind)


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
