"""`caregate fetches`: what could not be read from a FHIR server is listed, asked for again, or dropped."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli import site
from gateway.cli.site import account
from gateway.cli.terminal import listed, moment, say

group = typer.Typer(no_args_is_help=True, help="What must be read from FHIR servers: list, again, drop.")
Source = Annotated[str, typer.Option("--source", metavar="NAME", help="The source, from `caregate fetches list`.")]


@group.command("list")
def list_(config: site.Config = None, json: site.Json = False) -> None:
    """List what servers refused, what was unreadable, and what waits.

    `open` is asked for again by itself, less and less often; the log line `fhir.fetch-later` says why it was not read.

    Example: caregate fetches list
    """
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        lines = inspect.fetches(gateway)
    listed(
        lines,
        ("source", "state", "resources", "since"),
        lambda one: (one.source, one.state, one.count, moment(one.since)),
        json=json,
        none="everything that was wanted was read",
    )


@group.command()
def again(source: Source, reason: site.Reason = None, config: site.Config = None) -> None:
    """Ask a server again for all that it refused or that was unreadable.

    Example: caregate fetches again --source ehr --reason 'the client has its scope now'
    """
    why = site.why(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        count = inspect.fetches_again(gateway, source, reason=why, account=account())
    say(f"{count} resources are asked for again")


@group.command()
def drop(source: Source, reason: site.Reason = None, config: site.Config = None) -> None:
    """Ask no more for what a server refused or that was unreadable.

    Example: caregate fetches drop --source ehr --reason 'the old server is gone'
    """
    why = site.why(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        count = inspect.fetches_drop(gateway, source, reason=why, account=account())
    say(f"{count} resources are asked for no more")
