"""Which part of the outbox, which campaign or table somebody means; whoever acts on everything says so, rather than forgetting to narrow it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from gateway.model.consent import ChannelKind
from gateway.model.errors import CommandError
from gateway.model.rule import Rule
from gateway.pipeline import inspect
from gateway.pipeline.brakes import Scope, Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """As it was told: words, not looked up yet."""

    request: int | None = None
    channel: str | None = None
    rule: str | None = None
    facility: str | None = None
    date: str | None = None
    held_for: str | None = None
    everything: bool = False


def chosen(told: Wanted, *, acts: bool = False) -> inspect.Choice:
    """The requests that are meant. Raises CommandError; quotes nothing."""
    found = inspect.Choice(
        request=told.request, rule=told.rule, facility=told.facility, day=_day(told.date), held_for=told.held_for
    )
    if acts and told.everything == (found != inspect.Choice(held_for=told.held_for)):
        raise CommandError("say which: a request, a rule, a facility with its date, or everything")
    return found


def stop_of(gateway: inspect.Inspectable, told: Wanted) -> Stop:
    """What is to be stopped, or let go again. Raises CommandError."""
    named = [one for one in (told.channel, told.rule, told.facility) if one is not None]
    if len(named) > 1 or told.everything == bool(named):
        raise CommandError("say one of a channel, a rule, a facility with its date, and everything")
    day = _day(told.date)
    if (told.facility is None) != (day is None):
        raise CommandError("a facility is stopped for a day: say its date too")
    if told.channel is not None:
        if told.channel not in frozenset(ChannelKind):
            raise CommandError(f"a channel is one of {', '.join(ChannelKind)}")
        return Stop(scope=Scope.CHANNEL, value=told.channel)
    if told.rule is not None:
        if told.rule not in gateway.rules.current().ruleset.rules:
            raise CommandError("no rule in force has that name")
        return Stop(scope=Scope.RULE, value=told.rule)
    if told.facility is not None and day is not None:
        return Stop(scope=Scope.FACILITY, value=told.facility, day=inspect.day_of(gateway.site, told.facility, day))
    return Stop(scope=Scope.EVERYTHING)


def campaign_of(gateway: inspect.Inspectable, name: str) -> Rule:
    """The rule in force with a campaign. Raises CommandError."""
    rule = gateway.rules.current().ruleset.named(name)
    if rule is None or rule.campaign is None:
        raise CommandError("there is no campaign of that name in force")
    return rule


def source_of(gateway: inspect.Inspectable, name: str) -> str:
    """The name of a source there is. Raises CommandError."""
    if name not in gateway.site.sources:
        raise CommandError("there is no source of that name")
    return name


def _day(told: str | None) -> date | None:
    try:
        return None if told is None else date.fromisoformat(told)
    except ValueError:
        raise CommandError("the date is a day like 2026-01-20") from None
