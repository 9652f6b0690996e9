"""Recalls: once per patient, needless after another event, in effect on some days, worded one way or another.

Whatever the order in which the messages come, the same messages wait in the end.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from clinic_dsl import Clinic, OpenClinic
from clinic_site import shipped_policy, shipped_rule, write_rules

from gateway.model.when import DAY, HOUR
from gateway.pipeline import across, inspect
from gateway.pipeline.retention import purge_facts
from gateway.pipeline.rows import RequestRow
from gateway.store import tables
from gateway.store.statement import Row, Rows
from gateway.store.uow import UnitOfWork

RECALL = """\
rule: recall
owner: care@lakeside.example
why: A year after a visit it is time for another.
once_per: patient
cancel:
  event: [encounter.registered]
  where: {encounter.class: outpatient}
when:
  event: [appointment.booked, appointment.rescheduled]
  where:
    appointment.status: booked
send:
  purpose: TREAT
  remuneration: none
  topic: appointments
  channels: [email]
  template: missed_appointment
  at: {after: appointment.start, by: 1y, time: "09:00"}
  expires_after: 30d
  reveals: [patient.given_name, appointment.start]
"""
EARLY, LATE = "2026-03-20 09:30", "2026-05-05 14:00"
AFTER_EARLY, AFTER_LATE = "2027-03-20 09:00", "2027-05-05 09:00"


@pytest.fixture
def recalling(open_clinic: OpenClinic, tmp_path: Path) -> Callable[..., Clinic]:
    """Opens a clinic with the recall rule, its text changed: `recalling(("old", "new"))`."""

    def _open(*changes: tuple[str, str], policy: str = "", templates: dict[str, str] | None = None) -> Clinic:
        rules = {"recall": changed(*changes)}
        clinic = open_clinic(rules=write_rules(tmp_path / "own", rules, policy=policy, templates=templates))
        clinic.enrols("Ann")
        return clinic

    return _open


def changed(*changes: tuple[str, str]) -> str:
    text = RECALL
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def entries(clinic: Clinic, action: str) -> list[list[object]]:
    return [entry for entry in clinic.entries("Ann") if entry[0] == action]


# -- once per patient


@pytest.mark.parametrize("order", [(EARLY, LATE), (LATE, EARLY)])
def test_only_the_latest_visit_recalls(recalling: Callable[..., Clinic], order: tuple[str, str]) -> None:
    """Whichever is heard of first; and the trace says which other one stands in the way."""
    clinic = recalling()
    for start in order:
        clinic.books("Ann", on=start)
    assert clinic.planned("Ann") == [AFTER_LATE]
    clinic.passes("450d")
    assert clinic.arrivals("Ann") == [AFTER_LATE]
    if order[0] == EARLY:
        ((_, _, reason, where),) = entries(clinic, "request.withdrawn")
        assert reason == "superseded"
        assert str(where).startswith("recall.yaml: once_per, occurrence ")
    else:
        assert [entry[4] for entry in entries(clinic, "request.withheld")] == ["superseded"]


def test_what_was_recalled_for_the_later_visit_is_not_recalled_for_the_earlier(
    recalling: Callable[..., Clinic],
) -> None:
    """Also once it has left, and whatever is told about the earlier visit."""
    clinic = recalling()
    clinic.books("Ann", on=EARLY, appointment="A1")
    clinic.books("Ann", on=LATE, appointment="A2")
    clinic.passes("430d")
    clinic.reschedules("Ann", to="2026-05-01 09:30", appointment="A1")
    clinic.passes("60d")
    assert clinic.arrivals("Ann") == [AFTER_LATE]


def test_a_cancelled_later_visit_no_longer_stands_in_the_way(recalling: Callable[..., Clinic]) -> None:
    """What is told next about the earlier one plans its recall again."""
    clinic = recalling()
    clinic.books("Ann", on=EARLY, appointment="A1")
    clinic.books("Ann", on=LATE, appointment="A2")
    clinic.cancels("Ann", appointment="A2")
    assert clinic.planned("Ann") == []
    clinic.reschedules("Ann", to="2026-03-21 09:30", appointment="A1")
    assert clinic.planned("Ann") == ["2027-03-21 09:00"]


def test_each_patient_has_a_latest_visit_of_their_own(recalling: Callable[..., Clinic]) -> None:
    """A visit of Ben's is nothing to Ann."""
    clinic = recalling()
    clinic.enrols("Ben")
    clinic.books("Ann", on=EARLY)
    clinic.books("Ben", on=LATE)
    assert (clinic.planned("Ann"), clinic.planned("Ben")) == ([AFTER_EARLY], [AFTER_LATE])


