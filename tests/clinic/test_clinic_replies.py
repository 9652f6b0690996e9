"""Replies: STOP ends it at once and for everyone at that number, one confirmation leaves, and what nobody understands waits for staff."""

from __future__ import annotations

from datetime import datetime

import pytest
from clinic_dsl import Clinic, Postbox

from gateway.model.comingback import Reply, ReplyMeaning
from gateway.model.consent import ChannelKind
from gateway.model.errors import Refused
from gateway.model.when import DAY, to_millis, zone_of
from gateway.pipeline.comingback import Settler
from gateway.pipeline.retention import purge_replies
from gateway.ports import Envelope, Handover
from gateway.store import tables

WORDS = {"STOP": ReplyMeaning.STOP, "START": ReplyMeaning.START, "YES": ReplyMeaning.YES, "HELP": ReplyMeaning.HELP}


@pytest.fixture
def texted(clinic: Clinic) -> Clinic:
    """Ann and Bob share a number that may be texted; a reminder of Ann's has arrived there."""
    clinic.texts = Postbox(clinic.clock)  # type: ignore[attr-defined]
    clinic.texts.kind = ChannelKind.SMS  # type: ignore[attr-defined]
    clinic.gateway.channels[ChannelKind.SMS] = clinic.texts  # type: ignore[index, attr-defined]
    ann = clinic.person("Ann")
    for handle in ("Ann", "Bob"):
        clinic.person(handle, pid={13: f"^PRN^CP^^1^{ann.phone[:3]}^{ann.phone[3:]}"})
        clinic.adds(handle)
        clinic.consents(handle, to="sms")
    clinic.books("Ann", on="2026-03-20 09:30")
    clinic.until("2026-03-13 12:00")
    assert len(clinic.texts.envelopes) == 1  # type: ignore[attr-defined]
    return clinic


def _texts(clinic: Clinic) -> list[str]:
    return [one.text for one in clinic.texts.envelopes]  # type: ignore[attr-defined]


def _says(clinic: Clinic, text: str, *, event: str = "", sender: str | None = None, **more: object) -> None:
    number = sender or clinic.texts.envelopes[0].to.value  # type: ignore[attr-defined]
    reply = Reply(
        channel=ChannelKind.SMS, event=event or f"SM{clinic.clock.now()}", at=clinic.clock.now(), sender=number,
        to="+13125550100", text=text, **more,  # type: ignore[arg-type]
    )  # fmt: skip
    gateway = clinic.gateway
    settler = Settler(
        store=gateway.store, site=gateway.site, rules=gateway.rules, ring=clinic.rung.extend,
        meaning=lambda told: WORDS.get(told, ReplyMeaning.FREE_TEXT),
    )  # fmt: skip
    settler.reply(reply)
    clinic.answers_doorbells()
    clinic.passes("1m")


def _open(clinic: Clinic) -> list[str]:
    with clinic.gateway.store.read() as unit:
        return [meaning for (meaning,) in unit.lookup(tables.inbound, ("meaning",), "state", ["open"])]


def test_a_text_tells_its_provider_until_when_it_may_ring(texted: Clinic) -> None:
    """SM-17: until the night of the patient's own zone."""
    (reminder,) = texted.texts.envelopes  # type: ignore[attr-defined]
    assert reminder.until == to_millis(datetime(2026, 3, 13, 21, tzinfo=zone_of("America/Chicago")))


def test_stop_ends_texts_at_once_for_everyone_at_that_number(texted: Clinic) -> None:
    """SM-11, SM-14, 5.5 scenario 12; 47 CFR 64.1200(a)(10), (12): one confirmation, and then nothing."""
    _says(texted, "STOP", event="SM1")
    _says(texted, "STOP", event="SM1")
    assert len(_texts(texted)) == 2
    assert "START" in _texts(texted)[1]
    texted.books("Bob", on="2026-04-20 09:30")
    texted.passes("60d")
    assert len(_texts(texted)) == 2
    assert set(texted.ended("Bob")) == {"consent-denied"}


def test_stop_ends_texts_of_every_rule_whatever_they_are_about(texted: Clinic) -> None:
    """SM-12; 47 CFR 64.1200(a)(10): a STOP to a reminder is one to the question after a visit as well, the wide reading."""
    texted.person("Cid", pid={13: "^PRN^CP^^1^312^5550177"})
    texted.adds("Cid")
    texted.consents("Cid", to="sms")
    _says(texted, "STOP")
    sent = len(_texts(texted))
    for handle in ("Ann", "Cid"):
        texted.registers(handle)
        texted.discharges(handle, pv1={2: "O"})
    texted.passes("4d")
    assert [one.to.value for one in texted.texts.envelopes[sent:]] == ["+13125550177"]  # type: ignore[attr-defined]


def test_a_provider_that_answers_stop_itself_is_not_doubled(texted: Clinic) -> None:
    """SM-14: OptOutType says that the provider has confirmed it."""
    _says(texted, "whatever", provider_opt_out=ReplyMeaning.STOP)
    texted.passes("60d")
    assert len(_texts(texted)) == 1


