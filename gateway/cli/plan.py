"""`caregate plan`: sends for what is already known and still ahead, under the active rules; nothing is sent by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import site
from gateway.cli.terminal import emit, say
from gateway.model.errors import CommandError

if TYPE_CHECKING:
    from gateway.pipeline.forecast import Outlook
    from gateway.pipeline.inspect import OpenPlan


def plan(
    open_: Annotated[bool, typer.Option("--open", help="Every occurrence that is still ahead.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be planned.")] = False,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Plan for what is already known and still ahead.

    After `load --baseline`, a new rule, or a code added to its table.

    Raw messages within the replay window are read again for facts a new rule names; what cannot be judged is listed.

    Examples: caregate plan --open --dry-run · caregate plan --open
    """
    if not open_:
        raise CommandError("say --open: plan for every occurrence that is still ahead")
    from gateway.pipeline import inspect

    with site.opened(config, activates=not dry_run) as gateway:
        outcome = inspect.plan_open(gateway, dry_run=dry_run, account=site.account())
    if json:
        emit(outcome)
    else:
        _tell(outcome, dry_run=dry_run)


def _tell(outcome: OpenPlan, *, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    say(f"{outcome.occurrences} appointments, visits, results and orders looked at")
    for name, count in sorted(outcome.planned.items()):
        say(f"  {count} {would}planned: {name}")
    for name, count in sorted(outcome.withheld.items()):
        say(f"  {count} {would}withheld: {name}")
    for name, count in sorted(outcome.released.items()):
        say(f"  {count} {would}released: {name}")
    for name, count in sorted(outcome.withdrawn.items()):
        say(f"  {count} {would}withdrawn: {name}")
    for name, count in sorted(outcome.held.items()):
        say(f"  of these {count} {would}on hold: {name} (see `caregate holds list`)")
    for one in outcome.unjudged:
        say(f"  occurrence {one.occurrence} cannot be judged: nobody kept {', '.join(one.facts)}")
    if outcome.outlook is not None and outcome.planned:
        _outlook(outcome.outlook)


def _outlook(outlook: Outlook) -> None:
    """What the gates say of what is not on hold, each at its due time."""
    say("as things stand now, each at its due time:")
    say(f"  {outlook.sends} would be sent")
    for name, count in sorted(outlook.waits.items()):
        say(f"  {count} would wait: {name}")
    for name, count in sorted(outlook.refused.items()):
        say(f"  {count} would be refused: {name}")
