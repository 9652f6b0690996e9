"""The tests beside a rule as data: facts typed, times as instants, defaults filled in, or every problem at its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from gateway.analyst.case_schema import CaseEntry, CaseFile, Expected, LaterEntry, PatientGiven, Situation
from gateway.model.consent import ANY, ChannelKind, Consent, ConsentKind, Purpose
from gateway.model.errors import ConfigError
from gateway.model.event import EventKind
from gateway.model.facts import UNMAPPED, VOCABULARY, FactType, FactValue
from gateway.model.when import Millis, Precision, When, to_millis, zone_of
from gateway.ruleset.conditions import MOST_DIGITS, like
from gateway.yamlfile import Node, load, validate_node

ABSENT = "absent"  # takes a fact away that `given` told
DEFAULT_ZONE = "America/New_York"
_TAKES: Mapping[FactType, str] = {
    FactType.CODE: "a code",
    FactType.INTEGER: "a whole number",
    FactType.DATE: "a date like 2026-03-15",
    FactType.DATETIME: "a local date and time like 2026-03-15 09:30, or a date alone",
    FactType.TEXT: "text",
    FactType.YESNO: "yes or no",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """What happened to something else of the same patient's. `at` is Millis UTC."""

    event: EventKind
    at: Millis
    facts: Mapping[str, FactValue]


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
    sent: tuple[tuple[Millis, ChannelKind | None], ...]
    then: tuple[Later, ...]
    expect: Expected


def read_cases(path: Path) -> list[Case]:
    """Every test of one file. Raises ConfigError with all problems at their lines."""
    return cases_of(load(path))


def cases_of(node: Node) -> list[Case]:
    """Every test of a file that was read. Raises ConfigError with all problems at their lines."""
    file = validate_node(CaseFile, node)
    problems: list[str] = []
    cases = [_case(node, file.given, entry, number, problems) for number, entry in enumerate(file.tests)]
    if problems:
        raise ConfigError(*problems)
    return [case for case in cases if case is not None]


def _case(root: Node, given: Situation, entry: CaseEntry, number: int, problems: list[str]) -> Case | None:
    before = len(problems)
    read = _Reading(root, number, entry.zone or given.zone or DEFAULT_ZONE, problems)
    event = entry.event or given.event
    now = read.time("now", entry.now or given.now)
    if event is None:
        read.complain("`event` is missing: tell it here, or under `given`")
    texts = {**given.facts, **entry.facts}
    facts = read.facts(texts, "facts")
    patient = entry.patient or given.patient or PatientGiven()
    told = entry.consents if entry.consents is not None else given.consents
    consents = tuple(read.consents(["permit * * *"] if told is None else told))
    sent = entry.sent if entry.sent is not None else given.sent or []
    occurred = entry.occurred or given.occurred
    occurred_at = now if occurred is None else read.time("occurred", occurred)
    sent_at = tuple(read.sent(text, position) for position, text in enumerate(sent))
    then = tuple(_later(read, patient, one, position) for position, one in enumerate(entry.then))
    production = entry.production if entry.production is not None else given.production
    if len(problems) > before or event is None:
        return None
    return Case(
        file=root.file,
        line=root.at("tests", number)[0],
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
        then=then,
        expect=entry.expect,
    )


def _later(read: _Reading, patient: PatientGiven, entry: LaterEntry, position: int) -> Later:
    facts = {**_age(patient), **read.facts(entry.facts, "then", position, "facts")}
    return Later(event=entry.event, at=read.time("then.at", entry.at, "then", position, "at"), facts=facts)


def _age(patient: PatientGiven) -> dict[str, FactValue]:
    return {} if patient.age == "unknown" else {"patient.age": patient.age}


