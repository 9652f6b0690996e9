"""Delivery: a line that fails is tried again, a refusal ends it, a doubt waits for a person, and nothing leaves twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from clinic_dsl import Answer, Clinic, OpenClinic
from clinic_site import shipped_rule, write_rules

from gateway.model.when import MINUTE
from gateway.pipeline import inspect
from gateway.store import tables

FIRST, WEEK, DAY_BEFORE = "2026-03-20 09:30", "2026-03-13 09:30", "2026-03-19 09:30"


@pytest.fixture
def booked(clinic: Clinic) -> Clinic:
    """Ann, who said yes to mail, is booked for Friday 2026-03-20 at 9:30."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    return clinic


def _attempts(clinic: Clinic) -> list[str]:
    with clinic.gateway.store.read() as unit:
        rows = unit.lookup(tables.communication, ("id", "status"), "patient", [clinic.token("Ann")])
    return [status for _, status in sorted(rows)]


def test_a_relay_that_is_down_is_tried_again_ever_later(booked: Clinic) -> None:
    """ES-01; law 4: provably not accepted: after 1, 5, 15 and 60 minutes, and then it arrives once."""
    booked.post.will(*[Answer.UNAVAILABLE] * 4)
    booked.until("2026-03-14 09:00")
    assert booked.arrivals("Ann") == ["2026-03-13 10:51"]
    assert _attempts(booked) == ["not-done"] * 4 + ["completed"]
    assert booked.reasons("Ann") == ["channel-unavailable"]


def test_a_relay_that_stays_down_past_the_visit_ends_the_reminder(booked: Clinic) -> None:
    """SM-17: the database is the one retry authority, and it stops when there is nothing to remind of."""
    booked.post.will(*[Answer.UNAVAILABLE] * 200)
    booked.passes("30d")
    assert (booked.mails(), booked.ended("Ann")) == ([], ["expired", "expired"])


def test_a_refused_mail_is_not_offered_again(booked: Clinic) -> None:
    """ES-02: 550 is permanent; the reminder ends, the next one is a new try."""
    booked.post.will(Answer.REFUSE)
    booked.passes("18d")
    assert booked.arrivals("Ann") == [DAY_BEFORE]
    assert (booked.ended("Ann"), _attempts(booked)) == (["refused"], ["stopped", "completed"])


@pytest.mark.parametrize("answer", [Answer.LOSE, Answer.KEEP_SILENT])
def test_an_ambiguous_outcome_is_never_sent_again_by_itself(booked: Clinic, answer: Answer) -> None:
    """ES-03; design: lost after the final dot: on hold as `outcome-unknown` until a person decides."""
    booked.post.will(answer)
    booked.until("2026-03-15 09:00")
    assert booked.waiting("Ann") == ["outcome-unknown"]
    assert _attempts(booked) == ["unknown"]
    assert len(booked.post.offered) == 1


def test_a_person_may_have_an_ambiguous_mail_sent_again(booked: Clinic) -> None:
    """Design: `release` says that it did not arrive; every gate is asked again."""
    booked.post.will(Answer.LOSE)
    booked.until("2026-03-14 12:00")
    held = inspect.holds(booked.gateway)[0]
    inspect.release_request(booked.gateway, held.request, reason="patient says no", account="os:clerk")
    booked.looks()
    assert booked.arrivals("Ann") == ["2026-03-14 12:00"]
    assert _attempts(booked) == ["unknown", "completed"]


def test_a_person_may_withdraw_what_waits(booked: Clinic) -> None:
    """45 CFR 164.312(b): by hand, with a reason; a later update of the visit does not plan it again."""
    booked.post.will(Answer.LOSE)
    booked.until("2026-03-14 12:00")
    held = inspect.holds(booked.gateway)[0]
    inspect.withdraw_request(booked.gateway, held.request, reason="called by phone", account="os:clerk")
    booked.modifies("Ann", place="NORTH")
    booked.passes("10d")
    assert booked.arrivals("Ann") == [DAY_BEFORE]
    assert "withdrawn-by-hand" in booked.ended("Ann")


def test_a_doorbell_rung_twice_sends_once(booked: Clinic) -> None:
    """Law 4: a doorbell on a finished request is a no-op."""
    booked.until("2026-03-14 12:00")
    sent = booked.requests("Ann")[0]
    for _ in range(3):
        booked.deliverer.deliver(sent.id)
    assert len(booked.mails()) == 1


def test_a_doorbell_rung_too_early_sends_nothing(booked: Clinic) -> None:
    """Law 4: only the database knows when."""
    booked.deliverer.deliver(booked.requests("Ann")[0].id)
    assert booked.mails() == []


def test_a_lost_doorbell_is_rung_again(booked: Clinic) -> None:
    """Law 4: losing one makes a send late, never lost."""
    booked.clock.set(booked.when(WEEK))
    booked.dispatcher.once()
    booked.rung.clear()
    booked.passes("2m")
    assert booked.arrivals("Ann") == ["2026-03-13 09:31"]


def test_a_second_worker_during_the_send_does_nothing(booked: Clinic) -> None:
    """Design: the lease is a compare-and-swap with a fence."""
    request = booked.requests("Ann")[0].id
    booked.post.before = lambda _envelope: booked.deliverer.deliver(request)
    booked.until("2026-03-14 12:00")
    assert len(booked.post.offered) == 1


