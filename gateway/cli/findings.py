"""How `caregate lint` and `caregate test --coverage` print: for people, for programs, for code hosts; never a colour code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.analyst.finding_formats import Shape, github, sarif
from gateway.cli.terminal import emit, printable, say
from gateway.model.errors import CommandError

if TYPE_CHECKING:
    from gateway.analyst.condition_coverage import Uncovered
    from gateway.analyst.findings import Finding
    from gateway.analyst.mapping_coverage import Unread

Format = Annotated[
    Shape | None, typer.Option("--format", help="text; json as --json; github or sarif: shown beside the line there.")
]
Coverage = Annotated[bool, typer.Option("--coverage", help="Name every condition and mapping line no test decided.")]
Required = Annotated[
    int | None,
    typer.Option(
        "--require-coverage", min=0, max=100, metavar="PERCENT", help="Exit code 1 when fewer of them are tested."
    ),
]


def shape(told: Shape | None, *, json: bool) -> Shape:
    """The format meant. CommandError when --json and --format say different things."""
    if json and told not in (None, Shape.JSON):
        raise CommandError("--json and --format contradict each other: leave one of them out")
    return Shape.JSON if json else told or Shape.TEXT


def show(findings: Sequence[Finding], how: Shape) -> None:
    """Every finding; a SARIF log also when there is none, because a host waits for the file."""
    if how is Shape.SARIF:
        emit(sarif(findings, Path.cwd()))
        return
    for finding in findings:
        if how is Shape.JSON:
            emit(finding)
        elif how is Shape.GITHUB:
            say(github(finding, Path.cwd()))
        else:
            say(str(finding))


def coverage(
    conditions: Sequence[Uncovered],
    mappings: Iterable[Unread],
    percent: float,
    read: float,
    *,
    listed: bool,
    required: int | None,
) -> bool:
    """Print what no test decided or read; whether more was required. `percent`, `read`: of a hundred."""
    short = required is not None and min(percent, read) < required
    if listed or short:
        for one in (*conditions, *mappings):
            say(printable(str(one)))
    asked = "" if required is None else f", {required} % required"
    say(f"mappings: {_down(read)} % of their lines read by a test{asked}")
    say(f"conditions: {_down(percent)} % tested{asked}")
    return short


def _down(percent: float) -> str:
    """One decimal, never rounded up to a hundred."""
    return f"{int(percent * 10) / 10:g}"
