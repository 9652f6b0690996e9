"""`caregate init`: a new site folder, never over an old one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import newsite
from gateway.cli.terminal import say


def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is absent or empty.")]) -> None:
    """Make a site folder: configuration, keys, rules to edit.

    Example: caregate init lakeside
    """
    from gateway.app.upkeep import create_keys

    newsite.write(folder, create_keys)
    say(f"made {folder}: caregate.yaml, caregate.keys (back it up, apart from the database), rules/, mappings/")
    say("next:")
    say(f"  cd {folder}")
    say("  edit caregate.yaml         who you are, where the feed comes in, where mail goes out")
    say("  caregate lint              checks configuration, rules and mappings")
    say("  caregate load FILE         reads files of HL7 v2 or FHIR through the very same way a feed takes")
    say("  caregate run               listens, plans, sends")
