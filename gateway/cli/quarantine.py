"""`caregate quarantine`: what could not be read is listed, shown with a reason, read again, or discarded; never lost."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from gateway.cli import site
from gateway.cli.site import account
from gateway.cli.terminal import emit, moment, printable, say, table
from gateway.model.event import Result

group = typer.Typer(no_args_is_help=True, help="Messages that could not be read: list, show, replay, discard.")
Id = Annotated[int, typer.Argument(metavar="ID", help="The message, from `caregate quarantine list`.")]


@group.command("list")
def list_(
    state: Annotated[Literal["open", "resolved", "discarded"], typer.Option("--state", help="Which entries.")] = "open",
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """List what waits: place and rule broken, never a value.

    Example: caregate quarantine list
    """
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        lines = inspect.quarantine_list(gateway, state=state)
    if json:
        for line in lines:
            emit(line)
        return
    rows = [(one.message, moment(one.at), one.source, one.type, one.code, one.place, one.rule) for one in lines]
    table(("message", "when", "source", "type", "code", "place", "rule"), rows)


@group.command()
def show(message: Id, reason: site.Reason = None, raw: bool = False, config: site.Config = None) -> None:
    """Show a message's bytes; audited with --reason.

    One segment a line. Control characters are shown as such; --raw writes the bytes as they came (to a file, say).

    Example: caregate quarantine show 7301 --reason 'feed EHR-2 broken since the upgrade'
    """
    why = site.reason(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        body = inspect.quarantine_show(gateway, message, reason=why, account=account())
    if raw:
        sys.stdout.buffer.write(body)
        return
    text = body.decode("utf-8", "backslashreplace").replace("\r\n", "\n").replace("\r", "\n")
    print(printable(text.rstrip("\n")))


@group.command()
def replay(message: Id, config: site.Config = None, json: site.Json = False) -> None:
    """Read a message again; a good reading resolves it.

    After a mapping or a setting was mended. Exit code 1 when it still cannot be read.

    Example: caregate quarantine replay 7301
    """
    from gateway.pipeline import inspect

    with site.opened(config, activates=True) as gateway:
        outcome = inspect.quarantine_replay(gateway, message, account=account())
    if json:
        emit({"message": message, "outcome": outcome.result, "events": outcome.events, "reason": outcome.reason})
    else:
        say(f"message {message}: {outcome.result.value}  {', '.join(outcome.events) or outcome.reason or ''}".rstrip())
    if outcome.result not in (Result.ACCEPTED, Result.IGNORED):
        raise typer.Exit(1)


@group.command()
def discard(message: Id, reason: site.Reason = None, config: site.Config = None) -> None:
    """Decide that a message needs nothing more.

    Its bytes stay sealed until the replay window closes.

    Example: caregate quarantine discard 7301 --reason 'sent again by hand, see 7344'
    """
    why = site.reason(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        inspect.quarantine_discard(gateway, message, reason=why, account=account())
    say(f"message {message}: discarded")
