"""`caregate run`: the gateway itself, until it is told to stop; what is in hand is finished and acknowledged first."""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import USUAL, site
from gateway.cli.terminal import note
from gateway.model.errors import CommandError

if TYPE_CHECKING:
    from gateway.settings import Settings

ROLES = ("listen", "api", "work")


def roles_of(told: str | None) -> tuple[str, ...]:
    """The roles of "listen,work"; all without a word. Raises CommandError for one that does not exist."""
    names = [name.strip() for name in (told or "").split(",") if name.strip()]
    if unknown := [name for name in names if name not in ROLES]:
        raise CommandError(f"there is no role {unknown[0]}: roles are {', '.join(ROLES)}")
    return tuple(names) or ROLES


def run(
    config: site.Config = None,
    roles: Annotated[
        str | None,
        typer.Option("--roles", envvar="CAREGATE_ROLES", metavar="ROLE,…", help="listen, api, work; default: all."),
    ] = None,
    show: Annotated[
        bool, typer.Option("--print-config", help="Show the configuration, secrets hidden, and end.")
    ] = False,
) -> None:
    """Run the gateway: listen for feeds, serve HTTP, plan and send.

    SIGTERM ends it gracefully: what is in hand is finished and acknowledged, nothing new is begun.

    Examples: caregate run · caregate run --config lakeside/caregate.yaml --roles listen,work
    """
    if show:
        from gateway.settings import print_config

        print(print_config(site.settings(config, secrets=False)), end="")
        return
    wanted = roles_of(roles)
    gc.set_threshold(*USUAL)
    from gateway import telemetry
    from gateway.cli.status import silence
    from gateway.pipeline.inspect import silent

    telemetry.configure()
    with site.opened(config, activates=True) as gateway:
        _banner(gateway.settings)
        if rules := silent(gateway):
            note(silence(rules))
        gateway.run(wanted, ready=_ready)


def _banner(settings: Settings) -> None:
    """Nobody should wait for mail of a test system, or believe that production is one."""
    if settings.allowed_recipients is None:
        return
    from gateway import telemetry

    count = len(settings.allowed_recipients)
    whom = f"to {count} listed recipients only" if count else "to nobody: `allowed_recipients` is empty"
    telemetry.log().warning("gateway.test-system", count=count)
    note(f"test system ({settings.environment}): writes {whom}")


def _ready(opened: Mapping[str, Any]) -> None:
    """Say what listens where, for whoever started this by hand."""
    ports = {**opened["ports"], **({"api": opened["api"]} if opened["api"] else {})}
    places = ", ".join(f"{name} on port {port}" if port else name for name, port in ports.items())
    note(f"caregate (process {os.getpid()}) is ready{': ' if places else ''}{places}")
