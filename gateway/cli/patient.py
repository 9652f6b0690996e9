"""`caregate patient`: what only a person can put right about who somebody is; a merge is taken back, never guessed at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import rights, site
from gateway.cli.site import account
from gateway.cli.terminal import emit, moment, note, say, table

if TYPE_CHECKING:
    from gateway.pipeline.inspect import Unmerged

group = typer.Typer(no_args_is_help=True, help="Unmerge, export, accounting, erase.")
for _right in rights.COMMANDS:
    group.command()(_right)


@group.command()
def unmerge(
    merge: Annotated[
        int,
        typer.Argument(
            metavar="MERGE",
            help="As `caregate trace` shows it; or the patient merged away, or the message that merged.",
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would move.")] = False,
    reason: site.Why = None,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Take a merge back; both then wait for a person.

    What waited for the one who was merged away is theirs again. Nothing is written to either until somebody looked:
    `caregate holds release-patient PATIENT reversed --reason …`. Of several merges the last is undone first.

    Examples: caregate patient unmerge 7301 --dry-run --reason 'ticket 9' · caregate patient unmerge 7301 --reason 'ticket 9'
    """
    why = site.why(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        done = inspect.unmerge(gateway, merge, reason=why, account=account(), dry_run=dry_run)
    if json:
        emit(done)
    else:
        _tell(done, dry_run=dry_run)


def _tell(done: Unmerged, *, dry_run: bool) -> None:
    verb, whose = ("would be undone", "would be") if dry_run else ("undone", "are")
    say(f"merge {done.merge} {verb}: patient {done.loser} is a person of their own, no longer {done.survivor}")
    say(f"{len(done.returned)} waiting requests {whose} theirs again, {len(done.freed)} no longer told twice")
    if done.returned:
        rows = [(one.request, one.rule, one.step, moment(one.due)) for one in done.returned]
        table(("request", "rule", "step", "due"), rows)
    if not dry_run:
        for patient in (done.loser, done.survivor):
            note(f"nothing leaves until: caregate holds release-patient {patient} reversed --reason '…'")
