"""`caregate status`: one screen that says whether all is well, who is needed, or what is broken; exit code 0, 1 or 2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import typer

from gateway.cli import site
from gateway.cli.feeds import feeds_table
from gateway.cli.terminal import emit, moment, plain, say, span, table
from gateway.model.alert import SAID, AlertKind

if TYPE_CHECKING:
    from gateway.app.standing import Standing
    from gateway.pipeline.inspect import StatusReport

_WORDS = {
    "stopped": "somebody stopped what leaves (caregate outbox list; caregate outbox resume)",
    "feeds-silent": "a feed is silent (caregate feeds list; where that is expected, caregate feeds excuse)",
    "quarantine": "messages that cannot be read wait in quarantine (caregate quarantine list)",
    "holds": "sends wait for a person (caregate worklist)",
    "fetches": "resources could not be read from their server (caregate fetches list)",
    "extracts": "what a table says of many people at once was not believed (caregate tables status)",
    "writebacks": "a server could not be told of messages (caregate writebacks list)",
    "revocations": "others could not be told of an opt-out (caregate consent revocations)",
    "agreements": "a channel's business-associate agreement is missing, over, or over within 30 days (caregate.yaml)",
    "campaigns": "a campaign waits for somebody (caregate campaign list)",
    "alerts": "alerts stand (the lines `alert` above)",
    "sends-overdue": "sends that are due are not decided: does a process with the role `work` run?",
    "audit-unsealed": "the audit log is not being sealed",
    "nobody-works": "no process with the role `work` has looked for a while",
    "database": "the database cannot be reached",
    "broker": "the broker cannot be reached",
}


def status(config: site.Config = None, json: site.Json = False) -> None:
    """Show how the gateway stands, on one screen.

    Feeds, what waits, what needs a person, what is broken.

    Exit code 0: all is well; 1: something needs a person; 2: something is broken.

    Example: caregate status
    """
    from gateway.app.standing import look

    found = look(site.settings(config))
    if json:
        _emit(found)
    else:
        _show(found)
    if found.broken:
        raise typer.Exit(2)
    if found.attention:
        raise typer.Exit(1)


def _emit(found: Standing) -> None:
    told = plain(found.report) if found.report is not None else {}
    assert isinstance(told, dict)
    words = {"attention": found.attention, "broken": found.broken}
    emit({"database": found.database, "broker": found.broker, **told, **words})


def _show(found: Standing) -> None:
    say(
        f"database {'reachable' if found.database else 'NOT reachable'}, broker {'reachable' if found.broker else 'NOT reachable'}"
    )
    if found.report is not None:
        _report(found.report)
    say()
    for word in found.broken:
        say(f"broken: {_WORDS[word]}")
    for word in found.attention:
        say(f"needs a person: {_WORDS[word]}")
    if not (found.broken or found.attention):
        say("all is well")


def _report(report: StatusReport) -> None:
    for line in _lines(report):
        say(line)
    say()
    if report.feeds:
        feeds_table(report.feeds)
        say()
    if report.outbox:
        rows = [(one.count, one.state, one.reason, moment(one.first_due)) for one in report.outbox]
        table(("sends", "state", "why they wait", "first due"), rows)
    for known in report.campaigns:
        say(f"campaign {known.rule} {known.said}" + (f", {known.sent} sent" if known.sent else ""))
    for one in report.alerts:
        where = f"alert {one.kind} {one.source} {one.host}".rstrip()
        say(f"{where}, since {moment(one.since)}: {SAID[AlertKind(one.kind)]}")


def _lines(report: StatusReport) -> Iterator[str]:
    def ago(at: int | None) -> str:
        return "never" if at is None else f"{span(report.at - at)} ago"

    yield f"quarantine {report.quarantine_open} open, holds {report.holds} for a person"
    overdue = "nothing overdue" if report.overdue_since is None else f"oldest due {ago(report.overdue_since)}"
    yield f"outbox {sum(one.count for one in report.outbox)} waiting, {overdue}"
    rest = (
        "everything"
        if report.unsealed_since is None
        else f"all but what came within {span(report.at - report.unsealed_since)}"
    )
    yield f"audit sealed {ago(report.sealed_until)}: {rest}"
    if report.silent:
        yield silence(report.silent)
    yield f"last look of a process that works: {ago(report.watched)}"


def silence(rules: Sequence[str]) -> str:
    """That rules send nothing for want of a channel, and what to do."""
    return f"nothing is sent by {', '.join(rules)}: no such channel is under `channels` in caregate.yaml"
