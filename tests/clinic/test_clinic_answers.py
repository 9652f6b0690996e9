"""Answers: a confirmed visit is not reminded of again, a new time asks anew, and what is not clear goes to staff."""

from __future__ import annotations

from pathlib import Path

import pytest
from clinic_dsl import Clinic, OpenClinic, Postbox
from clinic_site import shipped_rule, write_rules

from gateway.model.comingback import Reply, ReplyMeaning
from gateway.model.consent import ChannelKind
from gateway.model.errors import CommandError
from gateway.pipeline import inspect
from gateway.pipeline.comingback import Settler
from gateway.store import tables

WORDS = {"C": ReplyMeaning.CONFIRM, "X": ReplyMeaning.CANCEL_VISIT, "R": ReplyMeaning.RESCHEDULE}
THANKS = """\
rule: thanks
owner: access-center@lakeside.example
why: Whoever confirms reads that we know.
when:
  event: [appointment.booked, appointment.rescheduled]
  where:
    appointment.answer: confirmed
send:
  purpose: TREAT
  remuneration: none
  topic: appointments
  channels: [sms]
  template: appointment_reminder
  at: {after: appointment.answered, by: [0m]}
  expires: appointment.start
  reveals: [patient.given_name, appointment.start, appointment.location]
"""


@pytest.fixture
def reminded(open_clinic: OpenClinic, tmp_path: Path) -> Clinic:
    """Ann got the text a week ahead; the one a day ahead is for those who did not answer."""
    reminder = shipped_rule(
        "appointment-reminder",
        ("channels: [preferred, sms, email]", "channels: [sms]"),
        ("  unless:\n", "  unless:\n    appointment.answer: {present: yes}\n"),
    )
    clinic = open_clinic(rules=write_rules(tmp_path / "rules", {"appointment-reminder": reminder, "thanks": THANKS}))
    clinic.texts = Postbox(clinic.clock)  # type: ignore[attr-defined]
    clinic.texts.kind = ChannelKind.SMS  # type: ignore[attr-defined]
    clinic.gateway.channels[ChannelKind.SMS] = clinic.texts  # type: ignore[index, attr-defined]
    ann = clinic.person("Ann")
    clinic.person("Ann", pid={13: f"^PRN^CP^^1^{ann.phone[:3]}^{ann.phone[3:]}"})
    clinic.adds("Ann")
    clinic.consents("Ann", to="sms")
    clinic.books("Ann", on="2026-03-20 09:30")
    clinic.until("2026-03-13 12:00")
    assert _arrived(clinic) == ["2026-03-13 09:30"]
    return clinic


def _arrived(clinic: Clinic) -> list[str]:
    return [clinic.wall(at) for at in clinic.texts.times]  # type: ignore[attr-defined]


def _says(clinic: Clinic, text: str) -> tuple[str, str]:
    """Ann's text, and (meaning, state) of the reply."""
    number = clinic.texts.envelopes[0].to.value  # type: ignore[attr-defined]
    gateway, now = clinic.gateway, clinic.clock.now()
    event = f"SM{now}"
    reply = Reply(channel=ChannelKind.SMS, event=event, at=now, sender=number, to="+13125550100", text=text)
    Settler(
        store=gateway.store, site=gateway.site, rules=gateway.rules, ring=clinic.rung.extend, meaning=WORDS.__getitem__
    ).reply(reply)
    clinic.answers_doorbells()
    clinic.passes("1m")
    with gateway.store.read() as unit:
        ((meaning, state),) = unit.lookup(tables.inbound, ("meaning", "state"), "provider_event", [event])
    return meaning, state


def test_whoever_confirms_is_thanked_and_not_reminded_again(reminded: Clinic) -> None:
    """SM-09: C; the rules read the answer as any other fact."""
    assert _says(reminded, "C") == ("confirm", "done")
    reminded.passes("10d")
    assert _arrived(reminded) == ["2026-03-13 09:30", "2026-03-13 12:00"]
    assert "no-longer-matches" in reminded.ended("Ann")


def test_whoever_wants_to_cancel_is_shown_to_staff_and_hears_nothing_more(reminded: Clinic) -> None:
    """SM-09: X; the visit stands until the EHR says otherwise."""
    assert _says(reminded, "X") == ("cancel-visit", "open")
    reminded.passes("10d")
    assert _arrived(reminded) == ["2026-03-13 09:30"]


def test_a_new_time_asks_anew(reminded: Clinic) -> None:
    """SI-02: what was confirmed was another time."""
    _says(reminded, "C")
    reminded.reschedules("Ann", to="2026-04-20 09:30")
    reminded.passes("60d")
    assert _arrived(reminded)[2:] == ["2026-04-13 09:30", "2026-04-19 09:30"]


def test_a_message_that_changes_something_else_keeps_the_answer(reminded: Clinic) -> None:
    """SI-03: an S14 after the answer."""
    _says(reminded, "C")
    reminded.modifies("Ann", place="NORTH")
    reminded.passes("10d")
    assert "2026-03-19 09:30" not in _arrived(reminded)


def test_with_two_visits_ahead_nobody_guesses(reminded: Clinic) -> None:
    """Issue 5: with several open appointments the reply goes to staff."""
    reminded.books("Ann", on="2026-03-21 10:00")
    reminded.until("2026-03-14 12:00")
    assert _says(reminded, "C") == ("confirm", "open")
    reminded.passes("10d")
    assert {"2026-03-19 09:30", "2026-03-20 10:00"} <= set(_arrived(reminded))


def test_staff_say_which_of_two_visits_is_meant(reminded: Clinic) -> None:
    """SM-09, SM-10: reading it shows both; what they choose becomes a fact of that one; a visit of nobody's is refused."""
    reminded.books("Ann", on="2026-03-21 10:00")
    reminded.until("2026-03-14 12:00")
    _says(reminded, "C")
    (line,) = inspect.replies_open(reminded.gateway)
    read = inspect.reply_read(reminded.gateway, line.id, reason="worklist", account="os:clerk")
    assert [reminded.wall(start) for _, start in read.visits] == ["2026-03-20 09:30", "2026-03-21 10:00"]

    def decides(about: int | None) -> None:
        inspect.reply_decide(
            reminded.gateway, line.id, "confirm", about=about, reason="called back", account="os:clerk"
        )

    for unclear in (None, line.id):
        with pytest.raises(CommandError, match="which request"):
            decides(unclear)
    decides(read.visits[1][0])
    reminded.passes("10d")
    assert "2026-03-19 09:30" in _arrived(reminded)
    assert "2026-03-20 10:00" not in _arrived(reminded)


def test_an_answer_about_a_cancelled_visit_goes_to_staff(reminded: Clinic) -> None:
    """They crossed on the way."""
    reminded.cancels("Ann")
    assert _says(reminded, "C") == ("confirm", "open")


def test_asking_for_another_time_goes_to_staff(reminded: Clinic) -> None:
    """SM-09: R."""
    assert _says(reminded, "R") == ("reschedule", "open")