def test_each_kind_of_visit_has_a_latest_of_its_own(recalling: Callable[..., Clinic]) -> None:
    """`alike`: a later visit to the heart outdoes the earlier one there, and leaves the family doctor's alone."""
    clinic = recalling(("once_per: patient", "once_per: patient\nalike: [appointment.service]"))
    for name, start, service in (("A1", EARLY, "PCP"), ("A2", LATE, "CARD"), ("A3", "2026-06-01 09:30", "CARD")):
        clinic.books("Ann", on=start, appointment=name, service=service)
    assert clinic.planned("Ann") == [AFTER_EARLY, "2027-06-01 09:00"]


def test_only_a_visit_of_the_same_kind_cancels(recalling: Callable[..., Clinic]) -> None:
    """`alike` with `cancel`: another booking does not, one of the same service does."""
    clinic = recalling(
        ("once_per: patient", "alike: [appointment.service]"),
        ("event: [encounter.registered]\n  where: {encounter.class: outpatient}", "event: [appointment.missed]"),
    )
    clinic.books("Ann", on=EARLY, appointment="A1", service="PCP")
    clinic.books("Ann", on=EARLY, appointment="A2", service="CARD", trigger="S26")
    assert clinic.planned("Ann") == [AFTER_EARLY]
    clinic.books("Ann", on=EARLY, appointment="A3", service="PCP", trigger="S26")
    assert clinic.ended("Ann") == ["cancelled-by-event"]


# -- cancelled by another event


def test_a_visit_that_takes_place_makes_the_recall_needless(recalling: Callable[..., Clinic]) -> None:
    """With the rule's line and the other occurrence on record; another kind of visit changes nothing."""
    clinic = recalling()
    clinic.books("Ann", on=EARLY)
    clinic.passes("200d")
    clinic.admits("Ann")
    clinic.discharges("Ann")
    assert clinic.planned("Ann") == [AFTER_EARLY]
    clinic.registers("Ann")
    ((_, _, reason, where),) = entries(clinic, "request.withdrawn")
    assert reason == "cancelled-by-event"
    assert str(where).startswith("recall.yaml:5: encounter.registered, occurrence ")
    assert any("withdrawn: cancelled-by-event recall.yaml:5" in line for line in clinic.story("Ann"))
    clinic.passes("300d")
    assert clinic.mails() == []


def test_what_was_known_before_cancels_nothing(recalling: Callable[..., Clinic]) -> None:
    """The visit was registered a week before the other was booked."""
    clinic = recalling()
    clinic.registers("Ann")
    clinic.passes("7d")
    clinic.books("Ann", on=EARLY)
    assert clinic.planned("Ann") == [AFTER_EARLY]


def test_what_happened_later_and_is_heard_first_cancels_too(recalling: Callable[..., Clinic]) -> None:
    """The booking reaches us after the visit that came of it."""
    clinic = recalling()
    clinic.registers("Ann")
    clinic.books("Ann", on=EARLY, at=clinic.clock.now() - HOUR)
    assert clinic.planned("Ann") == []
    assert [entry[4] for entry in entries(clinic, "request.withheld")] == ["cancelled-by-event"]


