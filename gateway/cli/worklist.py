"""`caregate worklist`: everything that waits for a person, oldest first, each with the command that settles it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import site
from gateway.cli.terminal import listed, span
from gateway.model.errors import CommandError

if TYPE_CHECKING:
    from gateway.pipeline.inspect import WorkItem


def worklist(
    kind: Annotated[
        list[str] | None, typer.Option("--kind", metavar="KIND", help="Only this kind; may be said several times.")
    ] = None,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """List everything that waits for a person, oldest first.

    Held sends, unknown outcomes, people who may be two, replies, unreadable messages, silent feeds, what was stopped:
    each with its age and the command that settles it. Ids and counts only: nobody is named.

    Examples: caregate worklist · caregate worklist --kind outcome-unknown --kind patient
    """
    from gateway.pipeline import inspect

    known = [one.value for one in inspect.WorkKind]
    for one in kind or ():
        if one not in known:
            raise CommandError(f"there is no kind `{one}`; there are {', '.join(known)}")
    with site.opened(config) as gateway:
        lines = inspect.worklist(gateway, kinds=kind or ())
    listed(lines, ("age", "kind", "how many", "what", "command"), _row, json=json, none="nothing waits for a person")


def _row(one: WorkItem) -> tuple[object, ...]:
    return span(one.age), one.kind, one.count, one.what, one.command
