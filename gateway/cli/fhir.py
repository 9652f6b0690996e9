"""`caregate fhir`: what a FHIR server is asked to notify us of, and whether it does; export and show stand beside."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from gateway.cli import fhirexport, fhirshow, site
from gateway.cli.terminal import emit, moment, note, say, table
from gateway.model.errors import CommandError, ServerError

if TYPE_CHECKING:
    from gateway.ports import Subscribed, Subscriptions

group = typer.Typer(no_args_is_help=True, help="FHIR: show files; ask servers: export, subscribe, status.")
group.command("export")(fhirexport.export)
group.command("show")(fhirshow.show)
Source = Annotated[str, typer.Argument(metavar="SOURCE", help="As in caregate.yaml.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", help="Its subscriptions; none: all of them.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be asked; ask nothing.")]
T = TypeVar("T")
_ACTIVE = "active"
_SCOPE = "; it must let us have Subscription: `client.smart.scope` of the source, and what it grants"
_NONE = "; where it has no subscriptions at all, `poll` of the source asks it in rounds"
_REFUSED = "; it may not know the criteria, topic or filters: `subscribe` of the source"
_NEXT = {403: _SCOPE, 404: _NONE, 405: _NONE, 501: _NONE, 400: _REFUSED, 422: _REFUSED}  # by the status it answered
_COLUMNS = ("subscription", "status", "about", "content", "until", "missed since", "id")


@group.command()
def subscribe(
    source: Source,
    names: Names = None,
    dry_run: DryRun = False,
    wait: Annotated[
        int, typer.Option("--wait", metavar="SECONDS", help="For the server to make them active; 0: do not.")
    ] = 30,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Ask a source's server to notify it, as `subscribe` in caregate.yaml says.

    What the server has already is asked for anew: so a changed secret reaches it. The gateway must be running: some
    servers knock before they begin. Exit code 1 when one of them is not active in the end; the running gateway goes on
    looking after them.

    Examples: caregate fhir subscribe ehr --dry-run · caregate fhir subscribe ehr visits
    """
    from gateway.app.servers import subscriptions_of

    with site.opened(config) as gateway, subscriptions_of(gateway, source) as found:
        wanted = found.list(names or ())
        if not dry_run:
            subscribed = [one.name for one in wanted]
            _asked(lambda: [found.subscribe(one) for one in subscribed])
            wanted = _awaited(found, subscribed, wait)
    if dry_run:
        note("nothing was asked: --dry-run")
    _show(source, wanted, json=json)
    if not dry_run and any(one.status != _ACTIVE for one in wanted):
        raise typer.Exit(1)


@group.command()
def status(
    source: Annotated[
        str | None, typer.Argument(metavar="[SOURCE]", help="None: every source that subscribes.")
    ] = None,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Ask the servers how our subscriptions stand.

    "missed since": something may not have been told since then; it is searched for until the subscription is back.
    Exit code 1 when one is not active.

    Examples: caregate fhir status · caregate fhir status ehr --json
    """
    from gateway.app.servers import subscribing, subscriptions_of

    fine = True
    with site.opened(config) as gateway:
        for name in [source] if source else subscribing(gateway):
            with subscriptions_of(gateway, name) as found:
                lines = _looked(found, [one.name for one in found.list()])
            _show(name, lines, json=json)
            fine = fine and all(one.status == _ACTIVE for one in lines)
    if not fine:
        raise typer.Exit(1)


@group.command()
def unsubscribe(
    source: Source, names: Names = None, dry_run: DryRun = False, config: site.Config = None, json: site.Json = False
) -> None:
    """Take subscriptions back; the server is told, and nobody looks after them any more.

    Examples: caregate fhir unsubscribe ehr visits · caregate fhir unsubscribe ehr --dry-run
    """
    from gateway.app.servers import subscriptions_of

    with site.opened(config) as gateway, subscriptions_of(gateway, source) as found:
        for one in found.list(names or ()):
            there = bool(one.id) if dry_run else _asked(partial(found.unsubscribe, one.name))
            if json:
                emit({"source": source, "name": one.name, "subscribed": there, "taken_back": there and not dry_run})
                continue
            done = "would be taken back" if dry_run else "taken back"
            say(f"{source} {one.name}: {done if there else 'nobody subscribed'}")


def _awaited(found: Subscriptions, names: Sequence[str], wait: float) -> Sequence[Subscribed]:
    """How they stand once all are active, or none is waited for any longer (S-02)."""
    until = time.monotonic() + wait
    while True:
        lines = _looked(found, names)
        if time.monotonic() >= until or all(one.status != "requested" for one in lines):
            return lines
        time.sleep(1)


def _looked(found: Subscriptions, names: Sequence[str]) -> list[Subscribed]:
    return _asked(lambda: [found.look(name) for name in names])


def _asked(what: Callable[[], T]) -> T:
    """What the server says; what it does not is told in a sentence."""
    try:
        return what()
    except ServerError as error:
        raise CommandError(f"the server was asked in vain: {error}{_NEXT.get(error.status or 0, '')}") from None


def _show(source: str, lines: Sequence[Subscribed], *, json: bool) -> None:
    if json:
        for one in lines:
            emit({"source": source, **asdict(one)})
        return
    table(_COLUMNS, [_row(one) for one in lines])


def _row(one: Subscribed) -> tuple[object, ...]:
    return one.name, one.status, one.about, one.content, moment(one.end), moment(one.lost), one.id
