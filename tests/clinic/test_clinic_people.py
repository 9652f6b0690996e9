"""People: who has died, was merged, is not surely who they are, or is not yet grown up, is not written to."""

from __future__ import annotations

import clinic_messages as hl7
import pytest
from clinic_dsl import Clinic

from gateway.model.when import HOUR
from gateway.packs import shipped
from gateway.pipeline import inspect
from gateway.store import tables

FIRST, WEEK, DAY_BEFORE = "2026-03-20 09:30", "2026-03-13 09:30", "2026-03-19 09:30"


@pytest.fixture
def booked(clinic: Clinic) -> Clinic:
    """Ann, who said yes to mail, is booked for Friday 2026-03-20 at 9:30."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    return clinic


# -- death


def test_a_death_withdraws_all_that_waits(booked: Clinic) -> None:
    """PI-12: PID-30 = Y."""
    booked.books("Ann", on="2026-04-20 09:30")
    booked.dies("Ann")
    booked.passes("60d")
    assert booked.mails() == []
    assert booked.ended("Ann") == ["deceased"] * 4


def test_a_date_of_death_alone_is_a_death(booked: Clinic) -> None:
    """PI-12: PID-29 valued."""
    booked.changes("Ann", pid={29: "20260301"})
    assert booked.ended("Ann") == ["deceased", "deceased"]


def test_a_reversed_death_restores_nothing_by_itself(booked: Clinic) -> None:
    """PI-12: PID-30 = N with PID-29 deleted takes it back; what was withdrawn stays withdrawn."""
    booked.dies("Ann")
    booked.lives("Ann")
    booked.modifies("Ann")
    booked.passes("18d")
    assert booked.mails() == []
    booked.books("Ann", on="2026-04-20 09:30")
    booked.passes("30d")
    assert booked.arrivals("Ann") == ["2026-04-13 09:30", "2026-04-19 09:30"]


def test_a_form_that_says_not_dead_by_habit_reverses_nothing(booked: Clinic) -> None:
    """PI-12: PID-30 = N without PID-29 proves nothing."""
    booked.dies("Ann")
    booked.changes("Ann", pid={30: "N"})
    booked.books("Ann", on="2026-04-20 09:30")
    assert booked.planned("Ann") == []


def test_a_booking_for_the_dead_plans_nothing(clinic: Clinic) -> None:
    """PI-12: known before, withheld at planning."""
    clinic.enrols("Ann")
    clinic.dies("Ann")
    clinic.books("Ann", on=FIRST)
    assert clinic.reasons("Ann") == ["deceased"]


def test_a_death_told_by_an_older_message_still_counts(booked: Clinic) -> None:
    """PI-12; N-06: another feed spoke meanwhile; what the late message says of names is old, of a death is not."""
    earlier = booked.clock.now()
    booked.passes("1h")
    booked.changes("Ann", pid={15: "en"})
    booked.hears(booked.visit("A31", "Ann", pid={30: "Y"}, at=earlier))
    assert booked.ended("Ann") == ["deceased", "deceased"]


# -- who they are


@pytest.mark.parametrize("doubt", [{31: "Y"}, {32: "AL"}])
def test_an_unreliable_identity_holds_until_it_is_settled(clinic: Clinic, doubt: dict[int, str]) -> None:
    """PI-13: PID-31 = Y or a PID-32 code holds; PID-31 = N with PID-32 deleted lets the reminder go."""
    clinic.enrols("Ann")
    clinic.changes("Ann", pid=doubt)
    clinic.books("Ann", on=FIRST)
    assert clinic.waiting("Ann") == ["identity-doubtful", "identity-doubtful"]
    clinic.changes("Ann", pid={31: "N", 32: '""'})
    clinic.passes("18d")
    assert clinic.arrivals("Ann") == [WEEK, DAY_BEFORE]


def test_a_doubt_raised_before_the_mail_leaves_holds_it(booked: Clinic) -> None:
    """PI-13: between planning and sending."""
    booked.changes("Ann", pid={31: "Y"})
    booked.passes("18d")
    assert booked.mails() == []
    assert booked.reasons("Ann") == ["identity-doubtful", "expired"]


def test_two_numbers_of_two_people_in_one_message_hold_both(booked: Clinic) -> None:
    """PI-01: identifiers that resolve to different patients wait for a person; releasing them lets the mail go."""
    booked.enrols("Ben")
    booked.books("Ben", on=FIRST)
    both = f"{booked.person('Ann').mrn}^^^LAKESIDE^MR~{booked.person('Ben').mrn}^^^LAKESIDE^MR"
    booked.changes("Ann", pid={3: both})
    booked.until("2026-03-14 09:00")
    assert booked.mails() == []
    for name in ("Ann", "Ben"):
        assert booked.holds(name) == {"identity-conflict"}
        count = inspect.release_patient(
            booked.gateway, booked.token(name), "identity-conflict", reason="same desk, two forms", account="os:clerk"
        )
        assert count == 1
    booked.passes("7d")
    assert len(booked.arrivals("Ann")) == len(booked.arrivals("Ben")) == 2


def test_a_new_name_with_a_new_birth_date_is_perhaps_another_person(booked: Clinic) -> None:
    """PI-01: both change together under a known number: held, and the old person's mail keeps the old name."""
    booked.changes("Ann", pid={5: "OTHERFAMILY^OTHERNAME", 7: "19610101"})
    booked.passes("18d")
    assert booked.mails() == []
    assert booked.reasons("Ann") == ["identity-conflict", "expired"]


