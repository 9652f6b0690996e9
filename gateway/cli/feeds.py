"""`caregate feeds`: which sources speak, which are held, and what would leave if they were not."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli import site
from gateway.cli.site import account
from gateway.cli.terminal import emit, moment, say, table

group = typer.Typer(no_args_is_help=True, help="Sources: list, would-send, release, hold.")
Name = Annotated[str, typer.Argument(metavar="SOURCE", help="As in caregate.yaml.")]


@group.command("list")
def list_(config: site.Config = None, json: site.Json = False) -> None:
    """List the sources: last message, held or running.

    Example: caregate feeds list
    """
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        lines = inspect.feeds(gateway)
    if json:
        for line in lines:
            emit(line)
        return
    rows = [(one.name, "held" if one.held else "running", moment(one.last_received), one.messages) for one in lines]
    table(("source", "state", "last message", "messages kept"), rows)


@group.command("would-send")
def would_send(source: Name, config: site.Config = None, json: site.Json = False) -> None:
    """Report what would leave: the shadow run before go-live.

    Example: caregate feeds would-send ehr
    """
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        lines = inspect.would_send(gateway, source)
    if json:
        for line in lines:
            emit(line)
        return
    rows = [(one.rule, one.step, one.count, moment(one.first_due), moment(one.last_due)) for one in lines]
    table(("rule", "step", "sends", "first due", "last due"), rows)


@group.command()
def release(source: Name, reason: site.Reason = None, config: site.Config = None) -> None:
    """Let a source's sends leave.

    What was held for it is judged again.

    Example: caregate feeds release ehr --reason 'go-live, change 4711'
    """
    why = site.reason(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        count = inspect.release_source(gateway, source, reason=why, account=account())
    say(f"source {source}: running, {count} requests will be judged again")


@group.command()
def hold(source: Name, reason: site.Reason = None, config: site.Config = None) -> None:
    """Let a source plan everything and release nothing.

    Example: caregate feeds hold ehr --reason 'wrong times since the upgrade'
    """
    why = site.reason(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        inspect.hold_source(gateway, source, reason=why, account=account())
    say(f"source {source}: held")
