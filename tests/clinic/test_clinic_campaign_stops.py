"""What stops a campaign: a person at any moment, or itself when too much of it comes back, is refused or answered with STOP."""

from __future__ import annotations

from pathlib import Path

import pytest
from clinic_campaigns import BY, RULE, approved, bounces, crowd, rules, said, why
from clinic_dsl import Clinic, OpenClinic

from gateway.model.alert import AlertKind
from gateway.model.comingback import ReceiptStatus
from gateway.model.errors import CommandError, Refused
from gateway.pipeline import conditions, inspect
from gateway.pipeline.campaigns import deciding, tripping


@pytest.fixture
def opened(open_clinic: OpenClinic, tmp_path: Path) -> Clinic:
    """Its only rule is a campaign; nobody has planned anything."""
    clinic = open_clinic()
    clinic.restarts(rules=rules(tmp_path / "rules"))
    return clinic


def test_a_person_stops_and_resumes_and_ends_it(opened: Clinic) -> None:
    """Stopped it waits, resumed it leaves, ended what is left is withdrawn; each with who and why in the audit log."""
    handles = crowd(opened, 2)
    approved(opened)
    deciding.stop(opened.gateway.store, RULE, **BY)
    opened.until("2026-03-13 12:00")
    assert (opened.mails(), why(opened, handles)["campaign-stopped"]) == ([], 2)
    with pytest.raises(CommandError, match="is stopped"):
        deciding.stop(opened.gateway.store, RULE, **BY)
    deciding.resume(opened.gateway.store, RULE, **BY)
    opened.until("2026-03-13 13:00")
    assert len(opened.mails()) == 2
    deciding.end(opened.gateway.store, RULE, **BY)
    opened.until("2026-03-20 12:00")
    assert len(opened.mails()) == 2
    assert why(opened, handles)["campaign-stopped"] == 2
    assert said(opened) == "is over"


def test_a_campaign_that_was_stopped_stays_so_though_its_rule_is_none_any_more(opened: Clinic, tmp_path: Path) -> None:
    """Who writes rules and may not resume a campaign takes its `campaign` away: what waits, waits, until somebody ends it."""
    handles = crowd(opened, 2)
    approved(opened)
    deciding.stop(opened.gateway.store, RULE, **BY)
    opened.restarts(rules=rules(tmp_path / "none", ""))
    opened.until("2026-03-13 12:00")
    assert (opened.mails(), why(opened, handles)["campaign-stopped"]) == ([], 2)
    opened.until("2026-03-14 12:00")
    assert opened.mails() == []
    deciding.end(opened.gateway.store, RULE, **BY)
    opened.until("2026-03-14 13:00")
    assert len(opened.mails()) == 2


@pytest.mark.parametrize("status", [ReceiptStatus.BOUNCED, ReceiptStatus.COMPLAINED])
def test_what_comes_back_or_is_complained_of_stops_it_until_a_person_resumes(
    open_clinic: OpenClinic, tmp_path: Path, status: ReceiptStatus
) -> None:
    """EM-30: two of twenty are beyond its bounds; one is not, and what stands before twenty says nothing."""
    clinic = open_clinic()
    bounds = "campaign: {stop_when: {at_least: 20, bounced: 10, complained: 10, opted_out: 100}}"
    clinic.restarts(rules=rules(tmp_path / "bounds", bounds))
    crowd(clinic, 20)
    approved(clinic)
    ruleset = clinic.gateway.rules.current().ruleset
    clinic.until("2026-03-13 12:00")
    assert len(clinic.mails()) == 20
    bounces(clinic, 1, status)
    assert tripping.stop_what_leaves_its_bounds(clinic.gateway.store, ruleset) == []
    bounces(clinic, 1 if status is ReceiptStatus.BOUNCED else 2, status)
    assert tripping.stop_what_leaves_its_bounds(clinic.gateway.store, ruleset) == [RULE]
    assert tripping.stop_what_leaves_its_bounds(clinic.gateway.store, ruleset) == []
    with clinic.gateway.store.read() as unit:
        found = [one for one in conditions.found(unit, clinic.gateway.site) if one.kind is AlertKind.CAMPAIGN_STOPPED]
    assert [one.source for one in found] == [RULE]
    assert any(one.kind == "campaign" for one in inspect.worklist(clinic.gateway))
    assert "campaigns" in inspect.status(clinic.gateway).attention
    clinic.until("2026-03-20 12:00")
    assert len(clinic.mails()) == 20
    deciding.resume(clinic.gateway.store, RULE, **BY)
    assert tripping.stop_what_leaves_its_bounds(clinic.gateway.store, ruleset) == []  # counted anew


