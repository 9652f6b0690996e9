"""`caregate outbox`: what waits to leave and why; held, released, withdrawn and stopped by hand, each with its reason."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import identifier, site
from gateway.cli.site import account
from gateway.cli.terminal import emit, moment, note, say, table
from gateway.model.errors import CommandError

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.model.party import Identifier
    from gateway.pipeline.brakes import Brake, Stop
    from gateway.pipeline.inspect import Choice, HoldLine, OutboxReport

group = typer.Typer(no_args_is_help=True, help="What leaves: list, hold, release, withdraw, stop, resume.")
MANY = 100
"""More than so many are only touched by whoever types their number, or says --yes."""
Request = Annotated[int | None, typer.Argument(metavar="REQUEST", help="One, from `caregate outbox list`.")]
Rule = Annotated[str | None, typer.Option("--rule", metavar="NAME", help="Those of a rule.")]
Facility = Annotated[
    str | None, typer.Option("--facility", metavar="NAME", help="Those about visits there: a location or organization.")
]
Day = Annotated[
    str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="Those about visits on that day, in its zone.")
]
Patient = Annotated[
    str | None,
    typer.Option("--patient", metavar="-", help="Those of a person; the identifier comes from standard input."),
]
HeldFor = Annotated[
    str | None, typer.Option("--held-for", metavar="REASON", help="Those that wait for this, like quiet-hours.")
]
Everything = Annotated[bool, typer.Option("--everything", help="All that waits.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say how many.")]
Yes = Annotated[bool, typer.Option("--yes", help=f"Do not ask, also for more than {MANY}.")]
ChannelName = Annotated[str | None, typer.Option("--channel", metavar="KIND", help="All that would leave by it.")]


@group.command("list")
def list_(
    rule: Rule = None,
    facility: Facility = None,
    date_: Day = None,
    patient: Patient = None,
    held_for: HeldFor = None,
    held: Annotated[bool, typer.Option("--held", help="Only what waits for a person.")] = False,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=0, help="So many one by one.")] = 50,
    reason: site.Reason = None,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Show what waits to leave, and why.

    What is due, waits for its time, or is held, counted by urgency, rule and reason; then one by one, most urgent first.
    Whose it is, is a number; looking for a person wants --reason and is audited. --json: a line each, the counts last.

    Examples: caregate outbox list · caregate outbox list --facility main --date 2026-01-20
    """
    from gateway.pipeline import inspect

    who = _who(patient, reason)
    with site.opened(config) as gateway:
        choice = _choice(gateway, who, None, rule, facility, date_, held_for, why=reason or "")
        found = inspect.outbox(gateway, choice, held=held, limit=limit)
    if json:
        for line in found.lines:
            emit(line)
        emit({"counts": found.counts, "stopped": found.stopped, "total": found.total})
    else:
        _show(found)


def _show(found: OutboxReport) -> None:
    for one in found.stopped:
        note(f"stopped since {moment(one.at)} by {one.by}: {told(one)} ({one.why})")
    if not found.counts:
        note("nothing waits")
        return
    rows = [(one.count, one.state, one.lane, one.rule, one.reason, moment(one.next_due)) for one in found.counts]
    table(("sends", "state", "urgency", "rule", "why", "first due"), rows)
    if found.lines:
        say()
        columns = ("request", "patient", "rule", "step", "state", "why", "due", "looked at again", "waits for")
        table(columns, [_row(one) for one in found.lines])
    if found.total > len(found.lines):
        note(f"{found.total - len(found.lines)} more; --limit shows them")


def _row(one: HoldLine) -> tuple[object, ...]:
    times = (moment(one.due), moment(one.next))
    return one.request, one.patient, one.rule, one.step, one.state, one.reason, *times, one.waits_for


def told(brake: Brake) -> str:
    """What a brake stops, in words."""
    if brake.day_from is not None and brake.day_until is not None:
        middle = (brake.day_from + brake.day_until) // 2
        return f"facility {brake.value}, the day around {moment(middle)}"
    return brake.scope if brake.value is None else f"{brake.scope} {brake.value}"


