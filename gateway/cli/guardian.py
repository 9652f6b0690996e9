"""`caregate representative`: who receives in a child's stead; names and addresses come from standard input."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gateway.cli import identifier, site
from gateway.cli.consent import day
from gateway.cli.site import account
from gateway.cli.terminal import listed, moment, say

group = typer.Typer(no_args_is_help=True, help="Who receives in a patient's stead: add, list, end.")
Patient = Annotated[str, typer.Option("--patient", metavar="-", help="The identifier comes from standard input.")]


@group.command()
def add(
    role: Annotated[str, typer.Option("--role", help="parent, guardian, agent, or as in HL7 table 0063.")],
    evidence: Annotated[str, typer.Option("--evidence", help="How we know: order, form. Nothing personal.")],
    topics: Annotated[str, typer.Option("--topics", help="As rules say them, comma-joined, or * for any.")] = "*",
    until: Annotated[str | None, typer.Option("--until", metavar="DATE", help="When it ends, like 2027-03-01.")] = None,
    patient: Patient = "-",
    config: site.Config = None,
) -> None:
    r"""Record who receives what is about a patient under the minimum age (45 CFR 164.502(g)).

    Standard input: the patient's identifier, their representative's name, then an e-mail address or number a line.

    Example: printf '%s\n' '12345^^^LAKESIDE^MR' 'Pat Doe' pat@example.org | caregate guardian add --role parent --evidence 'form 9'
    """
    identifier.stdin_only("--patient", patient)
    ends, who = day(until), identifier.read()
    name, *addresses = [line.strip() for line in sys.stdin if line.strip()] or [""]
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        made = inspect.representatives.add(
            gateway,
            who,
            name=name,
            addresses=addresses,
            role=role,
            topics=topics,
            valid_until=ends,
            evidence=evidence,
            account=account(),
        )
    say(f"recorded: representative {made}")


@group.command("list")
def list_(
    patient: Patient = "-", reason: site.Reason = None, config: site.Config = None, json: site.Json = False
) -> None:
    """Show who represents, or represented, a person; the look is audited.

    Example: echo '12345^^^LAKESIDE^MR' | caregate guardian list --reason 'asked at the desk'
    """
    identifier.stdin_only("--patient", patient)
    why, who = site.reason(reason), identifier.read()
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        lines = inspect.representatives.listed(gateway, who, reason=why, account=account())
    listed(
        lines,
        ("id", "role", "topics", "from", "until", "evidence", "by", "name"),
        lambda one: (
            one.id,
            one.role,
            one.topics,
            moment(one.valid_from),
            moment(one.valid_until),
            one.evidence,
            one.recorded_by,
            one.name,
        ),
        json=json,
        none="nobody represents this person",
    )


@group.command()
def end(
    representative: Annotated[int, typer.Argument(help="The id that `list` shows.")],
    reason: site.Reason = None,
    config: site.Config = None,
) -> None:
    """End a representation: from now on they receive nothing.

    Example: caregate guardian end 123 --reason 'custody changed, order of 2026-03-01'
    """
    why = site.reason(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        inspect.representatives.end(gateway, representative, reason=why, account=account())
    say(f"ended: representative {representative}")
