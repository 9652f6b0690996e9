"""`caregate hl7`: a file an engineer has at hand, message by message: what is in it, what is taken, what deviates.

Nothing is stored, sent or logged, no database and no secret is needed. Values are shown on a terminal only, unless they
are asked for: what is written into a file or a pipe is kept, and so may what it says about people be.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gateway.cli import site
from gateway.cli.hl7bench import Bench, messages
from gateway.cli.hl7lines import Checking, Showing
from gateway.cli.terminal import note

group = typer.Typer(no_args_is_help=True, help="HL7 v2 files at hand: show, check.")

File = Annotated[str, typer.Argument(metavar="FILE", help="Messages, a batch, or MLLP frames; - is standard input.")]
Index = Annotated[int | None, typer.Option("--index", metavar="N", min=1, help="Only the N-th message.")]
Source = Annotated[str | None, typer.Option("--source", metavar="NAME", help="The source it is read as.")]


@group.command()
def show(
    file: File,
    index: Index = None,
    source: Source = None,
    segment: Annotated[
        list[str] | None, typer.Option("--segment", metavar="ID", help="Only this segment; may be repeated.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Components too, and long values whole.")] = False,
    values: Annotated[
        bool | None, typer.Option("--reveal/--mask", help="Show or hide values; default: only a terminal shows them.")
    ] = None,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Show messages field by field: name, value, what the mapping took.

    What nothing took is dropped when a message is received. Exit code 1 when a message cannot be read.

    Examples: caregate hl7 show day.hl7 --index 3 · caregate hl7 show day.hl7 --segment PID --mask
    """
    revealed = sys.stdout.isatty() if values is None else values
    if not revealed and values is None:
        note("caregate: values are hidden, because this is no terminal; --reveal shows them")
    wanted = frozenset(name.upper() for name in segment or ())
    with Bench(config, source) as bench:
        showing = Showing(bench, wanted, every=every, revealed=revealed, json=json)
        for number, body, problem in messages(file, index):
            showing.message(file, number, body, problem)
    if showing.unreadable:
        raise typer.Exit(1)


@group.command()
def check(
    file: File, index: Index = None, source: Source = None, config: site.Config = None, json: site.Json = False
) -> None:
    """Check messages against the standard, and say what matters here.

    hl7apy knows the standard's structures; the mappings in force say what is read. No value is shown. Exit code 1 when
    something matters, 2 when a message cannot be read.

    Examples: caregate hl7 check sample.hl7 · caregate hl7 check - --source ehr < sample.hl7
    """
    with Bench(config, source) as bench:
        checking = Checking(bench, json=json)
        for number, body, problem in messages(file, index):
            checking.message(file, number, body, problem)
        checking.summary()
    if checking.unreadable:
        raise typer.Exit(2)
    if checking.mattering:
        raise typer.Exit(1)
