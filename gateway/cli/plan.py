"""`caregate plan`: sends for what is already known and still ahead, under the active rules; nothing is sent by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import site
from gateway.cli.terminal import emit, say
from gateway.model.errors import CommandError

if TYPE_CHECKING:
    from gateway.pipeline.inspect import OpenPlan


def plan(
    open_: Annotated[bool, typer.Option("--open", help="Every occurrence that is still ahead.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be planned.")] = False,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Plan for what is already known and still ahead.

    After `load --baseline`, or after a new rule.

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
    say(f"{outcome.occurrences} occurrences looked at")
    for name, count in sorted(outcome.planned.items()):
        say(f"  {count} {would}planned: {name}")
    for name, count in sorted(outcome.withheld.items()):
        say(f"  {count} {would}withheld: {name}")
    for occurrence, facts in outcome.unjudged:
        say(f"  occurrence {occurrence} cannot be judged: nobody kept {', '.join(facts)}")
