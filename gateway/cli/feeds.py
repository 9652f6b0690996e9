"""`caregate feeds`: which sources speak as they are used to, what became of it, which are held, and what would leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import site
from gateway.cli.site import account
from gateway.cli.terminal import emit, moment, say, span, table
from gateway.model.errors import CommandError

if TYPE_CHECKING:
    from gateway.pipeline.inspect import FeedLine

group = typer.Typer(no_args_is_help=True, help="Sources: list, show, would-send, release, hold, excuse.")
_TODAY = ("received today", "ignored", "not taken")
Name = Annotated[str, typer.Argument(metavar="SOURCE", help="As in caregate.yaml.")]


@group.command("list")
def list_(config: site.Config = None, json: site.Json = False) -> None:
    """List the sources, their habits, and what came today.

    The state is running, held, silent (against its own habit) or never spoken. Today is that of the source's zone. What was not taken is in quarantine, or was rejected and not kept:
    `caregate feeds show` tells which and why.

    Example: caregate feeds list
    """
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        lines = inspect.feeds(gateway)
    if json:
        for line in lines:
            emit(line)
        return
    table(
        ("source", "state", "last message", "age", "last hour", "usual", "usual silence", "silent from", *_TODAY),
        [feed_row(one) for one in lines],
    )


def feed_row(one: FeedLine) -> tuple[object, ...]:
    """A line of the table."""
    state = f"{one.state}, excused until {moment(one.excused_until)}" if one.excused_until else one.state
    usual = None if one.usual_rate is None else f"{one.usual_rate:.{0 if one.usual_rate >= 1 else 1}f}"
    habit = (one.rate, usual, span(one.usual_silence), moment(one.silent_from))
    return (
        one.name,
        state,
        moment(one.last_received),
        span(one.age),
        *habit,
        one.received,
        one.ignored,
        one.quarantined,
    )


@group.command()
def show(source: Name, config: site.Config = None, json: site.Json = False) -> None:
    """Show what a source sent, by type and outcome.

    Today, and within seven days. What was ignored says why: a message that nothing is made of is acknowledged like any
    other.

    Example: caregate feeds show ehr
    """
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        lines = inspect.feed_kinds(gateway, source)
    if json:
        for line in lines:
            emit(line)
    elif lines:
        rows = [(one.type, one.result, one.reason, one.today, one.week) for one in lines]
        table(("type", "outcome", "why", "today", "seven days"), rows)
    else:
        say(f"source {source}: nothing came within seven days")


@group.command("would-send")
def would_send(source: Name, config: site.Config = None, json: site.Json = False) -> None:
    """Report what would leave: the shadow run before go-live.

    And what would wait or be refused were the source not held. Each planned send is judged by the gates as at its due
    time, by what is known now; nothing is changed.

    Example: caregate feeds would-send ehr
    """
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        lines = inspect.would_send(gateway, source)
    if json:
        for line in lines:
            emit(line)
        return
    rows = [
        (one.rule, one.step, one.outcome, one.reason, one.count, moment(one.first_due), moment(one.last_due))
        for one in lines
    ]
    table(("rule", "step", "outcome", "why", "sends", "first due", "last due"), rows)


@group.command()
def release(source: Name, reason: site.Why = None, config: site.Config = None) -> None:
    """Let a source's sends leave.

    What was held for it is judged again.

    Example: caregate feeds release ehr --reason 'go-live, change 4711'
    """
    why = site.why(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        count = inspect.release_source(gateway, source, reason=why, account=account())
    say(f"source {source}: running, {count} requests will be judged again")


@group.command()
def hold(source: Name, reason: site.Why = None, config: site.Config = None) -> None:
    """Let a source plan everything and release nothing.

    Example: caregate feeds hold ehr --reason 'wrong times since the upgrade'
    """
    why = site.why(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        inspect.hold_source(gateway, source, reason=why, account=account())
    say(f"source {source}: held")


@group.command()
def excuse(
    source: Name,
    for_: Annotated[str, typer.Option("--for", metavar="SPAN", help="Like 20h or 3d; 0s takes an excuse back.")],
    reason: site.Why = None,
    config: site.Config = None,
) -> None:
    """Expect silence for a while: a holiday, a downtime.

    It is not called silent until then; what its silence held is judged again by every gate.

    Example: caregate feeds excuse ehr --for 20h --reason 'Thanksgiving'
    """
    why = site.why(reason)
    from gateway.pipeline import inspect
    from gateway.settings.values import duration

    try:
        wanted = duration(for_)
    except ValueError as error:
        raise CommandError(f"--for {error}") from None
    with site.opened(config) as gateway:
        until = inspect.excuse_source(gateway, source, span=wanted, reason=why, account=account())
    say(f"source {source}: silence excused until {moment(until)}" if wanted else f"source {source}: not excused")