def test_a_name_spelt_with_other_marks_for_the_same_letters_is_no_new_name(clinic: Clinic) -> None:
    """C-08: Muñoz with one ñ, and with n and tilde, is one name; a corrected birth date beside it is believed."""
    clinic.enrols("Ann", family="Mu\N{LATIN SMALL LETTER N WITH TILDE}oz")
    clinic.books("Ann", on=FIRST)
    clinic.person("Ann", family="Mun\N{COMBINING TILDE}oz")
    clinic.changes("Ann", pid={7: "19800102"})
    assert clinic.holds("Ann") == set()
    clinic.passes("18d")
    assert clinic.arrivals("Ann") == [WEEK, DAY_BEFORE]


def test_a_corrected_name_and_birth_date_count_once_a_person_agreed(booked: Clinic) -> None:
    """PI-01: a newborn gets a name and the right day: after the release the feed's word holds, and nobody is asked again."""
    corrected = {5: "QVXBIRTHFAMILY^QVXNAMED", 7: "19610101"}
    booked.changes("Ann", pid=corrected)
    booked.changes("Ann", pid={**corrected, 15: "es"})
    assert booked.holds("Ann") == {"identity-conflict"}
    inspect.release_patient(
        booked.gateway, booked.token("Ann"), "identity-conflict", reason="same child", account="os:clerk"
    )
    for _ in range(2):
        booked.changes("Ann", pid={**corrected, 15: "en"})
        booked.books("Ann", on=FIRST, appointment="A001", pid=corrected)
        assert booked.holds("Ann") == set()
    booked.passes("18d")
    assert "Hello Qvxnamed," in booked.mailbox("Ann")[0].text


def test_a_married_name_is_believed(booked: Clinic) -> None:
    """PI-04: a name alone may change; the next mail greets by it."""
    ann = booked.person("Ann")
    booked.changes("Ann", pid={5: f"{ann.family}son^{ann.given}ette"})
    booked.passes("18d")
    assert f"Hello {ann.given}ette," in booked.mailbox("Ann")[0].text


def test_the_same_number_at_another_hospital_is_another_person(booked: Clinic) -> None:
    """PI-01: the key is authority, type and value together."""
    booked.person("Ben", mrn=booked.person("Ann").mrn)
    booked.hears(booked.visit("A28", "Ben", pid={3: f"{booked.person('Ben').mrn}^^^ELSEWHERE^MR"}))
    assert booked.count("patient") == 2


def test_a_social_security_number_makes_nobody_the_same(booked: Clinic) -> None:
    """PI-02: two people with one SSN in PID-3 stay two."""
    booked.person("Ben", ssn=booked.person("Ann").ssn)
    booked.adds("Ben")
    assert booked.count("patient") == 2
    assert booked.holds("Ann") == booked.holds("Ben") == set()


# -- age


def test_nobody_writes_to_a_child(clinic: Clinic) -> None:
    """PI-14: under 18 at the sending moment; it waits for a representative, and for nobody longer than it has sense."""
    clinic.person("Kim", pid={7: "20100510"})
    clinic.enrols("Kim")
    clinic.books("Kim", on=FIRST)
    assert clinic.planned("Kim") == [WEEK, DAY_BEFORE]
    clinic.passes("18d")
    assert (clinic.mails(), clinic.reasons("Kim")) == ([], ["no-representative", "expired"])


def test_who_comes_of_age_before_the_day_is_written_to(clinic: Clinic) -> None:
    """PI-14: the sending moment counts: 17 when the first falls due, which waits, 18 on the 18th."""
    clinic.person("Kim", pid={7: "20080318"})
    clinic.enrols("Kim")
    clinic.books("Kim", on=FIRST)
    clinic.passes("18d")
    assert clinic.arrivals("Kim") == ["2026-03-18 08:00", DAY_BEFORE]


