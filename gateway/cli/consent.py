"""`caregate consent`: the ledger by hand; entries are added, never changed, and say how we know."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from json import loads as load_json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import identifier, site
from gateway.cli.site import account
from gateway.cli.terminal import emit, listed, moment, note, say
from gateway.model.consent import ConsentKind
from gateway.model.errors import CommandError
from gateway.model.when import Millis, to_millis

if TYPE_CHECKING:
    from gateway.pipeline.inspect import ConsentLine

group = typer.Typer(no_args_is_help=True, help="The consent ledger: add, list, import, revocations, told.")
Patient = Annotated[str, typer.Option("--patient", metavar="-", help="The identifier comes from standard input.")]
Purpose = Annotated[str, typer.Option("--purpose", help="TREAT, HPAYMT, HOPERAT, HMARKT, or * for any.")]
Channel = Annotated[str, typer.Option("--channel", help="email, sms, portal, or * for any.")]
Topic = Annotated[str, typer.Option("--topic", help="As rules say it, or * for any.")]


@group.command()
def add(
    permit: Annotated[bool, typer.Option("--permit/--deny", help="What the person decided.")],
    evidence: Annotated[
        str, typer.Option("--evidence", help="How we know: form, text version, call. Nothing personal.")
    ],
    patient: Patient = "-",
    purpose: Purpose = "*",
    channel: Channel = "*",
    topic: Topic = "*",
    until: Annotated[str | None, typer.Option("--until", metavar="DATE", help="When it ends, like 2027-03-01.")] = None,
    kind: Annotated[str, typer.Option("--kind", help=f"{', '.join(ConsentKind)}.")] = "messages",
    text_version: Annotated[
        str | None, typer.Option("--text-version", help="Of the words that were agreed to (warning, disclosure).")
    ] = None,
    language: Annotated[str | None, typer.Option("--language", help="Of these words, like es.")] = None,
    elements: Annotated[
        Path | None, typer.Option("--elements", metavar="FILE", help="Of an authorization: a JSON object.")
    ] = None,
    config: site.Config = None,
) -> None:
    """Record what a person decided.

    `--deny --channel email` alone is an opt-out, for all who share the address. No kind stands in for another: texts need
    `texts` too, marketing an `authorization`. `--deny --kind alternative --channel portal`: by the portal only.

    Example: echo '12345^^^LAKESIDE^MR' | caregate consent add --permit --purpose TREAT --channel email --evidence 'form 12-B'
    """
    identifier.stdin_only("--patient", patient)
    ends, told, who = day(until), _elements(elements), identifier.read()
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        entries = inspect.consent_add(
            gateway,
            who,
            permit=permit,
            purpose=purpose,
            channel=channel,
            topic=topic,
            valid_until=ends,
            evidence=evidence,
            account=account(),
            kind=_kind(kind),
            text_version=text_version,
            language=language,
            elements=told,
        )
    say(f"recorded: {', '.join(map(str, entries))}")


@group.command("list")
def list_(
    patient: Patient = "-", reason: site.Reason = None, config: site.Config = None, json: site.Json = False
) -> None:
    """Show every entry about a person; the look is audited.

    Example: echo '12345^^^LAKESIDE^MR' | caregate consent list --reason 'asked at the desk'
    """
    identifier.stdin_only("--patient", patient)
    why, who = site.reason(reason), identifier.read()
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        lines = inspect.consent_list(gateway, who, reason=why, account=account())
    columns = ("entry", "kind", "decision", "purpose", "channel", "topic", "from", "until", "text", "by", "evidence")
    listed(lines, columns, _row, json=json, none="the ledger has no entry about this person")


def _row(one: ConsentLine) -> tuple[object, ...]:
    since, until = moment(one.valid_from), moment(one.valid_until)
    text = " ".join(filter(None, (one.text_version, one.language)))
    scope = (one.purpose, one.channel, one.topic)
    return one.id, one.kind, one.decision, *scope, since, until, text, one.recorded_by or "", one.evidence


@group.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="UTF-8, with a heading line.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check.")] = False,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Record what many people decided, from a table.

    Refused lines are listed, the others recorded; what is there already is not recorded again. --dry-run looks
    everybody up (found, unknown, ambiguous) and records nothing. Exit code 1 when a line was refused.

    Columns: system, type, identifier, decision (permit or deny), purpose, channel, topic, from, until, evidence, kind,
    text_version, language, recorded_by, address; empty purpose, channel or topic means any, empty kind messages. `from` says
    since when a yes counts: it lifts no later no, and without it nothing that was refused.

    Example: caregate consent import --dry-run preferences.csv
    """
    from gateway.pipeline import inspect

    with file.open(encoding="utf-8-sig", newline="") as stream, site.opened(config) as gateway:
        rows = csv.DictReader(stream, strict=True)
        try:
            _headings(file, rows.fieldnames or (), inspect.COLUMNS)
            report = inspect.consent_import(gateway, rows, account=account(), dry_run=dry_run)
        except csv.Error:
            raise CommandError(f"{file}:{rows.line_num}: this is not CSV (a quote that is not closed?)") from None
        except UnicodeDecodeError:
            raise CommandError(f"{file}: is not UTF-8 text") from None
    if json:
        emit(report)
    else:
        for sentence in report.refused:
            note(f"{file}: {sentence}")
        added = f"{report.added} {'would be recorded' if dry_run else 'recorded'}"
        say(f"{added}, {report.already_there} already there, {len(report.refused)} refused")
        say(f"people: {', '.join(f'{count} {word}' for word, count in report.people.items()) or 'none'}")
    if report.refused:
        raise typer.Exit(1)


