"""`caregate rules`: the rule language for editors and for readers, made from the code that reads the files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import activation
from gateway.cli.terminal import say

group = typer.Typer(no_args_is_help=True, help="The rules in force, putting others there; schemas, reference.")
for _command in activation.COMMANDS:
    group.command()(_command)


@group.command()
def schema(
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write one file for each schema there.")] = None,
) -> None:
    """JSON Schemas of rules, policy, lists, mappings and their tests, for completion and hover in an editor.

    Without --out: all of them as one JSON object by file name.

    Examples: caregate rules schema --out .schemas · caregate rules schema
    """
    from gateway.analyst.schemas import files as schema_files

    files = schema_files()
    if out is None:
        say("{" + ",\n".join(f'"{name}": {text.rstrip()}' for name, text in files.items()) + "}")
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8")
    say(f"wrote {len(files)} schemas to {out}; the two lines an editor needs are in rules/README.md")


@group.command()
def reference(
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there.")] = None,
) -> None:
    """Every key, fact and event on one page, in Markdown.

    Examples: caregate rules reference · caregate rules reference --out rules/REFERENCE.md
    """
    from gateway.analyst.reference import reference as page
    from gateway.mapping.pack import load_pack
    from gateway.packs import shipped

    text = page(load_pack((shipped("mappings"),)))
    if out is None:
        say(text.rstrip("\n"))
    else:
        out.write_text(text, encoding="utf-8")
