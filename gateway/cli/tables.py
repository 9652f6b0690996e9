"""`caregate tables`: how the tables of a site stand; one is read now; what a guard stopped goes on when a person says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import site
from gateway.cli.extracted import advice, disbelieved
from gateway.cli.site import account
from gateway.cli.terminal import emit, listed, moment, note, say

if TYPE_CHECKING:
    from gateway.pipeline.inspect import ExtractLine
    from gateway.ports import ExtractState

group = typer.Typer(no_args_is_help=True, help="Tables of rows: status, pull, believe, give-up.")
Source = Annotated[str, typer.Argument(metavar="SOURCE", help="The source, by its name in caregate.yaml.")]


@group.command()
def status(config: site.Config = None, json: site.Json = False) -> None:
    """Show of every table how its newest extract stands, and what its known rows came to.

    Counted are rows: `known` and `before` beforehand, ever and in the last whole table; `entered` new ones; `taken` as events;
    `unchanged`; `left`; `no-patient` about nobody known; `unreadable` in quarantine.

    Example: caregate tables status
    """
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        lines = inspect.tables_status(gateway)
    listed(
        lines,
        ("source", "extract", "began", "ended", "this time", "known rows", "why"),
        lambda one: (
            one.source,
            f"{one.state} {one.mode}{' baseline' if one.baseline else ''}",
            moment(one.started),
            moment(one.ended),
            _counts(one.counts),
            _counts(one.rows),
            one.why,
        ),
        json=json,
        none="no table was read yet",
    )
    for one in () if json else lines:
        for told in _advice(one):
            say(told)


@group.command()
def pull(
    source: Source,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what it would bring.")] = False,
    baseline: Annotated[
        bool | None,
        typer.Option("--baseline/--no-baseline", help="Plan nothing; or plan, though it is the first time."),
    ] = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="Read all of it, and take rows too that say nothing new: their mapping changed."),
    ] = False,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Read a table once, now, to its end; or go on with what was begun.

    The first time is the baseline: what is there is known, and nobody is written to for it. Whom a row is about must be
    known by then from another feed. Exit code 1 when a guard did not believe what it says; whether one address is told
    for too many only shows when rows are taken, not in a dry run.

    Examples: caregate tables pull cdp · caregate tables pull cdp --dry-run · caregate tables pull cdp --no-baseline ·
    caregate tables pull cdp --again --dry-run
    """
    from gateway.app.extracts import extracts_of
    from gateway.model.errors import GuardError

    def progress(state: ExtractState) -> None:
        if json:
            emit({"source": source, "extract": state.id, "counts": dict(state.counts)})
        else:
            note(f"{source}: {state.counts.get('rows', 0)} rows")

    with site.opened(config, activates=not dry_run) as gateway:
        try:
            with extracts_of(gateway, source, dry=dry_run, again=again) as reading:
                state = reading.pull(progress, baseline=baseline)
        except GuardError as error:
            note(disbelieved(source, error, dry_run=dry_run))
            raise typer.Exit(1) from None
    for told in advice(source, state.counts, baseline=state.baseline):
        note(told)
    if not json:
        would = "would come of it" if dry_run else "baseline" if state.baseline else "taken"
        say(f"{source}: {_counts(state.counts)} ({would})")


@group.command()
def believe(source: Source, reason: site.Why = None, config: site.Config = None) -> None:
    """Say that what a guard did not believe is right: the extract goes on at its next turn.

    Example: caregate tables believe cdp --reason 'the spring campaign has a new audience, see CDP-114'
    """
    why = site.why(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        guard = inspect.tables_believe(gateway, source, reason=why, account=account())
    say(f"{source} goes on, though {guard}")


@group.command("give-up")
def give_up(source: Source, reason: site.Why = None, config: site.Config = None) -> None:
    """End an extract unfinished; the next one begins where the last finished one ended.

    Example: caregate tables give-up cdp --reason 'the export was half loaded'
    """
    why = site.why(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        inspect.tables_give_up(gateway, source, reason=why, account=account())
    say(f"the extract of {source} was given up")
    say("a file it came from is put to `failed` by a gateway that runs; without one take it away, or it is read again")


def _advice(one: ExtractLine) -> Iterator[str]:
    """What reading all of a table again would be good for."""
    again = f"`caregate tables pull {one.source} --again` (--dry-run first)"
    if one.changed:
        yield f"{one.source}: its mapping, or what the rules ask of it, changed since its rows were taken: {again}"
    if one.nobodys:
        yield f"{one.source}: {one.nobodys} rows are about nobody we knew, and changes alone do not bring them again: {again}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