def test_what_was_made_needless_stays_so(recalling: Callable[..., Clinic]) -> None:
    """A repeated message about the visit plans nothing again; a new time for it is judged like the first."""
    clinic = recalling()
    clinic.books("Ann", on=EARLY)
    clinic.registers("Ann")
    clinic.modifies("Ann", place="NORTH")
    clinic.passes("1d")
    assert clinic.planned("Ann") == []
    clinic.reschedules("Ann", to=LATE)
    assert clinic.planned("Ann") == [AFTER_LATE]


def test_a_baseline_plans_nothing_and_still_cancels(recalling: Callable[..., Clinic]) -> None:
    """Go-live day: what is loaded makes needless what waits already."""
    clinic = recalling()
    clinic.books("Ann", on=EARLY)
    visit = clinic.visit("A04", "Ann", pv1={2: "O", 3: "MAIN", 10: "MED", 19: "V9^^^LAKESIDE"})
    clinic.hears(visit, baseline=True)
    assert clinic.ended("Ann") == ["cancelled-by-event"]


def test_a_condition_may_ask_about_the_person(recalling: Callable[..., Clinic]) -> None:
    """Only of grown-ups does the visit count."""
    clinic = recalling(("{encounter.class: outpatient}", "{encounter.class: outpatient, patient.age: {at_least: 130}}"))
    clinic.books("Ann", on=EARLY)
    clinic.registers("Ann")
    assert clinic.planned("Ann") == [AFTER_EARLY]


def test_a_part_that_is_cancelled_with_the_whole_makes_the_recall_needless(recalling: Callable[..., Clinic]) -> None:
    """SI-22: no message of its own says so; the part was in the north, the whole is not."""
    clinic = recalling(
        ("[encounter.registered]", "[appointment.cancelled]"),
        ("encounter.class: outpatient", "appointment.location: north"),
    )
    clinic.books("Ann", on=LATE, appointment="A1")
    clinic.books("Ann", on=EARLY, appointment="C1", place="NORTH", sch={23: "TOP^PLACER", 24: "TOP^SCHED"})
    assert clinic.planned("Ann") == [AFTER_LATE]
    clinic.books("Ann", on=EARLY, trigger="S15", appointment="TOP", status="Cancelled")
    assert clinic.ended("Ann") == ["cancelled-by-event"]


# -- merges


def test_a_merge_leaves_one_recall_and_its_undoing_both(recalling: Callable[..., Clinic]) -> None:
    """AD-31: two numbers were one person; the later visit's recall stays, and comes back apart when they were not."""
    clinic = recalling()
    clinic.enrols("Anna")
    clinic.books("Ann", on=EARLY)
    clinic.books("Anna", on=LATE)
    clinic.merges("Anna", into="Ann")
    assert clinic.planned("Ann") == [AFTER_LATE]
    assert clinic.ended("Ann") == ["superseded"]
    undo_the_merge(clinic)
    assert clinic.planned("Ann") == [AFTER_EARLY]
    assert clinic.planned("Anna") == [AFTER_LATE]


def undo_the_merge(clinic: Clinic) -> None:
    """By its id, which the trace shows."""
    (merge,) = [entry[3] for entry in clinic.entries("Ann") if entry[0] == "patient.merged"]
    inspect.unmerge(clinic.gateway, int(str(merge)), reason="ticket 9", account="os:officer")


def test_a_merge_brings_the_event_that_makes_it_needless(recalling: Callable[..., Clinic]) -> None:
    """The visit was registered under the other number; and again after the merge, under either."""
    clinic = recalling()
    clinic.enrols("Anna")
    clinic.books("Ann", on=EARLY)
    clinic.registers("Anna")
    assert clinic.planned("Ann") == [AFTER_EARLY]
    clinic.merges("Anna", into="Ann")
    assert clinic.ended("Ann") == ["cancelled-by-event"]
    clinic.books("Ann", on=LATE)
    clinic.registers("Anna")
    assert clinic.ended("Ann") == ["cancelled-by-event", "cancelled-by-event"]


