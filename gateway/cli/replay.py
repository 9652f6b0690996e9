"""`caregate replay`: what a draft rule set would have done with the messages of the last days; nothing is sent or stored."""

from __future__ import annotations

import csv
import json as jsons
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from gateway.cli import site
from gateway.cli.terminal import emit, moment, plain, say, table
from gateway.model.errors import CommandError

if TYPE_CHECKING:
    from gateway.app.replay import Report
    from gateway.app.replay.asked import Tell
    from gateway.app.replay.report import Change
    from gateway.model.when import Millis

_FIELDS = ("what", "patient", "rule", "step", "before", "after", "channel_before", "channel_after", "reason")


def replay(
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="30d for the last thirty days, or an instant.")
    ] = "30d",
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="The same; default: now.")] = None,
    rules: Annotated[
        Path | None, typer.Option("--rules", metavar="DIR", help="The draft; default: the site's folder.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Every difference, as .csv or .jsonl.")
    ] = None,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Say who would gain, lose or move a message under a draft.

    Draft and active rules are both replayed over stored messages, by the code that receives and sends, in a database that is thrown away.
    Patients are shown as tokens. The digest at the end is what `caregate rules activate --report` takes.

    Examples: caregate replay · caregate replay --since 7d --rules draft --out changes.csv
    """
    from gateway.app.replay import Asked
    from gateway.app.replay import replay as replayed
    from gateway.ports import SystemClock

    if out is not None and out.suffix not in (".csv", ".jsonl"):
        raise CommandError("--out ends in .csv or .jsonl")
    settings = site.settings(config)
    now = SystemClock().now()
    asked = Asked(
        since=_when(since, now), until=now if until is None else _when(until, now), folder=rules or settings.rules
    )
    if asked.since >= asked.until:
        raise CommandError("--since must be before --until")
    with _progress() as tell:
        report = replayed(settings, asked, tell=tell)
    if out is not None:
        with _private(out) as file:
            _write(file, report, as_csv=out.suffix == ".csv")
    if json:
        told = {name: plain(getattr(report, name)) for name in report.__slots__ if name != "changes"}
        emit({**told, "examples": report.examples})
        return
    _show(report)


def _when(text: str, now: Millis) -> Millis:
    """An instant, from "30d" ago or ISO 8601 with an offset. Raises CommandError."""
    from gateway.model.when import to_millis
    from gateway.settings.values import duration

    try:
        return now - duration(text)
    except ValueError:
        pass
    try:
        return to_millis(datetime.fromisoformat(text))
    except ValueError:
        raise CommandError("a time is like 30d, 12h or 2026-03-02T16:00Z") from None


def _show(report: Report) -> None:
    from gateway.app.replay import NOTES

    say(f"{report.messages} messages from {moment(report.since)} to {moment(report.until)}")
    say(f"draft {report.draft[:12]} against {report.active[:12]}, which is in force")
    for what in ("gain", "lose", "move"):
        say(f"  {what}: {report.counts.get(what, 0)} messages")
    say(f"  left within the window: {report.sent['draft']} instead of {report.sent['active']}")
    say(f"  at most within one hour: {report.peak['draft']} instead of {report.peak['active']}")
    for name, count in report.held.items():
        say(f"  held by the draft: {count} ({name})")
    for name, count in report.by_rule.items():
        say(f"  {count}  {name}")
    if report.changes:
        table(("what", "patient", "rule", "step", "before", "after", "reason"), [_line(one) for one in report.examples])
    for name, count in report.unanswered.items():
        if count:
            say(f"not answered: {count} {name}")
    for note in NOTES:
        say(f"({note})")
    say(f"report {report.digest}")


def _line(one: Change) -> tuple[object, ...]:
    return (one.what, one.patient, one.rule, one.step, moment(one.before), moment(one.after), one.reason or "-")


def _private(path: Path) -> TextIO:
    """A file that only its owner can read, also where it was there before: who gets which message is about patients."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(handle, 0o600)
    return os.fdopen(handle, "w", encoding="utf-8", newline="")


def _write(file: TextIO, report: Report, *, as_csv: bool) -> None:
    rows: Iterator[list[object]] = ([getattr(one, name) for name in _FIELDS] for one in report.changes)
    if as_csv:
        writer = csv.writer(file)
        writer.writerow(_FIELDS)
        writer.writerows(rows)
        return
    file.writelines(jsons.dumps(dict(zip(_FIELDS, row, strict=True))) + "\n" for row in rows)


@contextmanager
def _progress() -> Iterator[Tell]:
    """How many messages were read, on a terminal; nothing anywhere else."""
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    with Progress(SpinnerColumn(), TextColumn("{task.completed} messages"), console=Console(stderr=True)) as bar:
        line = bar.add_task("replaying", total=None)
        yield lambda count: bar.update(line, completed=count)
