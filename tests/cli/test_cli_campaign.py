"""`caregate campaign` from the dry run to the end of it: what it says, what it refuses, and what the audit log keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

RULE = "appointment-reminder"
WHY = ("--as", "anna", "--reason", "ticket 12")


@pytest.fixture
def running(site, feed, write):
    """A site whose reminder is a campaign, with one person booked."""
    file = Path("rules") / f"{RULE}.yaml"
    file.write_text(file.read_text() + "\ncampaign: {daily: 1}\n")
    site("load", write(feed.registered(), feed.booked()))
    return site


def test_a_campaign_is_planned_approved_stopped_resumed_and_ended(running):
    """One after the other; each step says what comes next, and the last is for good."""
    assert f"plan {RULE}" in running("campaign", "list").out
    assert "campaigns" in running("status", "--json").lines[0]["attention"]
    (told,) = running("campaign", "plan", RULE, "--json").lines
    assert (told["people"], told["judged"], sum(told["refused"].values())) == (1, 2, 2)
    assert f"approve {RULE} --people 1" in running("campaign", "list").out
    refused = running("campaign", "approve", RULE, "--people", "2", *WHY)
    assert (refused.code, "counted 1 people, not 2" in refused.err) == (2, True)
    assert "approved for 1 people" in running("campaign", "approve", RULE, "--people", "1", *WHY).out
    assert f"campaign {RULE} runs" in running("status").out
    assert "stopped" in running("campaign", "stop", RULE, *WHY).out
    assert f"caregate campaign resume {RULE}" in running("worklist").out
    assert "running" in running("campaign", "resume", RULE, *WHY).out
    assert "over" in running("campaign", "end", RULE, *WHY).out
    shown = running("campaign", "show", RULE).out
    assert f"the campaign of {RULE} is over" in shown
    assert "by anna (ticket 12)" in shown
    assert running("campaign", "show", RULE, "--json").lines[0]["line"]["state"] == "over"
    assert running("campaign", "resume", RULE, *WHY).code == 2


def test_a_plan_for_people_says_what_to_type_next(running):
    """And a sample says nothing of approving."""
    assert f"caregate campaign approve {RULE} --people 1" in running("campaign", "plan", RULE).out
    assert "approve" not in running("campaign", "plan", RULE, "--sample", "1").out


def test_deciding_wants_a_reason_and_a_rule_that_is_a_campaign(running):
    """It is audited with both."""
    assert "say why" in running("campaign", "stop", RULE).err
    assert "no rule discharge-follow-up with a `campaign`" in running("campaign", "plan", "discharge-follow-up").err


def test_what_was_edited_and_is_not_in_force_is_not_what_was_judged(running):
    """Rules or templates: the dry run says so, and how the campaign stands is told of what is in force."""
    assert running("rules", "activate").code == 0
    assert running("campaign", "plan", RULE).err == ""
    assert running("campaign", "approve", RULE, "--people", "1", *WHY).code == 0
    file = Path("rules/templates/appointment_reminder/body.txt")
    file.write_text(file.read_text() + "\nMore.\n")
    assert f"the campaign of {RULE} runs" in running("campaign", "show", RULE).out
    assert "is not what was approved" not in running("campaign", "list").out
    assert "`caregate rules activate`" in running("campaign", "plan", RULE).err
    assert running("rules", "activate").code == 0
    refused = running("campaign", "approve", RULE, "--people", "1", *WHY)
    assert (refused.code, "have changed since the dry run" in refused.err) == (2, True)
    assert "is not what was approved" in running("campaign", "list").out
    assert running("campaign", "plan", RULE).err == ""


def test_a_rule_that_has_met_nobody_says_what_would_have_it_meet_them(running):
    """What a baseline brought, or came before the rule."""
    assert "`caregate plan --open` (--dry-run first)" in running("campaign", "plan", "plan-renewal").err
    assert "comes into force with `caregate rules activate`" in running("campaign", "show", "of-mine").err