def test_what_was_planned_anew_is_not_doubled_when_a_merge_is_undone(recalling: Callable[..., Clinic]) -> None:
    """PH-10: the earlier visit moved behind the other meanwhile."""
    clinic = recalling()
    clinic.enrols("Anna")
    clinic.books("Ann", on=EARLY, appointment="A1")
    clinic.books("Anna", on=LATE, appointment="A2")
    clinic.merges("Anna", into="Ann")
    clinic.reschedules("Ann", to="2026-06-01 09:30", appointment="A1")
    assert clinic.planned("Ann") == ["2027-06-01 09:00"]
    undo_the_merge(clinic)
    assert clinic.planned("Ann") == ["2027-06-01 09:00"]


# -- any order


def _messages(clinic: Clinic) -> list[bytes]:
    """Three bookings, a visit and another person's booking, all of one instant."""
    at = clinic.clock.now() + 1000
    booked = [
        clinic.schedules("S12", who, start=start, appointment=name, at=at)
        for who, start, name in [("Ann", EARLY, "A1"), ("Ann", LATE, "A2"), ("Ben", EARLY, "B1"), ("Ben", EARLY, "B2")]
    ]
    seen = [clinic.visit("A04", who, at=at, pv1={2: kind, 3: "MAIN", 10: "MED", 19: f"V{who}^^^LAKESIDE"})
            for who, kind in (("Ann", "I"), ("Cyd", "O"))]  # fmt: skip
    late = clinic.schedules("S12", "Cyd", start=LATE, appointment="C1", at=at)
    return [*booked, *seen, late]


def _decided(clinic: Clinic) -> list[tuple[str, list[str]]]:
    """What waits for each, by due time and by the appointment it is about."""
    columns = ("occurrence", "due")
    found = []
    for who in ("Ann", "Ben", "Cyd"):
        with clinic.gateway.store.read() as unit:
            rows = unit.lookup(tables.request, (*columns, "state"), "patient", [clinic.token(who)])
            keys = dict(unit.lookup(tables.occurrence, ("id", "key"), "id", sorted({row[0] for row in rows})))
        found.append((who, sorted(f"{bytes(keys[one]).hex()} {due}" for one, due, state in rows if state == "active")))
    return found


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "one by one"])
def test_any_order_of_what_happened_in_one_instant_decides_the_same(
    open_clinic: OpenClinic, tmp_path: Path, together: bool
) -> None:
    """Rules and events shuffled: the same messages wait (issue 4). Two visits of one time: their keys decide."""
    names = ["aa", "mm", "zz"]
    texts = {name: changed(("rule: recall", f"rule: {name}")) for name in names}
    texts["mm"] = texts["mm"].replace("once_per: patient\n", "")
    clinic = open_clinic(rules=write_rules(tmp_path / "own", texts))
    for who in ("Ann", "Ben", "Cyd"):
        clinic.enrols(who)
    messages = _messages(clinic)
    orders = list(itertools.permutations(range(len(messages))))
    start = clinic.clock.now()
    expected = None
    for order in random.Random(7).sample(orders, 6):
        forget(clinic)
        clinic.clock.set(start)
        shuffled = [messages[number] for number in order]
        if together:
            clinic.hears_together(*shuffled)
        else:
            for one in shuffled:
                clinic.hears(one)
                clinic.clock.set(start)
        decided = _decided(clinic)
        expected = expected or decided
        assert decided == expected, order
    assert expected is not None
    assert [len(waiting) for _, waiting in expected] == [4, 4, 0]


def forget(clinic: Clinic) -> None:
    """As if nothing had been heard but who people are; behind the gateway's back, which allows no such thing."""
    url = sa.make_url(clinic.url)
    engine = sa.create_engine(url.set(drivername="postgresql+psycopg") if "postgres" in clinic.url else url)
    with engine.begin() as link:
        for table in (tables.request, tables.occurrence, tables.raw):
            link.execute(sa.delete(table))
    engine.dispose()


# -- when it is due


