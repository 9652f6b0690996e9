"""Campaigns, from the message that plans to the mail that leaves: never before a person approved what the dry run showed."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from clinic_campaigns import BOUNDS, BY, FIRST, RULE, approved, crowd, planned, rules, said, why
from clinic_dsl import Clinic, OpenClinic

from gateway.model.errors import CommandError
from gateway.model.when import HOUR
from gateway.pipeline import inspect
from gateway.pipeline.campaigns import deciding, forecasting, looking
from gateway.store import tables


@pytest.fixture
def opened(open_clinic: OpenClinic, tmp_path: Path) -> Clinic:
    """Its only rule is a campaign; nobody has planned anything."""
    clinic = open_clinic()
    clinic.restarts(rules=rules(tmp_path / "rules"))
    return clinic


def test_nothing_leaves_before_a_person_approved_the_dry_run(opened: Clinic) -> None:
    """Due and permitted by every other gate, it waits; approved, all of it leaves, once."""
    crowd(opened, 3)
    opened.until("2026-03-13 10:00")
    assert opened.mails() == []
    assert {one.reason for one in opened.requests("P0") if one.step == "7d"} == {"campaign-not-approved"}
    found = approved(opened)
    assert (found.people, found.messages, found.sends) == (3, 6, 6)
    assert found.by_channel == {"email": 6}
    opened.until("2026-03-20 12:00")
    assert len(opened.mails()) == 6
    assert said(opened) == "runs"


def test_a_dry_run_sends_nothing_and_says_why_others_would_not_get_it(opened: Clinic) -> None:
    """Every gate is asked: of four one said no, one never said yes; nothing in the database but the run itself."""
    crowd(opened, 3)
    opened.books("Odd", on=FIRST)
    opened.opts_out("P0")
    before = {name: opened.count(name) for name in ("request", "communication", "campaign_hour")}
    found = planned(opened)
    assert opened.mails() == []
    assert {name: opened.count(name) for name in before} == before
    assert (found.people, found.sends) == (4, 4)
    assert sum(found.refused.values()) == 4
    assert found.judged == found.sends + sum(found.refused.values()) + sum(found.waits.values())


def test_a_sample_is_told_and_cannot_be_approved(opened: Clinic) -> None:
    """Half of them judged, nothing kept."""
    crowd(opened, 4)
    found = forecasting.plan(opened.gateway, RULE, by="anna", account="test", sample=4)
    assert (found.messages, found.judged, found.people) == (8, 4, 4)
    assert opened.count("campaign") == 0
    with pytest.raises(CommandError, match="dry run first"):
        deciding.approve(opened.gateway, RULE, people=4, **BY)


def test_whoever_approves_has_read_how_many_people_it_is(opened: Clinic) -> None:
    """Another number approves nothing; the same run is approved once."""
    crowd(opened, 2)
    planned(opened)
    with pytest.raises(CommandError, match="counted 2 people, not 3"):
        deciding.approve(opened.gateway, RULE, people=3, **BY)
    deciding.approve(opened.gateway, RULE, people=2, **BY)
    with pytest.raises(CommandError, match="nothing new to approve"):
        deciding.approve(opened.gateway, RULE, people=2, **BY)


def test_an_audience_beyond_the_rules_own_bound_cannot_be_approved(opened: Clinic, tmp_path: Path) -> None:
    """SN-03: more people than the rule's owner ever thought of are a mistake."""
    opened.restarts(rules=rules(tmp_path / "few", "campaign: {audience: 1}"))
    crowd(opened, 2)
    planned(opened)
    with pytest.raises(CommandError, match="more than 1 are a mistake"):
        deciding.approve(opened.gateway, RULE, people=2, **BY)


@pytest.mark.parametrize("swapped", ["template", "rule"])
def test_what_is_swapped_after_the_dry_run_holds_all_of_it(opened: Clinic, tmp_path: Path, swapped: str) -> None:
    """The approval was of other words: nothing leaves until somebody approves these."""
    handles = crowd(opened, 2)
    approved(opened)
    other = rules(tmp_path / "other", BOUNDS if swapped == "template" else "campaign: {daily: 9}")
    if swapped == "template":
        body = other / "templates" / "appointment_reminder" / "body.txt"
        body.write_text(body.read_text() + "\nBuy more.\n")
    opened.restarts(rules=other)
    opened.until("2026-03-13 12:00")
    assert opened.mails() == []
    assert why(opened, handles)["campaign-not-approved"] == 2
    assert "not what was approved" in said(opened)
    approved(opened)
    opened.until("2026-03-13 13:00")
    assert len(opened.mails()) == 2


def test_what_is_swapped_between_dry_run_and_approval_is_not_approved(opened: Clinic, tmp_path: Path) -> None:
    """Nobody has seen a dry run of it."""
    crowd(opened, 1)
    planned(opened)
    opened.restarts(rules=rules(tmp_path / "other", "campaign: {daily: 9}"))
    with pytest.raises(CommandError, match="have changed since the dry run"):
        deciding.approve(opened.gateway, RULE, people=1, **BY)


