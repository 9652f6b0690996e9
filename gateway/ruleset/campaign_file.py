"""What bounds a campaign, and who pays for a message: read and checked before the rule is active."""

from __future__ import annotations

from gateway.model.consent import Purpose
from gateway.model.event import EventKind, OccurrenceKind
from gateway.model.rule import Campaign, StopWhen
from gateway.ruleset.complaints import Complaints
from gateway.ruleset.schema import CampaignSection, RuleFile
from gateway.yamlfile import Node

OF_TABLES = frozenset(
    kind.value
    for kind in EventKind
    if kind.value.split(".")[0]
    in {OccurrenceKind.GROUP.prefix, OccurrenceKind.OFFER.prefix, OccurrenceKind.INSURANCE_PLAN.prefix}
) | {EventKind.DEVICE_UPGRADE_DUE, EventKind.DEVICE_UPGRADE_WITHDRAWN}
"""Events that rows of a table become, a whole audience at once."""

_PRESCRIPTION = OccurrenceKind.MEDICATION_REQUEST.prefix + "."


def read(node: Node, file: RuleFile) -> Campaign | None:
    """The rule's campaign with the line it stands at; None of a rule without one."""
    told = file.campaign
    if told is None:
        return None
    return Campaign(
        line=node.keys["campaign"][0],
        holdout=told.holdout,
        daily=told.daily,
        hourly=told.hourly,
        ramp=tuple(told.ramp),
        audience=told.audience,
        stop_when=StopWhen(**told.stop_when.model_dump()),
    )


def check(file: RuleFile, tell: Complaints) -> None:
    """Complain about a message whose payer makes it marketing, an audience without bounds, and bounds that contradict."""
    _check_payer(file, tell)
    bulk = [event for event in file.when.event if event in OF_TABLES]
    if bulk and file.campaign is None:
        tell.say(f"`{bulk[0]}` comes of a whole audience at once: tell `campaign`", "when", "event")
    if file.campaign is not None:
        _check_bounds(file.campaign, tell)


def _check_payer(file: RuleFile, tell: Complaints) -> None:
    """45 CFR 164.501, marketing: (1) with (2)(i), refill reminders about a drug currently prescribed, paid for at cost."""
    send = file.send
    if send.purpose is Purpose.HMARKT or send.remuneration == "none":
        return
    if send.remuneration == "paid":
        tell.say("a message somebody pays for is marketing: purpose must be HMARKT (45 CFR 164.501)", "send", "purpose")
    elif not all(event.startswith(_PRESCRIPTION) for event in file.when.event):
        tell.say(
            "`at-cost` is for a medicine that is currently prescribed, told by prescription events alone;"
            " of anything else somebody pays for, purpose must be HMARKT (45 CFR 164.501)",
            "send", "remuneration",
        )  # fmt: skip
    elif send.remuneration_basis is None:
        tell.say("tell `remuneration_basis`: what is paid, and what it costs", "send", "remuneration")


def _check_bounds(told: CampaignSection, tell: Complaints) -> None:
    if told.daily is not None and told.hourly is not None and told.hourly > told.daily:
        tell.say("more in an hour than in a day: one of the two is a mistake", "campaign", "hourly")
    for position, most in enumerate(told.ramp):
        if position and most < told.ramp[position - 1]:
            tell.say("a ramp goes up: this day is below the one before", "campaign", "ramp", position)
        if told.daily is not None and most > told.daily:
            tell.say("above `daily`, which holds after the ramp", "campaign", "ramp", position)