def test_what_a_newer_rule_looks_at_is_looked_at_when_it_leaves(
    recalling: Callable[..., Clinic], tmp_path: Path
) -> None:
    """Two were planned under a rule that allowed two; the rule in force allows the latest."""
    clinic = recalling(("once_per: patient\n", ""))
    clinic.books("Ann", on=EARLY)
    clinic.books("Ann", on=LATE)
    assert clinic.planned("Ann") == [AFTER_EARLY, AFTER_LATE]
    clinic.restarts(rules=write_rules(tmp_path / "newer", {"recall": RECALL}))
    report = {(one.outcome, one.reason): one.count for one in inspect.would_send(clinic.gateway, "ehr")}
    assert report == {("withdraw", "superseded"): 1, ("send", ""): 1}
    clinic.passes("450d")
    assert clinic.arrivals("Ann") == [AFTER_LATE]
    assert clinic.ended("Ann") == ["superseded"]


def test_the_facts_of_a_visit_are_kept_while_its_recall_waits(recalling: Callable[..., Clinic]) -> None:
    """Law 5: what a waiting message will show is used; once it has left, the facts go."""
    clinic = recalling()
    clinic.books("Ann", on=EARLY)
    clinic.passes("200d")
    assert purge_facts(clinic.gateway.store, 30 * DAY) == 0
    clinic.passes("200d")
    assert clinic.arrivals("Ann") == [AFTER_EARLY]
    assert "March 20" in clinic.mailbox("Ann")[0].text
    assert purge_facts(clinic.gateway.store, 30 * DAY) == 1


# -- days in effect


def test_a_message_due_after_the_rules_days_is_not_planned(recalling: Callable[..., Clinic]) -> None:
    """It is known today that it would never leave."""
    clinic = recalling(("once_per: patient", "effective: {until: 2027-03-31}"))
    clinic.books("Ann", on=EARLY)
    clinic.books("Ann", on=LATE)
    assert clinic.planned("Ann") == [AFTER_EARLY]
    assert [entry[4] for entry in entries(clinic, "request.withheld")] == ["not-in-effect"]


def test_on_other_days_a_rule_plans_nothing_and_the_trace_says_so(recalling: Callable[..., Clinic]) -> None:
    """With its line; what was planned before its days were changed is withdrawn."""
    clinic = recalling(("once_per: patient", "effective: {from: 2026-04-01, until: 2031-01-01}"))
    clinic.books("Ann", on=EARLY)
    assert clinic.planned("Ann") == []
    assert any("rule recall does not apply: line 4, effective" in line for line in clinic.story("Ann"))
    clinic.passes("40d")
    clinic.books("Ann", on=LATE)
    assert clinic.planned("Ann") == [AFTER_LATE]


def test_what_waits_when_the_days_are_over_is_withdrawn(recalling: Callable[..., Clinic], tmp_path: Path) -> None:
    """When it falls due, or when the next message comes about the visit."""
    clinic = recalling()
    clinic.books("Ann", on=EARLY, appointment="A1")
    clinic.enrols("Ben")
    clinic.books("Ben", on=EARLY, appointment="B1")
    over = changed(("once_per: patient", "effective: {until: 2026-06-30}"))
    clinic.restarts(rules=write_rules(tmp_path / "newer", {"recall": over}))
    clinic.passes("150d")
    clinic.modifies("Ben", appointment="B1", place="NORTH")
    assert clinic.ended("Ben") == ["not-in-effect"]
    assert [(one.outcome, one.reason) for one in inspect.would_send(clinic.gateway, "ehr")] == [
        ("withdraw", "not-in-effect")
    ]
    clinic.passes("300d")
    assert clinic.ended("Ann") == ["not-in-effect"]
    ((_, _, _, where),) = entries(clinic, "request.withdrawn")
    assert where == "recall.yaml:4: effective"
    assert clinic.mails() == []


# -- wordings