@group.command()
def revocations(config: site.Config = None, json: site.Json = False) -> None:
    """Show which opt-outs others were told of, and the legal clock.

    Exit code 1 when a person must see to one.

    Example: caregate consent revocations
    """
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        lines = inspect.revocations(gateway)
    listed(
        lines,
        ("number", "entry", "target", "state", "legal by", "tries", "acknowledged"),
        lambda one: (
            one.id,
            one.consent,
            one.target,
            one.state,
            moment(one.legal_by),
            one.tries,
            moment(one.acknowledged),
        ),
        json=json,
        none="no other system has been told of an opt-out",
    )
    if any(one.state == "failed" for one in lines):
        raise typer.Exit(1)


def _headings(file: Path, found: object, known: tuple[str, ...]) -> None:
    names = list(found) if isinstance(found, list | tuple) else []
    if unknown := [name for name in names if name not in known]:
        raise CommandError(f"{file}:1: there is no column `{unknown[0]}`; columns are {', '.join(known)}")
    if missing := [name for name in ("system", "identifier", "decision", "evidence") if name not in names]:
        raise CommandError(f"{file}:1: the column `{missing[0]}` is missing")


def _kind(text: str) -> ConsentKind:
    try:
        return ConsentKind(text)
    except ValueError:
        raise CommandError(f"--kind takes one of {', '.join(ConsentKind)}") from None


def _elements(file: Path | None) -> dict[str, str]:
    if file is None:
        return {}
    try:
        told = load_json(file.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        raise CommandError(f"{file}: is not a JSON object that can be read") from None
    if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
        raise CommandError(f"{file}: must be a JSON object of texts, one for each element of 45 CFR 164.508(c)")
    return told


def day(text: str | None) -> Millis | None:
    """The beginning of the day an option tells, UTC. Raises CommandError."""
    try:
        return to_millis(datetime.fromisoformat(text).replace(tzinfo=UTC)) if text else None
    except ValueError:
        raise CommandError("--until takes a date like 2027-03-01") from None


@group.command()
def told(
    revocation: Annotated[int, typer.Argument(metavar="NUMBER", help="From `caregate consent revocations`.")],
    reason: site.Reason = None,
    config: site.Config = None,
) -> None:
    """Say that others were told of an opt-out by hand; audited.

    Example: caregate consent told 7301 --reason 'called the agency, they took it off, ticket 88'
    """
    why = site.why(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        inspect.revocation_settle(gateway, revocation, reason=why, account=account())
    say(f"opt-out {revocation} is settled")