def test_an_audience_ten_times_as_large_as_approved_is_held_whole(opened: Clinic) -> None:
    """SN-03: not one message of it leaves, not even to those who were approved, until a person has looked."""
    crowd(opened, 2)
    approved(opened)
    handles = crowd(opened, 20, name="Q")
    opened.until("2026-03-13 12:00")
    assert opened.mails() == []
    assert why(opened, handles) == {"campaign-not-approved": 20}
    assert "20 people more than the 2 approved" in said(opened)
    assert approved(opened).people == 22
    opened.until("2026-03-13 13:00")
    assert len(opened.mails()) == 22


def test_a_tenth_more_people_than_approved_are_borne(opened: Clinic) -> None:
    """One more of ten leaves as well; the second more holds what is left."""
    crowd(opened, 10)
    approved(opened)
    crowd(opened, 1, name="Q")
    opened.until("2026-03-13 12:00")
    assert len(opened.mails()) == 11
    crowd(opened, 1, name="R")
    opened.until("2026-03-19 12:00")
    assert len(opened.mails()) == 11


def test_an_hour_takes_so_many_and_each_of_the_rest_has_an_hour_of_its_own(
    open_clinic: OpenClinic, tmp_path: Path
) -> None:
    """Seven due at once, three an hour: the limit is never passed, and nobody is asked about more than twice."""
    clinic = open_clinic()
    clinic.restarts(rules=rules(tmp_path / "slow", "campaign: {hourly: 3, ramp: [6], daily: 6}"))
    crowd(clinic, 7)
    approved(clinic)
    clinic.until("2026-03-13 23:00")
    hours = Counter(at - at % HOUR for at in clinic.post.times)
    assert sorted(hours.values()) == [3, 3]
    clinic.until("2026-03-14 12:00")
    assert len(clinic.mails()) == 7
    with clinic.gateway.store.read() as unit:
        rows = unit.lookup(tables.campaign_hour, ("sent", "promised"), "rule", [RULE])
    assert sum(sent for sent, _ in rows) == 7
    assert max(promised for _, promised in rows) <= 3


def test_many_workers_at_once_never_pass_the_limit(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """Thirty due at once, seven a day, eight workers: seven leave, whoever was quickest."""
    clinic = open_clinic()
    clinic.restarts(rules=rules(tmp_path / "slow", "campaign: {daily: 7}"))
    handles = crowd(clinic, 30)
    approved(clinic)
    clinic.clock.set(clinic.when("2026-03-13 12:00"))
    due = [one.id for handle in handles for one in clinic.requests(handle) if one.step == "7d"]
    with ThreadPoolExecutor(8) as workers:
        list(workers.map(clinic.deliverer.deliver, due))
    assert len(clinic.mails()) == 7
    with clinic.gateway.store.read() as unit:
        rows = unit.lookup(tables.campaign_hour, ("sent", "promised"), "rule", [RULE])
    assert (sum(sent for sent, _ in rows), sum(promised for _, promised in rows)) == (7, 23)
    assert max(promised for _, promised in rows) == 7


def test_the_share_held_out_is_never_written_to_and_known(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """About half of forty; each has an ended request, so that what the campaign did can be compared."""
    clinic = open_clinic()
    clinic.restarts(rules=rules(tmp_path / "half", "campaign: {holdout: 50}"))
    handles = crowd(clinic, 40)
    out = {handle for handle in handles if clinic.ended(handle) == ["holdout", "holdout"]}
    assert 8 <= len(out) <= 32
    found = approved(clinic)
    assert (found.holdout, found.people) == (len(out), 40 - len(out))
    clinic.until("2026-03-20 12:00")
    assert len(clinic.mails()) == 2 * (40 - len(out))
    assert not any(clinic.mailbox(handle) for handle in out)
    for handle in out:
        clinic.reschedules(handle, to="2026-04-20 09:30")
        assert set(clinic.ended(handle)) == {"holdout"}


def test_a_rule_without_bounds_is_no_campaign(clinic: Clinic) -> None:
    """The shipped reminder is none: the commands say so. Those that are need nobody while they have met nobody."""
    with pytest.raises(CommandError, match="no rule appointment-reminder with a `campaign`"):
        planned(clinic)
    with clinic.gateway.store.read() as unit:
        found = looking.campaigns(unit, clinic.gateway.rules.current())
    assert RULE not in {one.rule for one in found}
    assert [one.needs for one in found] == [None] * 4
    assert "campaigns" not in inspect.status(clinic.gateway).attention


def test_a_dry_run_counts_the_days_it_takes_without_the_nights(opened: Clinic, tmp_path: Path) -> None:
    """SM-17: from eight to nine in the evening are thirteen hours; fourteen messages at one an hour take two days."""
    opened.restarts(rules=rules(tmp_path / "hourly", "campaign: {hourly: 1}"))
    crowd(opened, 7)
    assert (planned(opened).sends, planned(opened).days) == (14, 2)
