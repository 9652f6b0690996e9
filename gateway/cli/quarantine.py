"""`caregate quarantine`: what could not be read is listed, shown with a reason, read again, or discarded; never lost."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from gateway.cli import site
from gateway.cli.site import account
from gateway.cli.terminal import emit, fields_of, moment, note, printable, say, table
from gateway.model.event import Result

group = typer.Typer(no_args_is_help=True, help="Messages that could not be read: list, show, replay, discard.")
Id = Annotated[int, typer.Argument(metavar="ID", help="The message, from `caregate quarantine list`.")]


@group.command("list")
def list_(
    state: Annotated[Literal["open", "resolved", "discarded"], typer.Option("--state", help="Which entries.")] = "open",
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """List what waits: place and rule broken, never a value.

    The error is that of HL7 table 0357, the place names its field by the standard (v2.5.1). Control ids are shown with
    the message: `caregate quarantine show`.

    Example: caregate quarantine list
    """
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        lines = inspect.quarantine_list(gateway, state=state)
    fields = _fields({one.place for one in lines})
    if json:
        for line in lines:
            emit({**fields_of(line), "field": fields[line.place]})
        return
    rows = [
        (
            one.message,
            moment(one.at),
            one.source,
            one.type,
            f"{one.code} {one.means}".rstrip(),
            fields[one.place],
            one.rule,
        )
        for one in lines
    ]
    table(("message", "when", "source", "type", "error", "place", "rule broken"), rows)
    if not rows:
        note(f"no message is {state}")


def _fields(places: set[str]) -> dict[str, str]:
    """Places (ERL: segment^sequence^field…) as people write them, with the standard's name: "PID-3 Patient identifier list"."""
    from gateway.analyst.hl7v2.asking import Child, NoAnswer
    from gateway.analyst.hl7v2.standard import Standard

    told = {place: (*place.split("^"), "", "")[:3] for place in places}
    found = {place: f"{segment}-{field}" if field else segment for place, (segment, _, field) in told.items()}
    if not any(field for _, _, field in told.values()):
        return found
    with Child() as child:
        try:
            standard = Standard(child).catalogue("2.5.1")
        except NoAnswer:  # names are a comfort
            return found
    for place, (segment, _, field) in told.items():
        part = standard.field(segment, int(field)) if field.isdigit() else None
        found[place] += f" {part.name}" if part else ""
    return found


@group.command()
def show(message: Id, reason: site.Reason = None, raw: bool = False, config: site.Config = None) -> None:
    """Show a message's bytes; audited with --reason.

    One segment a line. Control characters are shown as such; --raw writes the bytes as they came (to a file, say).

    Example: caregate quarantine show 7301 --reason 'feed EHR-2 broken since the upgrade'
    """
    why = site.reason(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        body = inspect.quarantine_show(gateway, message, reason=why, account=account())
    if raw:
        sys.stdout.buffer.write(body)
        return
    text = body.decode("utf-8", "backslashreplace").replace("\r\n", "\n").replace("\r", "\n")
    note(f"message {message}{_header(body)}")
    print(printable(text.rstrip("\n")))


def _header(body: bytes) -> str:
    """Type and control id as MSH-9 and MSH-10 tell them, where there is an MSH that can be read."""
    from gateway.er7.header import read_header
    from gateway.model.errors import Unreadable

    try:
        header = read_header(body)
    except Unreadable:
        return ": no MSH that can be read"
    return f": {header.message_code}^{header.trigger}, control id {header.control_id or '(none)'}"


@group.command()
def replay(message: Id, config: site.Config = None, json: site.Json = False) -> None:
    """Read a message again; a good reading resolves it.

    After a mapping or a setting was mended. Exit code 1 when it still cannot be read.

    Example: caregate quarantine replay 7301
    """
    from gateway.pipeline import inspect

    with site.opened(config, activates=True) as gateway:
        outcome = inspect.quarantine_replay(gateway, message, account=account())
    if json:
        emit({"message": message, "outcome": outcome.result, "events": outcome.events, "reason": outcome.reason})
    else:
        say(f"message {message}: {outcome.result.value}  {', '.join(outcome.events) or outcome.reason or ''}".rstrip())
    if outcome.result not in (Result.ACCEPTED, Result.IGNORED):
        raise typer.Exit(1)


@group.command()
def discard(message: Id, reason: site.Why = None, config: site.Config = None) -> None:
    """Decide that a message needs nothing more.

    Its bytes stay sealed until the replay window closes.

    Example: caregate quarantine discard 7301 --reason 'sent again by hand, see 7344'
    """
    why = site.why(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        inspect.quarantine_discard(gateway, message, reason=why, account=account())
    say(f"message {message}: discarded")