def test_an_unknown_age_waits_for_a_birth_date(clinic: Clinic) -> None:
    """PI-14: a year of birth is no age; the A31 that tells the day frees the reminder."""
    clinic.person("Ann", pid={7: "1980"})
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    clinic.until("2026-03-14 12:00")
    assert (clinic.mails(), clinic.reasons("Ann")) == ([], ["age-unknown"])
    clinic.changes("Ann", pid={7: "19800510"})
    clinic.passes("1h")
    assert len(clinic.mails()) == 1


# -- merges


def _registered_twice(clinic: Clinic, again: str, first: str) -> None:
    """`again` is `first` under a second number, with the same name and birth date."""
    known = clinic.person(first)
    clinic.person(again, given=known.given, family=known.family, born=known.born)


def test_a_merge_goes_from_the_wrong_number_to_the_right_one(clinic: Clinic) -> None:
    """AD-30: MRG-1 dies into PID-3, both known; every later word for the dead number is for the survivor (AD-32)."""
    _registered_twice(clinic, "Anna", "Ann")
    clinic.enrols("Ann")
    clinic.adds("Anna")
    survivor, loser = clinic.token("Ann"), clinic.token("Anna")
    assert clinic.merges("Anna", into="Ann").events == ("patient.merged",)
    assert (clinic.token("Ann"), clinic.token("Anna")) == (survivor, survivor)
    said = clinic.hears(clinic.schedules("S12", "Anna", start=FIRST, appointment="A9"))
    assert (said.ack, [(fault.severity, str(fault.place)) for fault in said.faults]) == ("AA", [("W", "PID^1^3")])
    assert clinic.changes("Ann").faults == ()
    assert clinic.planned("Ann") == [WEEK, DAY_BEFORE]
    assert loser != survivor


def test_a_merge_with_only_the_survivor_known_teaches_the_other_number(clinic: Clinic) -> None:
    """AD-30, AD-32: nobody had MRG-1: it becomes one more identifier of the survivor."""
    clinic.enrols("Ann")
    clinic.merges("Anna", into="Ann")
    assert clinic.token("Anna") == clinic.token("Ann")
    assert clinic.count("patient") == 1


def test_a_merge_with_only_the_wrong_number_known_makes_the_right_one(clinic: Clinic) -> None:
    """AD-30: PID-3 is new: the reminder of the dead number moves to it."""
    clinic.enrols("Anna")
    clinic.books("Anna", on=FIRST)
    loser = clinic.token("Anna")
    clinic.merges("Anna", into="Ann")
    assert clinic.token("Anna") == clinic.token("Ann") != loser
    assert [one.state for one in clinic.requests("Ann")] == ["active", "active"]


def test_a_merge_of_two_unknown_numbers_makes_one_person(clinic: Clinic) -> None:
    """AD-30: neither was known."""
    clinic.merges("Anna", into="Ann")
    assert clinic.count("patient") == 1
    assert clinic.token("Anna") == clinic.token("Ann")


def test_a_merge_keeps_the_stricter_of_both_consents(clinic: Clinic) -> None:
    """AD-31; 5.5(5): X had opted out, Y counts as opted out; what waited for X is judged as Y's."""
    clinic.person("Ann")
    clinic.enrols("Ann")
    clinic.enrols("Anna", email=clinic.person("Ann").email)
    clinic.books("Anna", on=FIRST)
    clinic.books("Ann", on="2026-03-25 09:30")
    clinic.opts_out("Anna")
    clinic.merges("Anna", into="Ann")
    clinic.passes("30d")
    assert clinic.mails() == []
    assert set(clinic.ended("Ann")) <= {"consent-denied", "opted-out"}
    assert len(clinic.ended("Ann")) == 4


def test_a_yes_given_under_the_dead_number_is_not_the_survivors(clinic: Clinic) -> None:
    """AD-31: only denials are inherited."""
    clinic.adds("Ann")
    clinic.enrols("Anna")
    clinic.books("Anna", on=FIRST)
    clinic.merges("Anna", into="Ann")
    clinic.passes("18d")
    assert (clinic.mails(), set(clinic.ended("Ann"))) == ([], {"no-consent"})


def test_what_waited_for_the_dead_number_reaches_the_survivors_address(clinic: Clinic) -> None:
    """AD-31: contact points follow the survivor's record."""
    clinic.enrols("Ann")
    clinic.enrols("Anna")
    clinic.books("Anna", on=FIRST)
    clinic.merges("Anna", into="Ann")
    clinic.passes("18d")
    assert (clinic.arrivals("Anna"), clinic.arrivals("Ann")) == ([], [WEEK, DAY_BEFORE])


