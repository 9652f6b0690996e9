"""`caregate feeds`: which sources speak as they are used to, what became of it, which are held, and what would leave."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import site
from gateway.cli.site import account
from gateway.cli.terminal import emit, moment, note, row, say, span, table
from gateway.model.errors import CommandError
from gateway.model.when import Millis

if TYPE_CHECKING:
    from gateway.pipeline.inspect import Arrival, FeedLine
    from gateway.pipeline.queues import Queue

group = typer.Typer(no_args_is_help=True, help="Sources: list, show, tap, would-send, release, hold, excuse.")
_HEADS = ("source", "state", "last message", "age", "last hour", "usual", "usual silence", "silent from")
_QUEUE = ("queue",)
_TODAY = ("received today", "ignored", "not taken")
_LOOK = 0.5  # seconds between two looks of a tap
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
    feeds_table(lines)


def feeds_table(lines: Sequence[FeedLine]) -> None:
    """One line each; the column of queues only where a gateway reads one."""
    queued = any(one.queue is not None for one in lines)
    table((*_HEADS, *_QUEUE[:queued], *_TODAY), [_feed_row(one, queued=queued) for one in lines])


def queue_words(one: Queue | None) -> str:
    """What waits and for how long, what came again, and whether anybody is connected."""
    if one is None:
        return ""
    words = [f"away since {moment(one.lost)}{one.said and f' ({one.said})'}"] if one.lost is not None else []
    if one.waiting is not None:
        words.append(f"{one.waiting} waiting")
    if one.age is not None:
        words.append(f"oldest {span(one.age)}")
    if one.again and one.redelivered is not None:
        words.append(f"{one.redelivered:.1%} again")
    return ", ".join(words) or "connected"


def _feed_row(one: FeedLine, *, queued: bool) -> tuple[object, ...]:
    state = f"{one.state}, excused until {moment(one.excused_until)}" if one.excused_until else one.state
    usual = None if one.usual_rate is None else f"{one.usual_rate:.{0 if one.usual_rate >= 1 else 1}f}"
    habit = (one.rate, usual, span(one.usual_silence), moment(one.silent_from))
    return (
        one.name,
        state,
        moment(one.last_received),
        span(one.age),
        *habit,
        *([queue_words(one.queue)] if queued else []),
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
        lines, queue = inspect.feed_kinds(gateway, source), inspect.feed_queue(gateway, source)
    if json:
        for line in lines:
            emit(line)
        if queue is not None:
            emit({"queue": queue})
        return
    if queue is not None:
        say(f"queue: {queue_words(queue)}")
    if lines:
        rows = [(one.type, one.result, one.reason, one.today, one.week) for one in lines]
        table(("type", "outcome", "why", "today", "seven days"), rows)
    else:
        say(f"source {source}: nothing came within seven days")


@group.command()
def tap(
    source: Name,
    for_: Annotated[str | None, typer.Option("--for", metavar="SPAN", help="Like 60s; default: until Ctrl-C.")] = None,
    last: Annotated[int, typer.Option("--last", metavar="N", min=0, help="Begin with the last N.")] = 0,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Watch what arrives at a source and what becomes of it, live.

    Never what was said: time, type, outcome and why, the events it was understood as, the sends these led to, and ids
    to go on with (`caregate trace --message`). It reads the database alone, so it can be used beside any gateway.

    Examples: caregate feeds tap ehr · caregate feeds tap ehr --for 60s --last 20
    """
    from gateway.pipeline.inspect import Tap

    seconds = _span(for_) / 1000 if for_ is not None else float("inf")
    with site.opened(config) as gateway, suppress(KeyboardInterrupt):
        until = time.monotonic() + seconds
        open_ = Tap(gateway, source)
        note(f"watching {source}; Ctrl-C ends it")
        _arrived(open_.last(last), json=json)
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(_LOOK, left))
            _arrived(open_.new(), json=json)


def _arrived(lines: Iterable[Arrival], *, json: bool) -> None:
    """A line each, and one more for every send it led to; flushed, for somebody looks on."""
    for one in lines:
        if json:
            emit(one)
            continue
        row((moment(one.at), one.type, one.result, one.reason, " ".join(one.events), f"message {one.message}"))
        for send in one.became:
            step, request = f"{send.rule} {send.step}", f"request {send.request}" if send.request else ""
            row(("", step, send.what, send.reason, request))
    sys.stdout.flush()


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

    wanted = _span(for_)
    with site.opened(config) as gateway:
        until = inspect.excuse_source(gateway, source, span=wanted, reason=why, account=account())
    say(f"source {source}: silence excused until {moment(until)}" if wanted else f"source {source}: not excused")


def _span(for_: str) -> Millis:
    from gateway.settings.values import duration

    try:
        return duration(for_)
    except ValueError as error:
        raise CommandError(f"--for {error}") from None
