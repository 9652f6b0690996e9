"""What bounds a campaign, and who pays for a message: told in the rule, or refused at its line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.model.errors import ConfigError
from gateway.model.rule import Campaign, StopWhen
from gateway.ruleset import load
from gateway.ruleset.campaign_file import OF_TABLES

Write = Callable[..., Path]


def refused(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder)
    return "\n".join(problem.replace(f"{folder}{os.sep}", "") for problem in caught.value.problems)


def test_a_campaign_is_told_with_its_line(write: Write) -> None:
    """Point 4 of what a campaign must not overstep."""
    extra = (
        "campaign: {holdout: 10, daily: 5000, hourly: 500, ramp: [200, 1000], audience: 60000,"
        " stop_when: {at_least: 100, complained: 0.1}}\nwhy:"
    )
    told = load(write({"why:": extra})).rules["reminder"].campaign
    assert told == Campaign(
        line=3,
        holdout=10,
        daily=5000,
        hourly=500,
        ramp=(200, 1000),
        audience=60000,
        stop_when=StopWhen(at_least=100, complained=0.1),
    )


def test_a_rule_without_one_has_none_and_a_short_one_is_watched_all_the_same(write: Write) -> None:
    """EM-30: complaints are watched whether or not somebody thought of it."""
    assert load(write({})).rules["reminder"].campaign is None
    told = load(write({"why:": "campaign: {}\nwhy:"})).rules["reminder"].campaign
    assert told is not None
    assert (told.stop_when, told.holdout, told.ramp) == (StopWhen(), 0, ())


@pytest.mark.parametrize(
    ("campaign", "expected"),
    [
        ("{hourly: 10, daily: 5}", "more in an hour than in a day"),
        ("{ramp: [200, 100]}", "a ramp goes up"),
        ("{ramp: [200, 300], daily: 250}", "above `daily`"),
        ("{holdout: 60}", "`campaign.holdout`"),
        ("{stop_when: {complained: 0}}", "`campaign.stop_when.complained`"),
        ("{stop_when: {at_least: 3}}", "`campaign.stop_when.at_least`"),
        ("{weekly: 7}", "unknown key `weekly`"),
    ],
)
def test_bounds_that_cannot_be_meant_are_refused(write: Write, campaign: str, expected: str) -> None:
    """Each at its line."""
    assert expected in refused(write({"why:": f"campaign: {campaign}\nwhy:"}))


def test_what_comes_of_a_whole_audience_needs_bounds(write: Write) -> None:
    """SN-05: an audience is a list of people, and no reason to write to them all at once."""
    events = "event: [appointment.booked]"
    found = refused(write({events: "event: [audience.entered]"}))
    assert "`audience.entered` comes of a whole audience at once: tell `campaign`" in found
    assert {"offer.available", "device.upgrade_due", "plan.renewal_due"} <= OF_TABLES
    assert "device.ordered" not in OF_TABLES


@pytest.mark.parametrize(
    ("payer", "purpose", "expected"),
    [
        ("paid", "TREAT", "a message somebody pays for is marketing"),
        ("at-cost", "TREAT", "`at-cost` is for a medicine that is currently prescribed"),
        ("at-cost", "HOPERAT", "`at-cost` is for a medicine that is currently prescribed"),
    ],
)
def test_who_pays_decides_what_is_marketing(write: Write, payer: str, purpose: str, expected: str) -> None:
    """45 CFR 164.501; number 5 of the regulations."""
    found = refused(write({"remuneration: none": f"remuneration: {payer}", "purpose: TREAT": f"purpose: {purpose}"}))
    assert expected in found


def test_a_refill_reminder_may_be_paid_at_cost_and_marketing_at_any_price(write: Write) -> None:
    """45 CFR 164.501, marketing, (2)(i); what is marketing anyway needs the authorization for it."""
    events = "event: [appointment.booked]"
    marketing = {"remuneration: none": "remuneration: paid", "purpose: TREAT": "purpose: HMARKT"}
    assert load(write(marketing)).rules["reminder"].remuneration == "paid"
    refill = {"remuneration: none": "remuneration: at-cost", events: "event: [prescription.dispensed]"}
    assert "reminder.yaml:14:17: tell `remuneration_basis`" in refused(write(refill))
    refill["remuneration: none"] += "\n  remuneration_basis: Postage and printing, 2026 contract, annex B."
    assert load(write(refill)).rules["reminder"].remuneration == "at-cost"
