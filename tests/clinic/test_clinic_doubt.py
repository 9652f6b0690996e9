"""What comes late, early or in doubt: it may hold or end a send, and never makes one leave, twice or to somebody else."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from clinic_dsl import Clinic, OpenClinic
from clinic_site import shipped_policy, shipped_rule, write_rules

from gateway.model.when import DAY, MINUTE, SECOND
from gateway.pipeline import clearing, dispatch, inspect
from gateway.pipeline.inspect import opening
from gateway.pipeline.retention import purge_bodies, purge_facts
from gateway.pipeline.rows import OccurrenceRow
from gateway.store import tables

FIRST, WEEK, DAY_BEFORE = "2026-03-20 09:30", "2026-03-13 09:30", "2026-03-19 09:30"


@pytest.fixture
def booked(clinic: Clinic) -> Clinic:
    """Ann, who said yes to mail, is booked for Friday 2026-03-20 at 9:30."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    return clinic


# -- times


def test_a_booking_stamped_next_year_does_not_hide_its_cancellation(clinic: Clinic) -> None:
    """N-06: a source's clock that runs ahead is no newer than its receipt, or nothing after it would count."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST, at=clinic.clock.now() + 400 * DAY)
    clinic.cancels("Ann")
    clinic.passes("20d")
    assert (clinic.mails(), clinic.ended("Ann")) == ([], ["cancelled", "cancelled"])


def test_a_person_told_from_the_future_can_still_move(booked: Clinic) -> None:
    """N-06; PI-09: the next message about the person is the newest."""
    old = booked.person("Ann").email
    booked.changes("Ann", at=booked.clock.now() + 400 * DAY, pid={15: "en"})
    booked.person("Ann", email="xqzkwvbqk.annwzq@patients.example")
    booked.changes("Ann")
    booked.passes("20d")
    assert [mail.envelope.to.value == old for mail in booked.mails()] == [False, False]


def test_an_overtaken_message_still_makes_a_visit_confidential(clinic: Clinic) -> None:
    """PV-01; N-06; law 6: what is older may restrict, and nothing else."""
    clinic.enrols("Ann")
    now = clinic.clock.now()
    clinic.books("Ann", on=FIRST, at=now)
    visit = ["PV1|1|O|MAIN|||||||||||||VIP"]
    clinic.hears(clinic.schedules("S12", "Ann", start=FIRST, appointment="A001", at=now - 5 * SECOND, visit=visit))
    clinic.passes("20d")
    assert (clinic.mails(), clinic.ended("Ann")) == ([], ["expired", "expired"])
    assert "confidential-visit" in clinic.reasons("Ann")


# -- persons


def test_a_message_that_names_two_people_changes_nobodys_address(clinic: Clinic) -> None:
    """PI-01: twins, told apart by their numbers only: after a person has looked, Ann's mail still goes to Ann."""
    born, family = date(1980, 1, 1), "Vqxwzbkqvw"
    ann, ben = clinic.enrols("Ann", born=born, family=family), clinic.enrols("Ben", born=born, family=family)
    clinic.books("Ann", on=FIRST)
    clinic.changes("Ben", pid={3: f"{ann.mrn}^^^LAKESIDE^MR~{ben.mrn}^^^LAKESIDE^MR"})
    assert (clinic.holds("Ann"), clinic.holds("Ben")) == ({"identity-conflict"}, {"identity-conflict"})
    inspect.release_patient(
        clinic.gateway, clinic.token("Ann"), "identity-conflict", reason="twins", account="os:clerk"
    )
    clinic.passes("20d")
    assert (clinic.arrivals("Ann"), clinic.mailbox("Ben")) == ([WEEK, DAY_BEFORE], [])


def test_nobody_is_reminded_of_a_visit_that_is_somebody_elses(booked: Clinic) -> None:
    """Law 3: whatever led to it, a request and its occurrence must be the same person's when it is judged."""
    booked.enrols("Ben")
    ann, ben = booked.token("Ann"), booked.token("Ben")
    booked.books("Ben", on=FIRST, appointment="A002")
    with booked.gateway.store.begin("test") as uow:
        ((hers,),) = uow.lookup(tables.occurrence, ("id",), "patient", [ann])
        ((his,),) = uow.lookup(tables.occurrence, ("id",), "patient", [ben])
        waiting = uow.lookup(tables.request, ("id",), "occurrence", [hers])
        uow.update(tables.request, ("id",), ("occurrence", "material_version"), [(his, 7, one) for (one,) in waiting])
        uow.audit([("test",)])
        uow.commit()
    booked.passes("20d")
    assert (booked.mailbox("Ann"), booked.ended("Ann")) == ([], ["identity-conflict"] * 2)


# -- doubt