def test_a_patient_always_gets_the_same_wording(recalling: Callable[..., Clinic]) -> None:
    """Both steps of everybody are of one kind, both kinds occur, and the audit log says which."""
    variants = "variants: [{name: short, template: a, share: 50}, {name: long, template: b, share: 50}]"
    texts = {"a": "A {{ patient.given_name }} {{ opt_out }}\n", "b": "B {{ patient.given_name }} {{ opt_out }}\n"}
    clinic = recalling(
        ("template: missed_appointment", variants),
        ('by: 1y, time: "09:00"', "by: 1d, every: 1d, times: 2"),
        templates=texts,
    )
    people = ["Ann", *(f"P{number}" for number in range(11))]
    for one in people[1:]:
        clinic.enrols(one)
    for one in people:
        clinic.books(one, on=EARLY)
    clinic.passes("30d")
    drawn = {}
    for one in people:
        (first, second) = clinic.mailbox(one)
        assert first.text[0] == second.text[0]
        cleared = [entry for entry in clinic.entries(one) if entry[0] == "communication.cleared"]
        names = {entry[5] for entry in cleared}
        assert names == {{"A": "short", "B": "long"}[first.text[0]]}
        drawn[one] = names.pop()
    assert set(drawn.values()) == {"short", "long"}
    assert any(f"rule recall, variant {drawn['Ann']}: every gate permitted" in line for line in clinic.story("Ann"))
    with clinic.gateway.store.read() as unit:
        rows = unit.lookup(tables.communication, ("template",), "patient", [clinic.token("Ann")])
    assert {name for (name,) in rows} == {{"short": "a", "long": "b"}[drawn["Ann"]]}


# -- caps


def test_a_cap_of_a_channel_makes_the_second_message_wait(recalling: Callable[..., Clinic]) -> None:
    """One mail in three days: the second of two daily ones leaves two days late."""
    policy = shipped_policy(("caps:\n", "caps:\n  - {per: patient, channel: email, at_most: 1, within: 3d}\n"))
    clinic = recalling(('by: 1y, time: "09:00"', "by: 1d, every: 1d, times: 2"), policy=policy)
    clinic.books("Ann", on=EARLY)
    clinic.passes("30d")
    assert clinic.arrivals("Ann") == ["2026-03-21 09:30", "2026-03-24 09:30"]


# -- and nothing for those who do not ask


def test_what_waits_for_the_patients_of_a_batch_is_looked_up_at_once(
    recalling: Callable[..., Clinic], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A feed of bookings asks for each whether a recall waits: once for all of them, not once each."""
    clinic = recalling(("[encounter.registered]", "[appointment.missed]"), ("encounter.class: outpatient", ""))
    asked = []
    lookup = UnitOfWork.lookup

    def heard(uow: UnitOfWork, table: Rows, columns: tuple[str, ...], key: str, values: Any, **more: Any) -> list[Row]:
        if values and (table, columns, key) == (tables.request, RequestRow.COLUMNS, "patient"):
            asked.append(len(values))
        return lookup(uow, table, columns, key, values, **more)

    for handle in ("Ben", "Cyd"):
        clinic.enrols(handle)
    monkeypatch.setattr(UnitOfWork, "lookup", heard)
    missed = [clinic.schedules("S26", who, start=EARLY, appointment=f"M{who}") for who in ("Ann", "Ben", "Cyd")]
    clinic.hears_together(*missed)
    assert asked == [3]


def test_rules_that_do_not_look_across_look_nothing_up(
    open_clinic: OpenClinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shipped rules cost what they cost before."""
    clinic = open_clinic(
        rules=write_rules(tmp_path / "own", {"appointment-reminder": shipped_rule("appointment-reminder")})
    )

    def never(*_: object) -> None:
        raise AssertionError("looked up for nothing")

    monkeypatch.setattr(across.Across, "_load", never)
    monkeypatch.setattr(across.Across, "settle", lambda *_: pytest.fail("settled for nothing"))
    clinic.enrols("Ann")
    clinic.books("Ann", on=EARLY)
    clinic.registers("Ann")
    clinic.passes("20d")
    assert len(clinic.arrivals("Ann")) == 2