class _Reading:
    """Types the texts of one test; what cannot be read becomes a problem where it stands, in the test or in `given`."""

    def __init__(self, root: Node, number: int, zone: str, problems: list[str]) -> None:
        self._root, self._number, self._problems = root, number, problems
        self.zone = zone
        try:
            zone_of(zone)
        except ValueError:
            self.complain("`zone` is no time zone: tell one like America/Chicago", "zone")
            self.zone = DEFAULT_ZONE

    def complain(self, sentence: str, *path: str | int) -> None:
        """Add a problem at the value under `path`, of the test or else of `given`; at the test when neither has it."""
        mine = self._root.get("tests", self._number) or self._root
        found = mine.get(*path) or self._root.get("given", *path) or mine
        self._say(found.place, sentence)

    def complain_key(self, sentence: str, *path: str | int) -> None:
        """Add a problem at the key that `path` ends with, wherever it is written."""
        for base in (("tests", self._number), ("given",)):
            above = self._root.get(*base, *path[:-1])
            if above is not None and path[-1] in above.keys:
                self._say(above.key_place(str(path[-1])), sentence)

    def _say(self, place: str, sentence: str) -> None:
        said = f"{place}: {sentence}"
        if said not in self._problems:  # what `given` says wrong is said once, not for every test
            self._problems.append(said)

    def time(self, key: str, text: str | None, *path: str | int) -> Millis:
        """A local date and time as an instant; 0 after a complaint."""
        when = None if text is None else self._when(text)
        if when is None or not when.has_clock:
            self.complain(f"`{key}` must be a local date and time like 2026-03-15 09:30", *(path or (key,)))
            return 0
        return when.utc

    def sent(self, text: str, position: int) -> tuple[Millis, ChannelKind | None]:
        """When an earlier message left, and by which channel if that was told."""
        time, _, word = text.rpartition(" ")
        channel = ChannelKind(word) if word in tuple(ChannelKind) else None
        return self.time("sent", text if channel is None else time, "sent", position), channel

    def facts(self, texts: Mapping[str, str], *path: str | int) -> dict[str, FactValue]:
        """Typed values of what was told under `path`; what is `absent` is left out."""
        return {name: value for name, text in texts.items() if (value := self.fact(name, text, *path)) is not None}

    def _when(self, text: str) -> When | None:
        try:
            day = datetime.fromisoformat(text)
        except ValueError:
            return None
        if day.tzinfo is not None:
            return None
        precision = Precision.MINUTE if ":" in text else Precision.DAY
        return When(to_millis(day.replace(tzinfo=zone_of(self.zone))), self.zone, precision)

    def fact(self, name: str, text: str, *path: str | int) -> FactValue | None:
        """A fact's typed value; None when it is `absent`, or after a complaint."""
        fact = VOCABULARY.get(name)
        if fact is None:
            self.complain_key(f"unknown fact `{name[:60]}`{like(name, VOCABULARY)}", *path, name)
            return None
        if text == ABSENT:
            return None
        value: FactValue | None = UNMAPPED if text == UNMAPPED else self._typed(fact.type, text)
        if value is None:
            self.complain(f"`{name}` takes {_TAKES[fact.type]}", *path, name)
        return value

    def _typed(self, kind: FactType, text: str) -> FactValue | None:
        if kind is FactType.DATETIME:
            return self._when(text)
        if kind is FactType.YESNO:
            return {"yes": True, "no": False}.get(text)
        if kind is FactType.INTEGER:
            return int(text) if text.isascii() and text.isdigit() and len(text) < MOST_DIGITS else None
        return _date(text) if kind is FactType.DATE else text

    def consents(self, texts: list[str]) -> Iterator[Consent]:
        """Ledger entries from "permit|deny PURPOSE CHANNEL TOPIC [KIND]", in the order they were recorded."""
        for number, text in enumerate(texts):
            words = text.split()
            if len(words) not in (4, 5) or words[0] not in ("permit", "deny") or not _known(words[1], words[2]):
                sentence = "a consent is `permit` or `deny`, a purpose, a channel and a topic, or * for any"
                self.complain(sentence, "consents", number)
                continue
            if words[4:] and words[4] not in list(ConsentKind):
                self.complain(f"a consent is of one of these kinds: {', '.join(ConsentKind)}", "consents", number)
                continue
            permit = words[0] == "permit"
            for kind, address in _kinds(words[4:], permit=permit):
                yield Consent(
                    id=number,
                    patient=1,
                    address=address,
                    purpose=words[1],
                    channel=words[2],
                    topic=words[3],
                    permit=permit,
                    valid_from=0,
                    valid_until=None,
                    evidence="test",
                    recorded=number,
                    kind=kind,
                    remuneration=True,
                )


def _kinds(told: Sequence[str], *, permit: bool) -> Iterator[tuple[ConsentKind, int | None]]:
    """The kind told; else of a yes every kind that can be needed, and of a no that to messages, which denies them all.

    A yes to texts is one to the number there is, as the ledger records it.
    """
    everything = (ConsentKind.MESSAGES, ConsentKind.TEXTS, ConsentKind.AUTHORIZATION)
    for kind in [ConsentKind(one) for one in told] or (everything if permit else everything[:1]):
        yield kind, None
        if permit and kind is ConsentKind.TEXTS:
            yield kind, 1


def _known(purpose: str, channel: str) -> bool:
    return purpose in (ANY, *Purpose) and channel in (ANY, *ChannelKind)


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