def test_the_same_visit_under_both_numbers_is_announced_once(clinic: Clinic) -> None:
    """AD-31: the appointment's key is the same, so a booking repeated for the survivor changes nothing."""
    clinic.enrols("Ann")
    clinic.enrols("Anna")
    clinic.books("Anna", on=FIRST)
    clinic.merges("Anna", into="Ann")
    clinic.books("Ann", on=FIRST, appointment="A001")
    clinic.passes("18d")
    assert clinic.arrivals("Ann") == [WEEK, DAY_BEFORE]
    assert clinic.holds("Ann") == set()


def test_a_chain_of_merges_ends_at_the_last_survivor(clinic: Clinic) -> None:
    """AD-33: A into B, B into C; the booking made under A reaches C."""
    for name in ("Ann", "Bea", "Cyd"):
        clinic.enrols(name)
    clinic.books("Ann", on=FIRST)
    clinic.merges("Ann", into="Bea")
    clinic.merges("Bea", into="Cyd")
    assert clinic.token("Ann") == clinic.token("Bea") == clinic.token("Cyd")
    clinic.passes("18d")
    assert clinic.arrivals("Cyd") == [WEEK, DAY_BEFORE]


def test_a_merge_back_changes_nothing(clinic: Clinic) -> None:
    """AD-33: a cycle is refused: they are one person already."""
    clinic.enrols("Ann")
    clinic.enrols("Bea")
    clinic.merges("Ann", into="Bea")
    survivor = clinic.token("Bea")
    assert clinic.merges("Bea", into="Ann").ack == "AA"
    assert clinic.token("Ann") == clinic.token("Bea") == survivor


