"""`caregate trace`: the whole story of a message, a request or a person, every non-send with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import identifier, site
from gateway.cli.terminal import emit, moment, say, table
from gateway.model.errors import CommandError
from gateway.model.party import Identifier

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.pipeline.inspect import Line


def trace(
    message: Annotated[
        int | None,
        typer.Option("--message", metavar="ID", help="A message, by our number (not MSH-10), and what it planned."),
    ] = None,
    request: Annotated[
        int | None, typer.Option("--request", metavar="ID", help="A request, from what planned it.")
    ] = None,
    patient: Annotated[
        str | None, typer.Option("--patient", metavar="-", help="A person; the identifier comes from standard input.")
    ] = None,
    reason: site.Reason = None,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Tell the story of a message, a request or a person.

    A person is found by an identifier as in PID-3, read from standard input or a prompt; the look is audited. Of FHIR the
    identifier system stands for the authority, where `systems` names none, and the type may be empty: 7^^^urn:other^.

    Examples: caregate trace --message 7301 · echo '12345^^^LAKESIDE^MR' | caregate trace --patient - --reason 'complaint 88'
    """
    if sum(one is not None for one in (message, request, patient)) != 1:
        raise CommandError("say one of --message ID, --request ID and --patient -")
    who, why = None, ""
    if patient is not None:
        identifier.stdin_only("--patient", patient)
        why, who = site.reason(reason), identifier.read()
    with site.opened(config) as gateway:
        lines = _story(gateway, message, request, who, why)
    show(lines, json=json)


def _story(
    gateway: Gateway, message: int | None, request: int | None, who: Identifier | None, why: str
) -> Sequence[Line]:
    from gateway.pipeline import inspect

    if message is not None:
        return inspect.trace_message(gateway, message)
    if request is not None:
        return inspect.trace_request(gateway, request)
    assert who is not None
    return inspect.trace_patient(
        gateway, system=who.system, type=who.type, value=who.value, reason=why, account=site.account()
    )


def show(lines: Sequence[Line], *, json: bool) -> None:
    """Lines of a story, oldest first."""
    if json:
        for line in lines:
            emit(line)
    elif lines:
        table(("when", "who", "what"), [(moment(line.at), line.actor, line.words) for line in lines])
    else:
        say("nothing is known")