@pytest.mark.parametrize("decide", [deciding.stop, deciding.end])
def test_what_was_cleared_before_it_was_stopped_does_not_leave(opened: Clinic, decide) -> None:
    """Between clearance and network, on whichever machine: no try is spent; resumed it leaves, ended it never does."""
    crowd(opened, 1)
    approved(opened)
    taken = opened.deliverer._cleared

    def cleared_then_stopped(request: int):
        found = taken(request)
        if found is not None:
            decide(opened.gateway.store, RULE, **BY)
        return found

    opened.deliverer._cleared = cleared_then_stopped  # type: ignore[method-assign]
    opened.until("2026-03-13 10:00")
    first = opened.requests("P0")[0]
    assert (opened.post.offered, first.reason, first.attempts) == ([], "campaign-stopped", 0)
    opened.deliverer._cleared = taken  # type: ignore[method-assign]
    if decide is deciding.stop:
        deciding.resume(opened.gateway.store, RULE, **BY)
    opened.until("2026-03-13 12:00")
    assert len(opened.mails()) == (decide is deciding.stop)


def bounded(open_clinic: OpenClinic, folder: Path, bound: str) -> Clinic:
    """Twenty people, and nothing stops it but what this says."""
    clinic = open_clinic()
    others = {"bounced": 100, "complained": 100, "opted_out": 100, "refused": 100}
    told = ", ".join(f"{name}: {most}" for name, most in {**others, bound: 10}.items())
    clinic.restarts(rules=rules(folder / "bounds", f"campaign: {{stop_when: {{at_least: 20, {told}}}}}"))
    crowd(clinic, 20)
    approved(clinic)
    return clinic


def stopped(clinic: Clinic) -> list[str]:
    """What stops now, by itself."""
    ruleset = clinic.gateway.rules.current().ruleset
    return tripping.stop_what_leaves_its_bounds(clinic.gateway.store, ruleset)


@pytest.mark.parametrize(("refuses", "stops"), [(1, []), (2, [RULE])])
def test_what_the_other_side_refuses_stops_it(
    open_clinic: OpenClinic, tmp_path: Path, refuses: int, stops: list[str]
) -> None:
    """EM-30: two of twenty refused for good are a tenth; one is not. What could not be reached is no refusal."""
    clinic = bounded(open_clinic, tmp_path, "refused")
    left = [Refused("550")] * refuses

    def refusing(_envelope: object) -> None:
        if left:
            raise left.pop()

    clinic.post.before = refusing
    clinic.until("2026-03-13 12:00")
    assert len(clinic.mails()) == 20 - refuses
    assert stopped(clinic) == stops


def test_those_who_say_stop_after_they_got_it_stop_it(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """SM-14: two of twenty say no after it came; who said no before anything came is none of its doing."""
    clinic = bounded(open_clinic, tmp_path, "opted_out")
    clinic.opts_out("P0", of="sms")
    clinic.opts_out("P1", of="sms")
    clinic.until("2026-03-13 12:00")
    assert (len(clinic.mails()), stopped(clinic)) == (20, [])
    clinic.opts_out("P2")
    clinic.opts_out("P2")
    assert stopped(clinic) == []
    clinic.opts_out("P3")
    assert stopped(clinic) == [RULE]
    assert "is stopped" in said(clinic)
