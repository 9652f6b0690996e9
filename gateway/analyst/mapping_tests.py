"""The tests beside each mapping: the very readers that `receive` uses, on a message, resource or row written as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.analyst import row_cases, spoken
from gateway.analyst.mapping_cases import CaseFile, EventExpected, Expected, FeedGiven, MappingCase
from gateway.analyst.mapping_coverage import Tried
from gateway.mapping.feed import Feed
from gateway.mapping.fhir.reader import FhirReader
from gateway.mapping.hl7v2 import Hl7v2Reader
from gateway.mapping.pack import TEST_SUFFIX, Pack, load_pack
from gateway.mapping.tables.reader import TableReader
from gateway.model.errors import ConfigError
from gateway.model.event import Fault, Format, PatientEvent, RawMessage, Reading, Severity
from gateway.model.party import CLEARED
from gateway.model.when import Millis, Precision, When
from gateway.yamlfile import Node, load, validate_node

_RECEIVED: Millis = 1_772_463_600_000  # 2026-03-02T15:00Z: for messages that tell no time


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One test's outcome. `failures`: sentences, empty when it passed; `line` is where the test stands."""

    file: str
    line: int
    name: str
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything came as expected."""
        return not self.failures


def run(folders: Path | Sequence[Path], tried: list[Tried] | None = None) -> list[Finding]:
    """Run every `hl7v2/*.test.yaml`, `fhir/*.test.yaml` and `tables/*.test.yaml` of one or more mapping folders, a site's overlay after what it overrides.

    The tests of a folder see the mappings of that folder and of those before it. `tried` gets what the tests
    of each folder looked at, for `mapping_coverage.unread`. Raises ConfigError when mappings
    or tests cannot be read.
    """
    every = [folders] if isinstance(folders, Path) else list(folders)
    found: list[Finding] = []
    problems: list[str] = []
    for count, folder in enumerate(every, 1):
        pack = load_pack(every[:count])
        looked = Tried()
        if tried is not None:
            tried.append(looked)
        for path in case_files(folder):
            try:
                found.extend(run_file(pack, path, looked))
            except ConfigError as error:
                problems.extend(error.problems)
    if problems:
        raise ConfigError(*problems)
    return found


def case_files(folder: Path) -> list[Path]:
    """The mapping tests of a folder: of messages, then of resources, then of tables, each sorted by name."""
    return [path for kind in ("hl7v2", "fhir", "tables") for path in sorted((folder / kind).glob(f"*{TEST_SUFFIX}"))]


def run_file(pack: Pack, path: Path, tried: Tried | None = None) -> Iterator[Finding]:
    """Run the tests of one file. Raises ConfigError when it cannot be read."""
    node = load(path)
    cases = validate_node(CaseFile, node)
    usual = _Bench(pack, cases.feed, node.place)
    for number, case in enumerate(cases.tests):
        bench = usual if case.feed is None else _Bench(pack, case.feed, f"{path}:{_line(node, number)}:1")
        failures = tuple(_failures(bench, case, tried))
        yield Finding(file=str(path), line=_line(node, number), name=case.name, failures=failures)


class _Bench:
    """A feed and its readers. `place`: where it is told. Raises ConfigError for a mapping of tables that is not there."""

    def __init__(self, whole: Pack, given: FeedGiven, place: str) -> None:
        pack, feed = whole.of(given.source), given.feed()
        if wrong := pack.check_mappings({feed.name: (feed.mapping, place)}):
            raise ConfigError(*wrong)
        self.feed = feed
        self._messages = Hl7v2Reader(pack, feed)
        self._resources = FhirReader(pack, feed)
        self._rows = TableReader(pack, feed) if feed.mapping else None
        self._family = pack.rows.get(feed.mapping)

    def read(self, case: MappingCase) -> Reading:
        """What the reader makes of a test's input. Raises ValueError for a row that no source could tell."""
        if case.message is not None:
            return self._messages(self._raw(Format.HL7V2, body_of(case.message)))
        if case.resource is None:
            body = row_cases.body_of(self._family, case)
            assert self._rows is not None, "a row without a mapping has no body"
            return self._rows(self._raw(Format.TABLE, body))
        return self._resources(self._raw(Format.FHIR, case.resource.encode()))

    def _raw(self, format_: Format, body: bytes) -> RawMessage:
        return RawMessage(source=self.feed.name, format=format_, body=body, received=_RECEIVED)


def _line(node: Node, number: int) -> int:
    at = node.get("tests", number)
    return at.line if at is not None else node.line


