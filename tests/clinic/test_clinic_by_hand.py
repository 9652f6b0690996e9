"""What a person decides settles just that: one visit's flag, one address, one unreadable message."""

from __future__ import annotations

import pytest
from clinic_dsl import Clinic, OpenClinic

from gateway.model.errors import CommandError, StoreUnavailable
from gateway.pipeline import inspect

FIRST, WEEK, DAY_BEFORE = "2026-03-20 09:30", "2026-03-13 09:30", "2026-03-19 09:30"
VIP = "PV1|1|O|MAIN" + "|" * 13 + "VIP"


def test_a_person_who_settles_a_flagged_visit_lets_it_be_announced(clinic: Clinic) -> None:
    """PV-01; decision 0005: the visit's own flag goes with the release, and every gate is asked afresh."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST, visit=[VIP])
    held = [one.request for one in inspect.holds(clinic.gateway) if one.reason == "confidential-visit"]
    assert len(held) == 2
    for request in held:
        inspect.release_request(clinic.gateway, request, reason="she asked for it", account="os:clerk")
    clinic.passes("18d")
    assert clinic.arrivals("Ann") == [WEEK, DAY_BEFORE]


def test_one_persons_start_does_not_lift_anothers_stop_on_a_shared_address(clinic: Clinic) -> None:
    """SM-14: Ben's form says yes for Ben; who said stop to the mailbox they share is not his to say."""
    ann = clinic.enrols("Ann")
    clinic.enrols("Ben", email=ann.email)
    clinic.books("Ann", on=FIRST)
    clinic.books("Ben", on=FIRST)
    clinic.opts_out("Ann")
    clinic.consents("Ben", to="email", purpose="*", evidence="form 9")
    clinic.passes("18d")
    assert clinic.mails() == []


def test_another_message_under_a_used_control_id_does_not_settle_an_unreadable_one(clinic: Clinic) -> None:
    """D-03, D-04: senders restart their counters; an unreadable message stays on the list until its own copy is read."""
    clinic.enrols("Ann")
    clinic.enrols("Ben")
    bad = clinic.schedules("S12", "Ann", start=FIRST, appointment="A1", control="C1")
    bad = bad.replace(b"SCH|A1^PLACER|A1^SCHED", b"SCH||")
    clinic.hears(clinic.schedules("S12", "Ben", start=FIRST, appointment="B1", control="C1"))
    said = clinic.hears(bad)
    assert (
        clinic.hears(clinic.schedules("S14", "Ben", start=FIRST, appointment="B1", control="C1")).result == "accepted"
    )
    open_now = [one.message for one in inspect.quarantine_list(clinic.gateway)]
    assert (said.result, open_now) == ("quarantined", [said.message])


def test_a_held_source_releases_what_is_ahead_and_withdraws_what_is_long_past(open_clinic: OpenClinic) -> None:
    """Shadow run: a heap of late reminders helps nobody; what is still ahead leaves at its own time."""
    with_hold = open_clinic(ehr={"start": "held"})
    with_hold.enrols("Ann")
    with_hold.books("Ann", on=FIRST)
    with_hold.until("2026-03-15 12:00")
    assert with_hold.mails() == []
    inspect.release_source(with_hold.gateway, "ehr", reason="go-live", account="os:operator")
    with_hold.passes("10d")
    assert with_hold.arrivals("Ann") == [DAY_BEFORE]
    assert with_hold.ended("Ann") == ["offset-past"]


def test_looking_puts_no_rules_in_force(clinic: Clinic) -> None:
    """A trace on a host whose rule folder is being edited changes nothing."""
    from gateway.app import assemble

    before = clinic.count("ruleset")
    other = assemble(clinic.gateway.settings, clock=clinic.clock, keyring=clinic.keyring, activates=False)
    try:
        assert other.rules.current().id == clinic.gateway.rules.current().id
    finally:
        other.close()
    assert clinic.count("ruleset") == before


def test_while_the_database_is_away_a_batch_fails_as_a_whole_and_at_once(clinic: Clinic, monkeypatch) -> None:
    """A-04: nobody waits for the database once per message."""
    clinic.enrols("Ann")
    asked = []

    def away(*_args: object, **_more: object) -> None:
        asked.append(1)
        raise StoreUnavailable("the database is away")

    messages = [clinic.schedules("S12", "Ann", start=FIRST, appointment=f"A{n}") for n in range(8)]
    with monkeypatch.context() as patched:
        patched.setattr(clinic.gateway.receiver, "_once", away)
        patched.setattr("gateway.pipeline.receive._PAUSE", 0.0)
        said = clinic.hears_together(*messages)
    assert {(one.result, one.ack) for one in said} == {("failed", "AR")}
    assert len(asked) <= 5


def test_a_consent_that_ends_before_it_begins_is_refused(clinic: Clinic) -> None:
    """An entry that can never mean anything is a slip of the pen, not a consent."""
    clinic.enrols("Ann")
    before = clinic.count("consent")
    with pytest.raises(CommandError, match="before it begins"):
        inspect.consent_add(
            clinic.gateway,
            clinic.identifier("Ann"),
            permit=True,
            valid_until=clinic.clock.now() - 1,
            evidence="form 3",
            account="os:clerk",
        )
    assert clinic.count("consent") == before
