"""Which site a command is about, and how it is opened: --config, CAREGATE_CONFIG, or caregate.yaml right here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.model.errors import CommandError

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.settings import Settings

NAME = "caregate.yaml"
Config = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help=f"The configuration; default: {NAME} right here.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why you read what is about a person; it is audited.")]
Why = Annotated[str | None, typer.Option("--reason", help="Why you decide this; it is audited.")]


def find(config: Path | None) -> Path | None:
    """The configuration file meant, or None when none was named and none lies here."""
    named = config or (Path(told) if (told := os.environ.get("CAREGATE_CONFIG")) else None)
    if named is not None:
        return named / NAME if named.is_dir() else named
    return Path(NAME) if Path(NAME).is_file() else None


def settings(config: Path | None, *, secrets: bool = True) -> Settings:
    """The site's settings; raises ConfigError, or CommandError when there is no site."""
    from gateway.settings import load

    path = find(config)
    if path is None:
        raise CommandError(f"there is no {NAME} here: make a site with `caregate init DIR`, or name one with --config")
    return load(path, secrets=secrets)


@contextmanager
def opened(config: Path | None, *, activates: bool = False) -> Iterator[Gateway]:
    """The assembled gateway of a site, closed afterwards whatever happens.

    `activates`: the command plans or sends, so the rule folder is put in force; one that looks leaves it alone.
    """
    from gateway import app

    gateway = app.assemble(settings(config), activates=activates)
    try:
        yield gateway
    finally:
        gateway.close()


def account() -> str:
    """The operating-system account, as the audit names it."""
    from gateway import app

    return app.account()


def reason(told: str | None) -> str:
    """The reason for reading about a person; raises CommandError when there is none."""
    if not told or not told.strip():
        raise CommandError("this shows what is about a person: say why with --reason, it is audited")
    return told.strip()


def why(told: str | None) -> str:
    """The reason for deciding something by hand; raises CommandError when there is none."""
    if not told or not told.strip():
        raise CommandError("this decides something by hand: say why with --reason, it is audited")
    return told.strip()
