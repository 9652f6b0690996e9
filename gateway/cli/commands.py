"""All commands under one name; importing this must stay cheap, so every command imports its work when it is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.main import get_command

from gateway import __version__
from gateway.cli import (
    analyst,
    consent,
    feeds,
    hl7,
    holds,
    init,
    load,
    patient,
    plan,
    quarantine,
    run,
    status,
    trace,
    upkeep,
)


def _version(asked: bool) -> None:
    if asked:
        print(f"caregate {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """The gateway beside EHR and CDP that makes patient messages safe: consented, personalised, audited.

    Begin with `caregate init DIR`. Errors are one sentence and exit code 2.
    """


def command() -> Any:  # the framework's own command type differs between its versions
    """The whole command line."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.callback()(_root)
    commands: dict[str, Callable[..., None]] = {
        "init": init.init,
        "run": run.run,
        "load": load.load,
        "plan": plan.plan,
        "status": status.status,
        "trace": trace.trace,
        "migrate": upkeep.migrate,
        "lint": analyst.lint,
        "test": analyst.run_tests,
    }
    for name, function in commands.items():
        app.command(name)(function)
    groups = {
        "quarantine": quarantine.group,
        "holds": holds.group,
        "patient": patient.group,
        "consent": consent.group,
        "feeds": feeds.group,
        "hl7": hl7.group,
        "audit": upkeep.audit,
        "keys": upkeep.keys,
    }
    for name, group in groups.items():
        app.add_typer(group, name=name)
    return get_command(app)