def test_what_cannot_be_judged_waits_for_a_person(booked: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 6: a fault of ours is seen and expires; it does not ring every minute for ever."""

    def stumble(*_: object) -> None:
        raise ZeroDivisionError(booked.person("Ann").family)

    monkeypatch.setattr(clearing, "decide", stumble)
    booked.until("2026-03-14 12:00")
    assert (booked.waiting("Ann"), booked.mails()) == (["unreadable"], [])


def test_an_attempt_that_was_settled_meanwhile_is_not_given_up(booked: Clinic) -> None:
    """Design: the sweep looks again under the locks that settling takes."""
    booked.until("2026-03-14 12:00")
    store = booked.gateway.store
    with store.read() as unit:
        ((attempt, request),) = unit.lookup(tables.communication, ("id", "request"), "patient", [booked.token("Ann")])
    assert not dispatch._give_up(store, attempt, request, booked.token("Ann"))
    assert booked.requests("Ann")[0].state == "completed"


def test_a_released_doubt_is_not_sent_when_the_late_outcome_says_it_left(booked: Clinic) -> None:
    """Design: a person said that it did not arrive; the worker, late, that it did: one mail."""

    def linger(_envelope: object) -> None:
        booked.post.before = None
        booked.clock.set(booked.clock.now() + 10 * MINUTE)
        booked.dispatcher.once()
        held = inspect.holds(booked.gateway)[0]
        inspect.release_request(booked.gateway, held.request, reason="not there", account="os:clerk")

    booked.post.before = linger
    booked.until("2026-03-15 12:00")
    assert (len(booked.mails()), booked.waiting("Ann")) == (1, [])


def test_who_moves_home_from_abroad_is_written_to_by_their_new_clock(booked: Clinic) -> None:
    """T-09; law 6: no window anywhere is looked at again, it does not wait for a person."""
    booked.changes("Ann", pid={11: "1 X^^Paris^^75001^FR^H"})
    booked.until("2026-03-14 12:00")
    assert (booked.mails(), booked.reasons("Ann")) == ([], ["no-plausible-window"])
    booked.changes("Ann")
    booked.passes("20d")
    assert booked.arrivals("Ann") == ["2026-03-14 12:30", DAY_BEFORE]


def test_a_code_that_got_its_entry_is_read_again() -> None:
    """PH-07: `plan --open` after the table was mended; everything else that is stored is newer or equal."""
    known = {"appointment.service": "unmapped", "appointment.location": "north"}
    row = OccurrenceRow(
        1, "Appointment", b"k", 1, 1, None, 0, "booked", "", 0, None, None, None, None, "", 1, b"", None, dict(known)
    )
    assert opening._merge([(b"k", {"appointment.service": "primary-care", "appointment.location": "main"})], row)
    assert row.facts == {"appointment.service": "primary-care", "appointment.location": "north"}


def test_a_rule_that_shows_more_from_today_sends_nothing_a_second_time(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """Design: only a changed fact repeats what was sent, never a changed rule file."""
    rule = shipped_rule("missed-appointment-follow-up", ("by: 1d", "by: 0h"))
    old = write_rules(tmp_path / "old", {"missed-appointment-follow-up": rule})
    more = rule.replace("appointment.start]", "appointment.start, appointment.location]")
    new = write_rules(tmp_path / "new", {"missed-appointment-follow-up": more})
    clinic = open_clinic(rules=old)
    clinic.enrols("Ann")
    clinic.books("Ann", on="2026-03-02 09:30")
    clinic.misses("Ann")
    clinic.restarts(rules=new)
    inspect.plan_open(clinic.gateway, dry_run=False, account="os:analyst")
    clinic.passes("5d")
    assert len(clinic.mails()) == 1


def test_a_new_rule_says_nothing_about_what_happened_long_ago(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """X-07: `plan --open` asks for the age of the event where the rule counts from it."""
    rule = shipped_rule("missed-appointment-follow-up", ("by: 1d", "by: 0h"))
    new = write_rules(tmp_path / "new", {"missed-appointment-follow-up": rule})
    clinic = open_clinic(rules=write_rules(tmp_path / "old", {}))
    clinic.enrols("Ann")
    clinic.books("Ann", on="2026-03-02 09:30")
    clinic.misses("Ann")
    clinic.passes("4d")
    clinic.restarts(rules=new)
    assert inspect.plan_open(clinic.gateway, dry_run=False, account="os:analyst").withheld == {"too-old": 1}
    clinic.passes("5d")
    assert clinic.mails() == []


# -- evidence


def test_a_declared_basis_is_audited_as_the_consent_it_is(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """Law 2; PH-10: an entry the gateway writes by itself is in the log like one a clerk writes."""
    basis = "basis:\n  - {purpose: TREAT, channel: email, topic: appointments, because: Notice 4}"
    rules = write_rules(tmp_path / "own", {}, policy=shipped_policy(("basis: []", basis)))
    clinic = open_clinic(rules=rules)
    clinic.adds("Ann")
    assert ["permit", "TREAT", "email", "appointments"] in [entry[2:] for entry in clinic.entries("Ann")]


def test_going_back_to_an_earlier_rule_set_is_audited(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """Law 2: whoever puts rules in force is named, also when they were in force before."""
    rule = shipped_rule("appointment-reminder")
    old = write_rules(tmp_path / "old", {"appointment-reminder": rule})
    new = write_rules(tmp_path / "new", {"appointment-reminder": rule.replace("7d, ", "")})
    clinic = open_clinic(rules=old)
    for rules in (old, new, old):
        clinic.restarts(rules=rules)
    assert clinic.count("ruleset") == 3


def test_what_is_over_is_forgotten_in_time(booked: Clinic) -> None:
    """Law 5: a visit that nobody said took place is over all the same; what is ahead is kept."""
    booked.enrols("Ben")
    booked.books("Ben", on="2026-09-20 09:30")
    booked.passes("60d")
    assert purge_facts(booked.gateway.store, 30 * DAY) == 1
    assert purge_bodies(booked.gateway.store, 30 * DAY) == 2
    assert (purge_facts(booked.gateway.store, 30 * DAY), purge_bodies(booked.gateway.store, 30 * DAY)) == (0, 0)
    booked.passes("200d")
    assert len(booked.arrivals("Ben")) == 2
