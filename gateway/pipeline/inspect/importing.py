"""Consents of many people from a table: each line is answered for, and a table that is imported twice changes nothing twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.model.consent import ANY, ConsentKind
from gateway.model.errors import CommandError
from gateway.model.party import Identifier
from gateway.model.when import Millis, to_millis
from gateway.pipeline.inspect.consents import Ambiguous, record
from gateway.pipeline.inspect.decisions import Decision
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.trace import Unknown

COLUMNS = ("system", "type", "identifier", "decision", "purpose", "channel", "topic", "from", "until", "evidence",
           "kind", "text_version", "language", "recorded_by", "address")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportLine:
    """What became of a line: `outcome` recorded, already-there or refused; `person` found, unknown, ambiguous or not-asked."""

    line: int
    outcome: str
    person: str
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did, or in a dry run would do. `refused`: "line N: sentence"; `people`: lines by what was found."""

    added: int
    already_there: int
    refused: tuple[str, ...]
    people: Mapping[str, int]
    lines: tuple[ImportLine, ...]


def consent_import(
    gateway: Inspectable, lines: Iterable[Mapping[str, str]], *, account: str, dry_run: bool = False
) -> ImportReport:
    """Entries from rows with COLUMNS as keys; each is its own transaction, refused ones are listed with their line.

    `decision` is permit or deny; empty purpose, channel or topic means any; `from` and `until` are ISO dates. An
    entry that is there already, with the same evidence, is not recorded again: a second import must not undo what a
    person decided since. Empty `kind` is messages; an authorization has elements no table holds, and is added by itself.
    `recorded_by`: who took it down, where that was somebody else. A dry run looks everybody up and records nothing.
    """
    told = [_line(gateway, number, line, account, dry_run=dry_run) for number, line in enumerate(lines, start=2)]
    return ImportReport(
        added=sum(one.outcome == "recorded" for one in told),
        already_there=sum(one.outcome == "already-there" for one in told),
        refused=tuple(f"line {one.line}: {one.sentence}" for one in told if one.outcome == "refused"),
        people=dict(Counter(one.person for one in told)),
        lines=tuple(told),
    )


def _line(gateway: Inspectable, number: int, line: Mapping[str, str], account: str, *, dry_run: bool) -> ImportLine:
    person = "not-asked"
    try:
        identifier, decision = _parsed(line)
        person = "found"
        who = (line.get("recorded_by") or "").strip()
        made = record(
            gateway, identifier, decision, account=account, once=True, dry_run=dry_run, recorded_by=who or account
        )
    except CommandError as error:
        person = "unknown" if isinstance(error, Unknown) else "ambiguous" if isinstance(error, Ambiguous) else person
        return ImportLine(line=number, outcome="refused", person=person, sentence=str(error))
    return ImportLine(line=number, outcome="recorded" if made else "already-there", person=person)


def _parsed(line: Mapping[str, str]) -> tuple[Identifier, Decision]:
    told = {name: (line.get(name) or "").strip() for name in COLUMNS}
    decision = told["decision"].lower()
    if decision not in ("permit", "deny"):
        raise CommandError("column `decision` must be permit or deny")
    if not told["identifier"]:
        raise CommandError("column `identifier` is empty")
    return Identifier(system=told["system"], type=told["type"] or "MR", value=told["identifier"]), Decision(
        permit=decision == "permit",
        purpose=told["purpose"] or ANY,
        channel=told["channel"] or ANY,
        topic=told["topic"] or ANY,
        valid_from=_day("from", told["from"]),
        valid_until=_day("until", told["until"]),
        evidence=told["evidence"],
        kind=_kind(told["kind"]),
        text_version=told["text_version"] or None,
        language=told["language"] or None,
        address=told["address"] or None,
    )


def _kind(text: str) -> ConsentKind:
    try:
        return ConsentKind(text or ConsentKind.MESSAGES)
    except ValueError:
        raise CommandError(f"column `kind` must be one of {', '.join(ConsentKind)}") from None


def _day(name: str, text: str) -> Millis | None:
    try:
        return to_millis(datetime.fromisoformat(text).replace(tzinfo=UTC)) if text else None
    except ValueError:
        raise CommandError(f"column `{name}` must be a date such as 2026-03-01") from None