def test_a_worker_that_dies_between_clearance_and_send_leaves_a_doubt(booked: Clinic) -> None:
    """Design: an attempt that outlives its lease is `unknown`, and is not sent again."""

    class Killed(BaseException):
        pass

    def die(_envelope: object) -> None:
        raise Killed

    booked.post.before = die
    with pytest.raises(Killed):
        booked.until("2026-03-13 12:00")
    booked.post.before = None
    assert _attempts(booked) == ["in-progress"]
    booked.passes("10m")
    assert (booked.mails(), _attempts(booked), booked.waiting("Ann")) == ([], ["unknown"], ["outcome-unknown"])


def test_a_worker_that_settles_after_its_lease_ran_out_does_not_send_again(booked: Clinic) -> None:
    """Design: what left, left: the late outcome is believed, and nobody is offered to send it again."""

    def linger(_envelope: object) -> None:
        booked.post.before = None
        booked.clock.set(booked.clock.now() + 10 * MINUTE)
        booked.dispatcher.once()

    booked.post.before = linger
    booked.until("2026-03-15 12:00")
    assert (len(booked.mails()), booked.waiting("Ann")) == (1, [])
    assert booked.requests("Ann")[0].state == "completed"


@pytest.mark.parametrize("answer", [Answer.LOSE, Answer.UNAVAILABLE])
def test_a_late_outcome_that_is_no_arrival_waits_for_a_person(booked: Clinic, answer: Answer) -> None:
    """Design: given up as `unknown` meanwhile: the fence refuses the rest, and nothing is sent again by itself."""

    def linger(_envelope: object) -> None:
        booked.post.before = None
        booked.clock.set(booked.clock.now() + 10 * MINUTE)
        booked.dispatcher.once()

    booked.post.before = linger
    booked.post.will(answer)
    booked.until("2026-03-15 12:00")
    assert (len(booked.post.offered), booked.waiting("Ann")) == (1, ["outcome-unknown"])


def test_a_cancellation_during_a_failing_send_stands(booked: Clinic) -> None:
    """PH-10: an attempt that did not leave never brings back what a message withdrew meanwhile."""

    def cancel(_envelope: object) -> None:
        booked.post.before = None
        booked.cancels("Ann")

    booked.post.before = cancel
    booked.post.will(Answer.UNAVAILABLE)
    booked.passes("18d")
    assert (booked.mails(), booked.ended("Ann")) == ([], ["cancelled", "cancelled"])


def test_a_channel_that_crashes_leaves_a_doubt(booked: Clinic) -> None:
    """Design: a bug after the hand-over began: nobody knows."""

    def crash(_envelope: object) -> None:
        raise ZeroDivisionError(booked.person("Ann").email)

    booked.post.before = crash
    booked.until("2026-03-14 12:00")
    assert booked.waiting("Ann") == ["outcome-unknown"]


def test_what_leaves_is_what_was_cleared(booked: Clinic) -> None:
    """Law 3: digest, stable Message-ID, and one patient a message."""
    booked.post.will(Answer.UNAVAILABLE)
    booked.until("2026-03-14 12:00")
    first, second = booked.post.offered
    for envelope in (first, second):
        envelope.verify()
        assert envelope.message_id.endswith("@lakeside.example>")
        assert envelope.sender_address == "care@lakeside.example"
    assert (first.text, first.subject) == (second.text, second.subject)


def test_a_mail_reveals_what_its_rule_reveals_and_nothing_else(booked: Clinic) -> None:
    """Law 3; PH-06: no family name, number, phone, birth date, postal code, address or service; the subject says least."""
    booked.passes("18d")
    ann = booked.person("Ann")
    for mail in booked.mailbox("Ann"):
        assert mail.subject == "A message from Lakeside Health"
        for kind, texts in ann.canaries().items():
            if kind != "given name":
                assert not any(text in part for text in texts for part in (mail.text, mail.html)), kind
        assert "PCP" not in mail.text
        assert "primary" not in mail.text.lower()


def test_a_template_that_asks_for_more_than_the_rule_reveals_holds_the_mail(
    open_clinic: OpenClinic, tmp_path: Path
) -> None:
    """Law 3: StrictUndefined: the family name is not in scope, so a person must mend the template."""
    rule = shipped_rule("appointment-reminder", ("template: appointment_reminder", "template: chatty"))
    templates = {"chatty": "Dear {{ patient.family_name }}, see you. {{ opt_out }}\n"}
    clinic = open_clinic(rules=write_rules(tmp_path / "own", {"appointment-reminder": rule}, templates=templates))
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    clinic.until("2026-03-14 12:00")
    assert (clinic.mails(), clinic.waiting("Ann")) == ([], ["render-failed"])


def test_a_text_that_would_show_a_record_number_is_not_sent(clinic: Clinic) -> None:
    """PH-06: somebody registered the number as the name: the rendered text is checked again."""
    ann = clinic.person("Ann")
    clinic.person("Ann", given=ann.mrn)
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    clinic.until("2026-03-14 12:00")
    assert (clinic.mails(), clinic.waiting("Ann")) == ([], ["render-failed"])


def test_markup_in_a_name_stays_text(clinic: Clinic) -> None:
    """ES-10: a name is data: escaped in HTML, and no header is made of it."""
    clinic.person("Ann", pid={5: "Wqvzkxbqw^<b>Xqz</b>\\X0D0A\\Bcc: x@y.example"})
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    clinic.until("2026-03-14 12:00")
    for mail in clinic.mailbox("Ann"):
        assert "<b>Xqz" not in mail.html
        assert "\n" not in mail.subject
