"""All commands under one name; only the one that is called is made, and it imports its work when it runs."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.main import get_command

from gateway import __version__

# Which module of this folder has it, and under which name there.
_COMMANDS = {
    "init": ("init", "init"),
    "run": ("run", "run"),
    "load": ("load", "load"),
    "plan": ("plan", "plan"),
    "status": ("status", "status"),
    "worklist": ("worklist", "worklist"),
    "trace": ("trace", "trace"),
    "explain": ("explain", "explain"),
    "phi": ("phi", "phi"),
    "replay": ("replay", "replay"),
    "breach": ("rights", "breach"),
    "migrate": ("upkeep", "migrate"),
    "backup": ("backup", "backup"),
    "restore": ("backup", "restore"),
    "lint": ("analyst", "lint"),
    "preview": ("preview", "preview"),
    "test": ("analyst", "run_tests"),
}
_GROUPS = {
    "quarantine": ("quarantine", "group"),
    "fetches": ("fetches", "group"),
    "tables": ("tables", "group"),
    "outbox": ("outbox", "group"),
    "replies": ("replies", "group"),
    "holds": ("holds", "group"),
    "patient": ("patient", "group"),
    "consent": ("consent", "group"),
    "guardian": ("guardian", "group"),
    "feeds": ("feeds", "group"),
    "campaign": ("campaign", "group"),
    "fhir": ("fhir", "group"),
    "hl7": ("hl7", "group"),
    "writebacks": ("writebacks", "group"),
    "sinks": ("sinks", "group"),
    "rules": ("rules", "group"),
    "mappings": ("mappings", "group"),
    "access": ("access", "group"),
    "audit": ("upkeep", "audit"),
    "keys": ("upkeep", "keys"),
}


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


def command(first: str | None = None) -> Any:  # the framework's own command type differs between its versions
    """The whole command line; or, where its first word names a command, that alone: making all takes a tenth of a second."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.callback()(_root)
    alone = first in _COMMANDS or first in _GROUPS
    for name, place in _COMMANDS.items():
        if name == first or not alone:
            app.command(name)(_found(*place))
    for name, place in _GROUPS.items():
        if name == first or not alone:
            app.add_typer(_found(*place), name=name)
    return get_command(app)


def _found(module: str, name: str) -> Any:
    return getattr(import_module(f"gateway.cli.{module}"), name)
