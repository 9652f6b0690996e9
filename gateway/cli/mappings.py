"""`caregate mappings`: the mapping language for readers, made from the code that reads the files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.terminal import say

group = typer.Typer(no_args_is_help=True, help="The mappings: reference.")


@group.command()
def reference(
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there.")] = None,
) -> None:
    """Every key, computation and code table on one page, in Markdown.

    Examples: caregate mappings reference · caregate mappings reference --out mappings/REFERENCE.md
    """
    from gateway.analyst.mapping_reference import mapping_reference
    from gateway.mapping.pack import load_pack
    from gateway.packs import shipped

    text = mapping_reference(load_pack((shipped("mappings"),)))
    if out is None:
        say(text.rstrip("\n"))
    else:
        out.write_text(text, encoding="utf-8")