def test_the_confirmation_is_not_sent_late(texted: Clinic) -> None:
    """47 CFR 64.1200(a)(12): within five minutes, or not at all."""
    texted.texts.before = lambda _envelope: texted.clock.set(texted.clock.now())  # type: ignore[attr-defined]
    number = texted.texts.envelopes[0].to.value  # type: ignore[attr-defined]
    late = texted.clock.now() - 6 * 60_000
    reply = Reply(channel=ChannelKind.SMS, event="SM9", at=late, sender=number, to="+13125550100", text="STOP")
    gateway = texted.gateway
    Settler(
        store=gateway.store,
        site=gateway.site,
        rules=gateway.rules,
        ring=texted.rung.extend,
        meaning=lambda _: ReplyMeaning.STOP,
    ).reply(reply)
    texted.passes("1d")
    assert len(_texts(texted)) == 1


def test_a_confirmation_the_carrier_refuses_is_not_tried_again(texted: Clinic) -> None:
    """A built-in message has no other channel to fall back to."""

    def refuses(_envelope: Envelope) -> Handover:
        raise Refused("refused")

    texted.texts.send = refuses  # type: ignore[attr-defined]
    _says(texted, "STOP")
    texted.passes("1d")
    states = [(one.rule, one.state) for one in texted.requests("Ann") if one.rule == "opt-out-confirmation"]
    assert states == [("opt-out-confirmation", "revoked")]


def test_start_lifts_what_a_number_of_ones_own_said(texted: Clinic) -> None:
    """SM-09: and never for a number that several people have."""
    _says(texted, "STOP")
    _says(texted, "START")
    assert _open(texted) == ["start"], "Ann and Bob share it: a person must look"
    texted.changes("Bob", pid={13: '""'})
    _says(texted, "START")
    texted.books("Ann", on="2026-04-20 09:30")
    texted.passes("60d")
    assert len(_texts(texted)) > 2


def test_yes_opts_in_only_after_start_was_asked(texted: Clinic) -> None:
    """SM-09: YES to a reminder is no consent to anything."""
    _says(texted, "YES")
    assert _open(texted) == ["free-text"]


def test_help_is_answered_and_two_machines_do_not_talk_for_ever(texted: Clinic) -> None:
    """SM-09, SM-18: help, with whom to call; a few times a day at most."""
    for _ in range(10):
        _says(texted, "HELP")
    assert len(_texts(texted)) == 1 + 3
    assert "911" in _texts(texted)[1]


def test_a_machine_that_says_stop_to_everything_hears_one_confirmation(texted: Clinic) -> None:
    """SM-11: one confirmation of an opt-out; another only after START took it back, and a few times a day at most."""
    texted.changes("Bob", pid={13: '""'})
    for _ in range(5):
        _says(texted, "STOP")
    assert len(_texts(texted)) == 1 + 1
    for _ in range(10):
        _says(texted, "START")
        _says(texted, "STOP")
    assert len(_texts(texted)) <= 1 + 3


def test_many_other_words_in_between_bring_no_more_answers(texted: Clinic) -> None:
    """However much is written in a day, what was answered before counts."""
    for text in ("HELP", *(["x"] * 101), "HELP", "HELP", "HELP"):
        _says(texted, text)
    assert len(_texts(texted)) == 1 + 3 + 1


def test_what_nobody_understands_is_answered_once_and_waits_for_staff(texted: Clinic) -> None:
    """SM-18: it may be an emergency; the words stay sealed."""
    for text in ("my chest hurts", "hello?", "anybody"):
        _says(texted, text)
    assert len(_texts(texted)) == 2
    assert _open(texted) == ["free-text"] * 3


def test_a_number_we_never_wrote_to_may_say_stop_and_gets_no_answer(texted: Clinic) -> None:
    """SM-14: it binds whoever will have that number one day."""
    _says(texted, "STOP", sender="+13125559876")
    assert len(_texts(texted)) == 1
    texted.person("Cyd", pid={13: "^PRN^CP^^1^312^5559876"})
    texted.adds("Cyd")
    texted.consents("Cyd", to="sms")
    texted.books("Cyd", on="2026-04-20 09:30")
    texted.passes("60d")
    assert not [one for one in texted.texts.envelopes if one.to.value.endswith("5559876")]  # type: ignore[attr-defined]


def test_what_somebody_wrote_is_forgotten_that_they_wrote_stays(texted: Clinic) -> None:
    """Law 5: the words go with the replay window; when, from where and what it meant is evidence (law 2)."""
    _says(texted, "my knee hurts")
    store = texted.gateway.store
    assert purge_replies(store, 30 * DAY) == 0
    texted.passes("31d")
    assert (purge_replies(store, 30 * DAY), purge_replies(store, 30 * DAY)) == (1, 0)
    with store.read() as unit:
        rows = unit.lookup(tables.inbound, ("sealed", "meaning"), "state", ["open"])
    assert rows == [(None, "free-text")]
