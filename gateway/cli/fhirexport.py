"""`caregate fhir export`: a server is asked for all it has at once, by hand."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import site
from gateway.cli.terminal import emit, say
from gateway.model.errors import CommandError, ServerError

if TYPE_CHECKING:
    from gateway.ports import Exported, ExportPlan, ExportStep


def export(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The source whose server exports.")],
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="What changed at or after; else: since the last export."),
    ] = None,
    whole: Annotated[bool, typer.Option("--all", help="All there is, whatever was exported before.")] = False,
    baseline: Annotated[
        bool | None,
        typer.Option("--baseline/--no-baseline", help="Store state, plan nothing; default: for the first one only."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be asked for, and ask nothing.")] = False,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Have a server export what it has, and take it in; begun once, it goes on where it was interrupted.

    The first export sets a baseline and sends nothing; later ones ask for what changed. Exit code 1 when the server
    told of errors, or a resource was not taken.

    Examples: caregate fhir export ehr · caregate fhir export ehr --dry-run · caregate fhir export ehr --since 2026-03-02T00:00Z
    """
    from gateway.app.exporting import exporting

    if since is not None and whole:
        raise CommandError("--since and --all: choose one of the two")
    told = {"since": _instant(since), "whole": whole, "baseline": baseline}
    with (
        site.opened(config, activates=not dry_run) as gateway,
        _bar(wanted=not json) as step,
        exporting(gateway, source, step) as server,
    ):
        if dry_run:
            _plan(server.plan(**told), json=json)  # type: ignore[arg-type] # one dictionary for both
            return
        try:
            found = server.once(**told)  # type: ignore[arg-type]
        except ServerError as error:
            none = error.status in _NONE
            what = "it may have no bulk export: then `poll` of the source asks it in rounds" if none else _AGAIN
            raise CommandError(f"{error}; {what}") from None
    _show(found, json=json)
    if not _fine(found):
        raise typer.Exit(1)


_NONE = frozenset({404, 405, 501})
_AGAIN = "the same command goes on from here"


def _instant(text: str | None) -> str | None:
    """As FHIR writes it, with an offset (R4 datatypes.html#instant). Raises CommandError."""
    from datetime import UTC, datetime

    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise CommandError("--since is an instant with its offset, like 2026-03-02T16:00Z")
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fine(found: Exported) -> bool:
    errors = any(found.issues.get(one) for one in ("error", "fatal"))
    return not errors and not any(found.counts.get(one) for one in ("unread", "rejected", "quarantined"))


def _plan(plan: ExportPlan, *, json: bool) -> None:
    if json:
        emit({"plan": plan})
        return
    what = ", ".join(plan.types) or "every type"
    say(f"{'goes on with' if plan.under_way else 'would ask for'} {plan.path}: {what}, {_from(plan.since)}")
    say("stores state and plans nothing" if plan.baseline else "plans what rules say")


def _show(found: Exported, *, json: bool) -> None:
    if json:
        emit({"export": found})
        return
    say(f"{found.files} files as of {found.at}, {_from(found.since)}{', as a baseline' if found.baseline else ''}")
    for name, count in sorted(found.counts.items()):
        say(f"  {count} {name}")
    for name, count in sorted(found.issues.items()):
        say(f"  the server tells of {count} of severity {name}")
    if found.mismatches:
        say(f"  {found.mismatches} files have another number of lines than the server says")
    if not found.advanced:
        say("  the next export asks from where the last whole one ended")


def _from(since: str | None) -> str:
    return f"changed since {since}" if since else "all there is"


@contextmanager
def _bar(*, wanted: bool) -> Iterator[Callable[[ExportStep], None]]:
    """Told how far it is: on a terminal a progress bar, nothing anywhere else."""
    if not (wanted and sys.stderr.isatty()):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[lines]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        whole = bar.add_task("asking", total=None, lines="")

        def step(told: ExportStep) -> None:
            if told.stage != "reading":
                bar.update(whole, description=told.stage, total=100, completed=told.percent or 0)
                return
            within = min(1.0, told.lines / told.count) if told.count else 0.0
            name = f"file {told.files + 1} of {told.of}, {told.type or 'resources'}"
            bar.update(
                whole, description=name, total=told.of, completed=told.files + within, lines=f"{told.lines} lines"
            )

        yield step