@group.command()
def seen(
    message: Annotated[int, typer.Argument(metavar="MESSAGE", help="One that lies unread, from `caregate worklist`.")],
    reason: site.Reason = None,
    config: site.Config = None,
) -> None:
    """Say that somebody saw to a message that lies in the portal unread; it can still be picked up.

    Example: caregate outbox seen 7301 --reason 'called, will look tonight'
    """
    why = site.why(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        inspect.unread_seen(gateway, message, reason=why, account=account())
    say(f"message {message} is seen to")


@group.command()
def hold(
    request: Request = None,
    rule: Rule = None,
    facility: Facility = None,
    date_: Day = None,
    patient: Patient = None,
    everything: Everything = False,
    reason: site.Why = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    config: site.Config = None,
) -> None:
    """Let what is planned wait for a person.

    A later message about the visit does not let it go. What is planned afterwards is not held: to hold that too, use
    `caregate outbox stop`.

    Examples: caregate outbox hold 8812 --reason 'ask Dr. Ames' · caregate outbox hold --rule recall --reason 'wrong text'
    """
    from gateway.pipeline import inspect

    why, who = site.why(reason), _who(patient, reason)
    with site.opened(config) as gateway:
        choice = _choice(gateway, who, request, rule, facility, date_, None, everything=everything, why=why, acts=True)
        count = inspect.count(gateway, choice, "hold")
        if request is not None and not count:
            raise CommandError(f"request {request} is not planned: it left, ended, or waits for a person already")
        if not _go(count, "held", dry_run=dry_run, yes=yes):
            return
        done = inspect.hold_requests(gateway, choice, reason=why, account=account(), told=_progress(count))
    say(f"{done} requests wait for a person")


@group.command()
def release(
    request: Request = None,
    rule: Rule = None,
    facility: Facility = None,
    date_: Day = None,
    patient: Patient = None,
    everything: Everything = False,
    held_for: HeldFor = None,
    reason: site.Why = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    config: site.Config = None,
) -> None:
    """Have what is held judged again by every gate.

    Nothing is bypassed. One request, whatever it is held for; of many, what was held by hand, unless --held-for names
    another reason. An attempt whose outcome is unknown may reach the patient a second time by this: you say that it did
    not arrive. Of many, what fell due more than a day before is withdrawn.

    Examples: caregate outbox release 8812 --reason 'relay log: never accepted' · caregate holds release 8812 --reason
    'ticket 9' · caregate outbox release --facility main --date 2026-01-20 --reason 'the roads are open'
    """
    from gateway.pipeline import inspect

    why, who = site.why(reason), _who(patient, reason)
    with site.opened(config) as gateway:
        choice = _choice(
            gateway, who, request, rule, facility, date_, held_for, everything=everything, why=why, acts=True
        )
        if request is not None and choice == inspect.Choice(request=request):
            if _go(1, "judged again", dry_run=dry_run, yes=True):
                inspect.release_request(gateway, request, reason=why, account=account())
                say(f"request {request}: will be judged again")
            return
        count = inspect.count(gateway, choice, "release")
        if not _go(count, "judged again", dry_run=dry_run, yes=yes):
            return
        released, ended = inspect.release_requests(
            gateway, choice, reason=why, account=account(), told=_progress(count)
        )
    say(f"{released} requests will be judged again, {ended} were withdrawn: due more than a day ago")


@group.command()
def withdraw(
    request: Request = None,
    rule: Rule = None,
    facility: Facility = None,
    date_: Day = None,
    patient: Patient = None,
    everything: Everything = False,
    held_for: HeldFor = None,
    reason: site.Why = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    config: site.Config = None,
) -> None:
    """Never send what waits.

    It does not come back: a later message about the same visit does not plan it again.

    Examples: caregate outbox withdraw 8812 --reason 'called the patient' · caregate holds withdraw 8812 --reason
    'ticket 9' · caregate outbox withdraw --facility main --date 2026-01-20 --reason 'snow: all visits are off'
    """
    from gateway.pipeline import inspect

    why, who = site.why(reason), _who(patient, reason)
    with site.opened(config) as gateway:
        choice = _choice(
            gateway, who, request, rule, facility, date_, held_for, everything=everything, why=why, acts=True
        )
        if request is not None and choice == inspect.Choice(request=request):
            if _go(1, "withdrawn", dry_run=dry_run, yes=True):
                inspect.withdraw_request(gateway, request, reason=why, account=account())
                say(f"request {request}: withdrawn")
            return
        count = inspect.count(gateway, choice, "withdraw")
        if not _go(count, "withdrawn", dry_run=dry_run, yes=yes):
            return
        done = inspect.withdraw_requests(gateway, choice, reason=why, account=account(), told=_progress(count))
    say(f"{done} requests are withdrawn")


@group.command()
def stop(
    channel: ChannelName = None,
    rule: Rule = None,
    facility: Facility = None,
    date_: Day = None,
    reason: site.Why = None,
    config: site.Config = None,
) -> None:
    """The big red button: nothing leaves any more.

    Everything, or what a channel, a rule, or a facility's day names; within a second, on every worker, also what was
    cleared already. What falls due waits, and what is planned meanwhile too, until `caregate outbox resume`.

    Examples: caregate outbox stop --reason 'wrong texts are leaving' · caregate outbox stop --facility main --date
    2026-01-20 --reason snow · caregate outbox stop --channel sms --reason 'incident 12 at the provider'
    """
    why = site.why(reason)
    from gateway.pipeline import brakes

    with site.opened(config) as gateway:
        what = _stop(gateway, channel, rule, facility, date_)
        brake = brakes.stop(gateway.store, what, why=why, account=account())
    say(f"stopped: {told(brake)}; `caregate outbox resume` lets it go again")


@group.command()
def resume(
    channel: ChannelName = None,
    rule: Rule = None,
    facility: Facility = None,
    date_: Day = None,
    reason: site.Why = None,
    config: site.Config = None,
) -> None:
    """Let go of what was stopped.

    What waited is judged again by every gate, the most urgent and first due on top; what fell due more than a day before
    is withdrawn. Said with the same words as the stop.

    Examples: caregate outbox resume --reason 'texts are right again' · caregate outbox resume --channel sms --reason
    'incident 12 is over'
    """
    why = site.why(reason)
    from gateway.pipeline import brakes

    with site.opened(config) as gateway:
        what = _stop(gateway, channel, rule, facility, date_)
        released, ended = brakes.resume(gateway.store, gateway.site, what, why=why, account=account())
        with gateway.store.read() as unit:
            still = brakes.on(unit)
    say(f"{released} requests will be judged again, {ended} were withdrawn: due more than a day ago")
    for one in still:
        note(f"still stopped since {moment(one.at)}: {told(one)} ({one.why})")


# -- what the commands share


def _who(patient: str | None, reason: str | None) -> Identifier | None:
    if patient is None:
        return None
    identifier.stdin_only("--patient", patient)
    site.reason(reason)
    return identifier.read()


def _choice(
    gateway: Gateway,
    who: Identifier | None,
    request: int | None,
    rule: str | None,
    facility: str | None,
    day: str | None,
    held_for: str | None,
    *,
    why: str,
    everything: bool = False,
    acts: bool = False,
) -> Choice:
    """What is meant; whoever acts says it, rather than forgetting to narrow it."""
    from gateway.pipeline import inspect

    token = None if who is None else inspect.patient_of(gateway, who, reason=why, account=account())
    found = inspect.Choice(
        request=request, patient=token, rule=rule, facility=facility, day=_day(day), held_for=held_for
    )
    if acts and everything == (found != inspect.Choice(held_for=held_for)):
        raise CommandError("say which: REQUEST, --rule, --patient, --facility with --date, or --everything")
    return found


def _day(told: str | None) -> date | None:
    try:
        return None if told is None else date.fromisoformat(told)
    except ValueError:
        raise CommandError("--date is a day like 2026-01-20") from None


def _stop(gateway: Gateway, channel: str | None, rule: str | None, facility: str | None, day: str | None) -> Stop:
    from gateway.model.consent import ChannelKind
    from gateway.pipeline import inspect
    from gateway.pipeline.brakes import Scope, Stop

    if sum(one is not None for one in (channel, rule, facility)) > 1:
        raise CommandError("say one of --channel, --rule and --facility with --date; none: everything")
    if (facility is None) != (day is None):
        raise CommandError("a facility is stopped for a day: say --facility and --date")
    if channel is not None:
        if channel not in frozenset(ChannelKind):
            raise CommandError(f"there is no channel `{channel}`; there are {', '.join(ChannelKind)}")
        return Stop(scope=Scope.CHANNEL, value=channel)
    if rule is not None:
        return Stop(scope=Scope.RULE, value=rule)
    if facility is not None:
        return Stop(scope=Scope.FACILITY, value=facility, day=inspect.day_of(gateway.site, facility, _needed(day)))
    return Stop(scope=Scope.EVERYTHING)


def _needed(day: str | None) -> date:
    found = _day(day)
    assert found is not None, "said together with its facility"
    return found


def _go(count: int, verb: str, *, dry_run: bool, yes: bool) -> bool:
    """Whether to go on: not in a dry run, not for nothing, and not for very many that nobody meant."""
    if dry_run or not count:
        say(f"{count} requests would be {verb}")
        return False
    if count > MANY and not yes:
        note(f"{count} requests will be {verb}. Type their number to go on:")
        if sys.stdin.readline().strip() != str(count):
            raise CommandError(f"nothing was done: {count} requests are many; type their number, or say --yes")
    return True


def _progress(count: int) -> Callable[[int], None]:
    """Tells how far it is, where it takes a while."""

    def told_(done: int) -> None:
        if count > 1000:
            note(f"{done} of {count}")

    return told_
