"""`caregate writebacks`: what FHIR servers could not be told of messages is listed, told again, or dropped."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli import site
from gateway.cli.site import account
from gateway.cli.terminal import listed, moment, say

group = typer.Typer(no_args_is_help=True, help="What FHIR servers are told of messages: list, again, drop.")
Source = Annotated[str, typer.Option("--source", metavar="NAME", help="The source, from `caregate writebacks list`.")]


@group.command("list")
def list_(config: site.Config = None, json: site.Json = False) -> None:
    """List what servers refused, what they never took, and what waits for long.

    Example: caregate writebacks list
    """
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        lines = inspect.writebacks(gateway)
    listed(
        lines,
        ("source", "state", "messages", "since"),
        lambda one: (one.source, one.state, one.count, moment(one.since)),
        json=json,
        none="every server was told what it is to be told",
    )


@group.command()
def again(source: Source, reason: site.Reason = None, config: site.Config = None) -> None:
    """Tell a server again what it refused or never took.

    Example: caregate writebacks again --source ehr --reason 'the client may write Communication now'
    """
    why = site.why(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        count = inspect.writebacks_again(gateway, source, reason=why, account=account())
    say(f"{count} messages are told again")


@group.command()
def drop(source: Source, reason: site.Reason = None, config: site.Config = None) -> None:
    """Tell a server no more what it refused or never took.

    Example: caregate writebacks drop --source ehr --reason 'the old server is gone'
    """
    why = site.why(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        count = inspect.writebacks_drop(gateway, source, reason=why, account=account())
    say(f"{count} messages are told no more")
