"""Several people and processes at one campaign: nobody's word is lost, and what one began another ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from clinic_campaigns import BY, FIRST, RULE, approved, crowd, planned, rules, why
from clinic_dsl import Clinic, OpenClinic

from gateway.model.errors import Conflict
from gateway.pipeline import campaigns
from gateway.pipeline.campaigns import deciding, ringing
from gateway.pipeline.campaigns.standing import in_force
from gateway.store import tables

SOON = 0.3  # seconds in which the other would be through, were it not kept waiting


@pytest.fixture
def fresh(open_clinic: OpenClinic, tmp_path: Path) -> Clinic:
    """Its only rule is a campaign; two people are planned for, and nobody has decided anything."""
    clinic = open_clinic()
    clinic.restarts(rules=rules(tmp_path / "rules"))
    crowd(clinic, 2)
    return clinic


@pytest.fixture
def opened(fresh: Clinic) -> Clinic:
    """It runs."""
    approved(fresh)
    return fresh


def beside(act: Callable[[], Any]) -> threading.Thread:
    """Another person does it at the same moment."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(SOON)
    return thread


def test_who_stops_a_campaign_while_another_approves_it_anew_stops_it(
    opened: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newer approval waits for the stop or the stop for it: never is what is stopped what is no more in force."""
    planned(opened)
    store, others, ours = opened.gateway.store, [], threading.current_thread()

    def looked(unit: Any, rule: str) -> Any:
        found = in_force(unit, rule)
        if not others and threading.current_thread() is ours:
            others.append(beside(lambda: deciding.approve(opened.gateway, RULE, people=2, **BY)))
        return found

    monkeypatch.setattr(import_module("gateway.pipeline.campaigns.standing"), "in_force", looked)
    deciding.stop(store, RULE, **BY)
    others[0].join()
    with store.read() as unit:
        rows = unit.lookup(tables.campaign, ("state",), "rule", [RULE])
    # the stop first, and a person approved afterwards; or the approval first, and what it approved is stopped
    assert sorted(state for (state,) in rows) in (["approved", "replaced"], ["replaced", "stopped"])


def test_one_dry_run_is_approved_once_by_whoever_is_first(fresh: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two people read the same: the second hears that there is nothing new to approve."""
    planned(fresh)
    check, others, heard, ours = deciding._check, [], [], threading.current_thread()

    def second() -> None:
        try:
            deciding.approve(fresh.gateway, RULE, people=2, **BY | {"by": "ben"})
        except Exception as error:
            heard.append(str(error))

    def checked(*told: Any) -> None:
        check(*told)
        if threading.current_thread() is ours:
            others.append(beside(second))

    monkeypatch.setattr(deciding, "_check", checked)
    deciding.approve(fresh.gateway, RULE, people=2, **BY)
    others[0].join()
    assert [one.partition(":")[0] for one in heard] == ["nothing new to approve"]


def test_whom_a_message_plans_while_a_dry_run_counts_is_counted(fresh: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """SN-03: between what the dry run saw and what was planned since there is nobody, whichever commits first."""
    count, others = campaigns.count_planned, []

    def counted(*told: Any) -> None:
        count(*told)
        others.append(beside(lambda: planned(fresh)))

    monkeypatch.setattr(campaigns, "count_planned", counted)
    fresh.enrols("Q")
    others.clear()
    fresh.books("Q", on=FIRST)
    for other in others:
        other.join()
    with fresh.gateway.store.read() as unit:
        rows = unit.lookup(tables.campaign, ("id", "people", "planned"), "rule", [RULE])
    assert max(rows)[1:] in ((3, 0), (2, 1))


def test_what_a_person_decided_is_told_to_a_million_by_whoever_runs(
    opened: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decision is one short unit; those who wait are asked again in the background, by another process if ours is killed."""
    store = opened.gateway.store
    deciding.stop(store, RULE, **BY)
    opened.until("2026-03-13 12:00")
    handles = ["P0", "P1"]
    assert why(opened, handles)["campaign-stopped"] == 2
    deciding.resume(store, RULE, **BY)
    opened.clock.set(opened.clock.now() + 60_000)
    monkeypatch.setattr(ringing, "BATCH", 1)
    turns = iter([False, True])
    assert ringing.ask_again(store, stopping=lambda: next(turns)) == 1  # and then it was told to stop
    assert ringing.ask_again(store) == 1
    assert ringing.ask_again(store) == 0
    opened.looks()
    assert len(opened.mails()) == 2


def test_who_waits_is_not_asked_any_more_once_it_is_stopped_again(opened: Clinic) -> None:
    """What was decided last holds: a stop ends the asking that a resume began."""
    store = opened.gateway.store
    deciding.stop(store, RULE, **BY)
    opened.until("2026-03-13 12:00")
    deciding.resume(store, RULE, **BY)
    deciding.stop(store, RULE, **BY)
    assert ringing.ask_again(store) == 0


def test_the_worker_asks_in_the_background(opened: Clinic) -> None:
    """It goes by itself, alone, and is over when there is nobody left to ask."""
    store = opened.gateway.store
    deciding.stop(store, RULE, **BY)
    opened.until("2026-03-13 12:00")
    deciding.resume(store, RULE, **BY)
    worker = ringing.Ringing(store)
    assert (worker.once(), worker.once()) == (2, 0)


def test_two_that_ask_at_once_do_not_pass_each_other(opened: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another has moved on meanwhile this one's part is undone, and nobody is left out."""
    store = opened.gateway.store
    deciding.stop(store, RULE, **BY)
    opened.until("2026-03-13 12:00")
    deciding.resume(store, RULE, **BY)
    ask, asked = ringing._ask, []

    def late(*told: Any) -> int:
        if not asked:
            asked.append(0)
            asked.append(ringing.ask_again(store))
        return ask(*told)

    monkeypatch.setattr(ringing, "_ask", late)
    with pytest.raises(Conflict):
        ringing.ask_again(store)
    assert asked == [0, 2]