def test_a_death_is_inherited_by_a_merge(clinic: Clinic) -> None:
    """AD-31; PI-12: the stricter wins, and what waited for either is not sent."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    clinic.adds("Anna")
    clinic.dies("Anna")
    clinic.merges("Anna", into="Ann")
    clinic.passes("18d")
    assert (clinic.mails(), set(clinic.ended("Ann"))) == ([], {"deceased"})


def test_a_merge_and_a_death_in_one_batch_end_everything(clinic: Clinic) -> None:
    """AD-31; PI-12: the moved reminders die with the survivor, within one commit."""
    clinic.enrols("Ann")
    clinic.enrols("Anna")
    clinic.books("Anna", on=FIRST)
    mrg = f"MRG|{clinic.person('Anna').mrn}^^^{hl7.AUTHORITY}^MR"
    merge = clinic.visit("A40", "Ann", extra=[mrg])
    death = clinic.visit("A31", "Ann", pid={30: "Y"})
    clinic.hears_together(merge, death)
    assert clinic.ended("Ann") == ["deceased", "deceased"]


def test_two_merges_in_one_message_move_two_people(clinic: Clinic) -> None:
    """AD-18: the PATIENT group of A40 repeats."""
    for name in ("Ann", "Anna", "Ben", "Benny"):
        clinic.adds(name)
    second = hl7.pid(clinic.person("Ben"))
    mrg = "MRG|{}^^^LAKESIDE^MR"
    extra = [mrg.format(clinic.person("Anna").mrn), second, mrg.format(clinic.person("Benny").mrn)]
    said = clinic.hears(clinic.visit("A40", "Ann", extra=extra))
    assert said.events == ("patient.merged", "patient.merged")
    assert clinic.token("Anna") == clinic.token("Ann") != clinic.token("Ben") == clinic.token("Benny")


def test_the_story_of_a_merged_person_holds_both_lives(clinic: Clinic) -> None:
    """AD-31: the audit log is kept, and one trace tells both."""
    clinic.enrols("Ann")
    clinic.enrols("Anna")
    clinic.books("Anna", on=FIRST)
    clinic.merges("Anna", into="Ann")
    told = "\n".join(clinic.story("Ann"))
    assert "understood as appointment.booked" in told
    assert "merged into" in told


# -- addresses


def test_an_address_removed_before_the_mail_leaves_gets_nothing(booked: Clinic) -> None:
    """N-02; 5.5(7): PID-13 = `""` between planning and sending."""
    booked.changes("Ann", pid={13: '""'})
    booked.passes("18d")
    assert (booked.mails(), booked.reasons("Ann")) == ([], ["no-address"])


def test_an_address_left_out_of_a_new_snapshot_is_gone(booked: Clinic) -> None:
    """N-03: PID-13 tells only the telephone now."""
    booked.changes("Ann", pid={13: "^PRN^PH^^1^872^5550199"})
    booked.passes("18d")
    assert (booked.mails(), booked.reasons("Ann")) == ([], ["no-address"])


def test_a_new_address_is_where_the_next_mail_goes(booked: Clinic) -> None:
    """N-03; PI-07: the address is read when the mail leaves."""
    booked.until("2026-03-14 12:00")
    old = booked.person("Ann").email
    booked.person("Ann", email=f"new.{old}")
    booked.changes("Ann")
    booked.passes("7d")
    assert [mail.envelope.to.value for mail in booked.mails()] == [old, f"new.{old}"]


@pytest.mark.parametrize("written_down", ["20260302", "2026030209", "202603020900"])
def test_a_new_address_counts_though_only_the_day_it_was_written_down_is_told(
    booked: Clinic, written_down: str
) -> None:
    """N-06, T-01: EVN-2 to the day or the minute does not make it older than the booking told some seconds before."""
    old = booked.person("Ann").email
    booked.person("Ann", email="ann.newly@patients.example")
    booked.changes("Ann", evn={2: written_down})
    booked.passes("18d")
    assert {mail.envelope.to.value for mail in booked.mails()} == {"ann.newly@patients.example"} != {old}


def test_an_address_that_has_run_out_is_not_used(booked: Clinic) -> None:
    """PI-09: XTN.14 of today passed before the reminder was due."""
    mail = f"^NET^Internet^{booked.person('Ann').email}^^^^^^^^^^20260310"
    booked.changes("Ann", pid={13: mail})
    booked.passes("18d")
    assert (booked.mails(), booked.reasons("Ann")) == ([], ["no-address"])


def test_a_nightly_reload_of_everybody_changes_nothing(booked: Clinic) -> None:
    """X-06: A31 for the whole population, unchanged: nothing is sent, planned or withdrawn twice."""
    before = booked.requests("Ann")
    for _ in range(3):
        booked.passes("1d")
        booked.changes("Ann")
    assert booked.requests("Ann") == before
    assert booked.count("contact_point") == 2


def test_an_old_reminder_rule_does_not_revive_after_the_hour(booked: Clinic) -> None:
    """SM-17: a gateway that slept past the appointment sends nothing when it wakes."""
    booked.clock.set(booked.when("2026-03-20 09:30") + HOUR)
    booked.looks()
    assert (booked.mails(), booked.ended("Ann")) == ([], ["expired", "expired"])


def test_a_language_nobody_translated_falls_back(booked: Clinic) -> None:
    """PI-11: Polish is known as a language, and no template is there in it; the text is the one there is."""
    assert not list((shipped("rules") / "templates").glob("*/pl"))
    booked.changes("Ann", pid={15: "POL"})
    booked.passes("18d")
    assert [mail.subject for mail in booked.mails()] == ["A message from Lakeside Health"] * 2


def test_a_patient_is_written_to_in_a_language_somebody_translated(booked: Clinic) -> None:
    """PI-11: as the feed told it last."""
    booked.changes("Ann", pid={15: "SPA"})
    booked.passes("18d")
    assert [mail.subject for mail in booked.mails()] == ["Un mensaje de Lakeside Health"] * 2


def test_patients_are_found_again_after_a_restart(booked: Clinic) -> None:
    """PI-01; law 4: everything stands in the database; a new process goes on where the old one stopped."""
    booked.restarts()
    booked.passes("18d")
    assert booked.arrivals("Ann") == [WEEK, DAY_BEFORE]
    with booked.gateway.store.read() as unit:
        assert len(unit.lookup(tables.patient, ("token",), "token", [booked.token("Ann")])) == 1


def test_an_overtaken_message_of_a_merged_number_brings_back_no_address(clinic: Clinic) -> None:
    """N-06, AD-30: what was told before the merge is older than the merge, whoever it was told of."""
    clinic.enrols("Ann")
    old = clinic.enrols("Ben").email
    late = clinic.schedules("S12", "Ben", start="2026-03-20 09:30", appointment="A9")
    clinic.passes("1h")
    clinic.person("Ben", email="wqvxkbzw.benjamin@patients.example")
    clinic.changes("Ben")
    clinic.merges("Ben", into="Ann")
    clinic.hears(late)
    clinic.passes("20d")
    assert old not in [mail.envelope.to.value for mail in clinic.mails()]
    with clinic.gateway.store.read() as unit:
        rows = unit.lookup(tables.patient, ("version",), "token", [clinic.token("Ann")])
    assert rows[0][0] >= clinic.when("2026-03-02 10:00")
