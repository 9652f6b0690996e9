"""`caregate campaign`: what a campaign would do, before it does anything; approved, stopped and resumed by a person."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import site
from gateway.cli.site import account
from gateway.cli.terminal import emit, moment, note, say, table

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.pipeline.campaigns.looking import CampaignReport, DryRun
    from gateway.pipeline.rules import Active

group = typer.Typer(no_args_is_help=True, help="Campaigns: list, show, plan, approve, stop, resume, end.")
Rule = Annotated[str, typer.Argument(metavar="RULE", help="The rule's name.")]
As = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="Who decides; default: the operating-system account.")
]


@group.command("list")
def list_(config: site.Config = None, json: site.Json = False) -> None:
    """List every campaign, how it stands, and what it waits for.

    Example: caregate campaign list
    """
    from gateway.pipeline.campaigns import looking

    with site.opened(config) as gateway:
        rules = _in_force(gateway)
        with gateway.store.read() as unit:
            lines = looking.campaigns(unit, rules)
    if json:
        for line in lines:
            emit(line)
        return
    rows = [(one.rule, one.said, one.people, one.sent, moment(one.decided), one.needs) for one in lines]
    table(("rule", "it", "approved for", "sent since", "decided", "caregate campaign …"), rows)


@group.command()
def show(rule: Rule, config: site.Config = None, json: site.Json = False) -> None:
    """Show a campaign whole: what it sent, what came of it, what waits, and its dry runs.

    Example: caregate campaign show plan-renewal
    """
    from gateway.pipeline.campaigns import deciding, looking

    with site.opened(config) as gateway:
        rules = _in_force(gateway)
        deciding.rule_of(rules, rule)
        with gateway.store.read() as unit:
            found = looking.campaign(unit, rules, rule)
    if json:
        emit(found)
    else:
        _show(found)


def _in_force(gateway: Gateway) -> Active:
    """The rules that are in force, whatever their folder says by now; before any are, the folder's."""
    from gateway.model.errors import StoreError

    try:
        return gateway.rules.renew()
    except StoreError:
        return gateway.rules.current()


def _show(found: CampaignReport) -> None:
    line, health = found.line, found.health
    say(f"the campaign of {line.rule} {line.said}")
    if line.needs is not None:
        say(f"next: caregate campaign {line.needs}")
    if health is not None:
        told = f"{health.bounced} came back, {health.refused} refused, {health.complained} complaints"
        say(f"since {moment(line.decided)}: {health.sent} sent, {told}, {health.opted_out} opted out")
    if found.requests:
        table(("messages", "state", "why"), [(count, state, why) for state, why, count in found.requests])
    for one in found.runs:
        say()
        _run(one)


def _run(one: DryRun) -> None:
    decided = f", {one.state} {moment(one.decided)} by {one.decided_by} ({one.why})" if one.decided else ""
    say(f"dry run of {moment(one.at)} by {one.by}: {one.people} people{decided}")
    _forecast(one.forecast)


def _forecast(told: Mapping[str, Any]) -> None:
    say(f"  {told['messages']} messages, {told['judged']} judged, each at its due time by what is known now")
    say(f"  {told['sends']} would be sent" + (f", in {told['days']} days at its bounds" if told["days"] else ""))
    for name, count in sorted(told["by_channel"].items()):
        say(f"    {count} by {name}")
    for name, count in sorted(told["by_variant"].items()):
        say(f"    {count} worded as {name}")
    for key, word in (("waits", "wait"), ("refused", "be refused"), ("withdrawn", "be withdrawn")):
        for name, count in sorted(told[key].items()):
            say(f"  {count} would {word}: {name}")
    say(f"  {told['holdout']} people are never written to (holdout)")


@group.command()
def plan(
    rule: Rule,
    sample: Annotated[
        int | None, typer.Option("--sample", metavar="N", min=1, help="Judge about N of them; cannot be approved.")
    ] = None,
    by: As = None,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Dry run: how many would be sent by which channel, wait or be refused, and why.

    Every gate is asked about every message, as if the campaign were approved. Nothing is sent. The result is kept, and is
    what `approve` approves. Asked are the rules in force: what was edited comes there with `caregate rules activate`.

    Examples: caregate campaign plan plan-renewal · caregate campaign plan plan-renewal --sample 1000
    """
    from gateway.pipeline.campaigns import forecasting

    with site.opened(config) as gateway, _bar() as told:
        folder = gateway.rules.current().ruleset.digest
        found = forecasting.plan(gateway, rule, by=by or account(), account=account(), sample=sample, told=told)
        if gateway.rules.current().ruleset.digest != folder:
            note(
                "the rule folder says something else than what is in force, and this is of what is in force: to have the"
            )
            note("folder's, `caregate rules activate` (or start `caregate run` anew), then make the dry run again")
    if json:
        emit(found)
        return
    say(f"{found.people} people")
    _forecast({name: getattr(found, name) for name in forecasting.Forecast.__slots__})
    if sample is None:
        say(f"to let it leave: caregate campaign approve {rule} --people {found.people} --reason '…'")


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """How far it is, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        whole = bar.add_task("judging", total=None)
        yield lambda done, of: bar.update(whole, completed=done, total=max(done, of))


@group.command()
def approve(
    rule: Rule,
    people: Annotated[int, typer.Option("--people", metavar="N", help="As the dry run counted them.")],
    by: As = None,
    reason: site.Why = None,
    config: site.Config = None,
) -> None:
    """Let a campaign leave, exactly as its last dry run showed it.

    A changed rule, list or template, or a tenth more people than approved, holds all of it until the next dry run is
    approved.

    Example: caregate campaign approve plan-renewal --people 4711 --as anna --reason 'ticket 12'
    """
    why = site.why(reason)
    from gateway.pipeline.campaigns import deciding

    with site.opened(config) as gateway:
        deciding.approve(gateway, rule, people=people, by=by or account(), why=why, account=account())
    say(f"campaign {rule}: approved for {people} people; what waits is judged again by whoever sends")


@group.command()
def stop(rule: Rule, by: As = None, reason: site.Why = None, config: site.Config = None) -> None:
    """Let nothing more of a campaign leave, until somebody resumes it.

    Example: caregate campaign stop plan-renewal --reason 'wrong link'
    """
    why = site.why(reason)
    from gateway.pipeline.campaigns import deciding

    with site.opened(config) as gateway:
        deciding.stop(gateway.store, rule, by=by or account(), why=why, account=account())
    say(f"campaign {rule}: stopped")


@group.command()
def resume(rule: Rule, by: As = None, reason: site.Why = None, config: site.Config = None) -> None:
    """Let a stopped campaign go on; what would stop it is counted anew.

    Example: caregate campaign resume plan-renewal --as anna --reason 'list cleaned'
    """
    why = site.why(reason)
    from gateway.pipeline.campaigns import deciding

    with site.opened(config) as gateway:
        deciding.resume(gateway.store, rule, by=by or account(), why=why, account=account())
    say(f"campaign {rule}: running; what waits is judged again by whoever sends")


@group.command()
def end(rule: Rule, by: As = None, reason: site.Why = None, config: site.Config = None) -> None:
    """End a campaign for good: what waits is withdrawn.

    Example: caregate campaign end plan-renewal --reason 'offer is over'
    """
    why = site.why(reason)
    from gateway.pipeline.campaigns import deciding

    with site.opened(config) as gateway:
        deciding.end(gateway.store, rule, by=by or account(), why=why, account=account())
    say(f"campaign {rule}: over; what waits is withdrawn by whoever sends")
