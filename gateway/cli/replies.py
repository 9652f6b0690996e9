"""`caregate replies`: what people wrote back and somebody must see to; read one by one with a reason, decided once."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from gateway.cli import site
from gateway.cli.site import account
from gateway.cli.terminal import emit, listed, moment, printable, say

group = typer.Typer(no_args_is_help=True, help="What people wrote back: list, read, decide.")
Id = Annotated[int, typer.Argument(metavar="REPLY", help="The reply, from `caregate worklist`.")]
Decision = Literal["done", "stop", "confirm", "cancel-visit", "reschedule"]


@group.command("list")
def list_(config: site.Config = None, json: site.Json = False) -> None:
    """List the replies that wait, oldest first; without their words.

    Example: caregate replies list
    """
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        lines = inspect.replies_open(gateway, limit=1000)
    listed(
        lines,
        ("reply", "received", "channel", "taken for", "request", "patient"),
        lambda one: (one.id, moment(one.received), one.channel, one.meaning, one.request or "", one.patient or ""),
        json=json,
        none="no reply waits",
    )


@group.command()
def read(reply: Id, reason: site.Reason = None, config: site.Config = None, json: site.Json = False) -> None:
    """Show the words of one, whose number they came from, and the visits they may be about; audited with --reason.

    Example: caregate replies read 7301 --reason 'worklist of the day'
    """
    why = site.reason(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        found = inspect.reply_read(gateway, reply, reason=why, account=account())
    if json:
        emit(found)
        return
    say(f"reply {reply}, {moment(found.line.received)}, by {found.line.channel}, taken for {found.line.meaning}")
    say(f"from {found.sender or 'forgotten'}")
    say(printable(found.text) if found.text is not None else "the words were forgotten: their retention is over")
    for request, start in found.visits:
        say(f"it may be about the visit of {moment(start)} (request {request})")


@group.command()
def decide(
    reply: Id,
    decision: Annotated[Decision, typer.Argument(metavar="DECISION", help="What it means.")],
    about: Annotated[
        int | None, typer.Option("--about", metavar="REQUEST", help="Which visit, where `read` shows several.")
    ] = None,
    reason: site.Reason = None,
    config: site.Config = None,
) -> None:
    """Say what a reply means, once: done, stop, confirm, cancel-visit or reschedule.

    `done`: seen to by hand. `stop` opts the address out; an answer becomes a fact of the visit, as if they had sent it.

    Example: caregate replies decide 7301 reschedule --about 812 --reason 'called back, wants a later time'
    """
    why = site.why(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        inspect.reply_decide(gateway, reply, decision, reason=why, account=account(), about=about)
    say(f"reply {reply} is decided: {decision}")