def _failures(bench: _Bench, case: MappingCase, tried: Tried | None) -> Iterator[str]:
    told = (case.message, case.resource, case.row, case.gone)
    if sum(one is not None for one in told) != 1:
        yield "a test needs either a `message`, a `resource`, a `row`, or the key of one that is `gone`"
        return
    try:
        reading = bench.read(case)
    except ValueError as error:
        yield str(error)
        return
    if tried is not None:
        tried.add(case, reading)
    yield from _outcome(reading, case.expect)
    expected = case.expect.every_event
    if expected is not None and len(expected) != len(reading.events):
        yield f"expected {len(expected)} event(s), got {len(reading.events)}"
    for wanted, event in zip(expected or [], reading.events, strict=False):
        yield from _compared(wanted, event, bench.feed)


def body_of(text: str) -> bytes:
    """The bytes of a message written over several lines: one segment a line, blanks at line ends taken off."""
    return "".join(f"{line.strip()}\r" for line in text.splitlines() if line.strip()).encode()


def _outcome(reading: Reading, expected: Expected) -> Iterator[str]:
    refusal = next((fault for fault in reading.faults if fault.severity is Severity.ERROR), None)
    refused = None if refusal is None else f"{reading.ack} {_spoken(refusal)}"
    yield from _same("refused", expected.refused, refused)
    yield from _same("ignored", expected.ignored, reading.ignored)
    if expected.warnings is not None:
        warnings = [_spoken(fault) for fault in reading.faults if fault.severity is Severity.WARNING]
        yield from _same("warnings", expected.warnings, warnings)


def _spoken(fault: Fault) -> str:
    return f"{fault.code} {fault.place}" if fault.place else str(fault.code)


def _compared(wanted: EventExpected, event: PatientEvent, feed: Feed) -> Iterator[str]:
    simple: dict[str, Callable[[], object]] = {
        "event": lambda: event.kind,
        "key": lambda: event.occurrence and event.occurrence.key,
        "status": lambda: event.occurrence and event.occurrence.status,
        "facility": lambda: event.occurrence and event.occurrence.facility,
        "start": lambda: event.occurrence and spoken.value(event.occurrence.start),
        "end": lambda: event.occurrence and spoken.value(event.occurrence.end),
        "occurred": lambda: spoken.value(When(event.occurred, feed.zone, Precision.MINUTE)),
        "recorded": lambda: spoken.value(When(event.recorded, feed.zone, Precision.MINUTE)),
        "production": lambda: spoken.value(event.production),
        "telecom": lambda: list(_telecom(event)),
        "identifiers": lambda: [spoken.identifier(one) for one in event.identifiers],
        "merged_from": lambda: [spoken.identifier(one) for one in event.merged_from],
        "replaces": lambda: event.occurrence and event.occurrence.replaces,
        "parent": lambda: event.occurrence and event.occurrence.parent,
        "also": lambda: [] if event.occurrence is None else list(event.occurrence.also),
        "by_reference": lambda: spoken.value(event.by_reference),
        "representatives": lambda: [spoken.representative(one) for one in event.representatives],
        "consents": lambda: [spoken.consent(one) for one in event.consents],
        "flags": lambda: {reason: spoken.value(held) for reason, held in event.flags.items()},
        "visit_flags": lambda: {reason: spoken.value(held) for reason, held in event.visit_flags.items()},
    }
    for name, came in simple.items():
        expected = getattr(wanted, name)
        if expected is not None:
            yield from _same(name, expected, came() if came() is not None else "none")
    yield from _compared_facts(wanted, event)


def _compared_facts(wanted: EventExpected, event: PatientEvent) -> Iterator[str]:
    for fact, value in wanted.facts.items():
        yield from _same(fact, value, spoken.value(event.facts.get(fact)))
    for fact in wanted.absent:
        if fact in event.facts:
            yield f"{fact}: expected nothing, got {spoken.value(event.facts[fact])}"
    if wanted.cleared:
        yield from _same("cleared", sorted(wanted.cleared), sorted(event.cleared))
    for name, value in wanted.person.items():
        told = getattr(event.demographics, name, None)
        yield from _same(name, value, "cleared" if told is CLEARED else spoken.value(told))


def _same(name: str, expected: object, came: object) -> Iterator[str]:
    if expected != came and not (expected == "none" and came is None):
        yield f"{name}: expected {expected if expected is not None else 'nothing'}, got {came if came is not None else 'nothing'}"


def _telecom(event: PatientEvent) -> Iterator[str]:
    for field, points in event.demographics.telecom:
        if points is CLEARED:
            yield f"{field} cleared"
        elif isinstance(points, tuple):
            yield from (spoken.point(field, point) for point in points)
