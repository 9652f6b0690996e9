"""After a breach: whose PHI was in what left, guarded how, counted as the notices want it; on every store."""

from __future__ import annotations

import json
from typing import Any

import pytest
from clinic_dsl import Answer, Clinic

from gateway.cli.terminal import plain
from gateway.model.errors import CommandError
from gateway.model.request import Protection
from gateway.model.when import DAY, to_datetime
from gateway.pipeline import inspect, rights
from gateway.pipeline.rights import breach

VISIT = "2026-03-20 09:30"


def assessed(clinic: Clinic, since: str, until: str, **told: Any) -> rights.Assessment:
    """What `caregate breach` finds between two wall times."""
    return rights.assess(
        clinic.gateway, since=clinic.when(since), until=clinic.when(until), account="os:officer", **told
    )


def test_only_what_is_known_to_be_encrypted_is_secured(clinic: Clinic) -> None:
    """45 CFR 164.402: verified TLS to the mailbox secures; a relay, the open, and not knowing do not."""
    ways = (Protection.VERIFIED_TLS, Protection.RELAY_TLS, Protection.OPEN, None)
    for day, (name, how) in enumerate(zip(("Ann", "Ben", "Cyd", "Dee"), ways, strict=True), 3):
        clinic.enrols(name)
        clinic.books(name, on=f"2026-03-{day + 7:02} 09:30")
        clinic.post.protection = how
        clinic.until(f"2026-03-{day:02} 12:00")
    told = assessed(clinic, "2026-03-03 00:00", "2026-03-07 00:00")
    assert {one.protection for one in told.exposures} == {"verified-tls", "relay-tls", "open", None}
    assert [one.secured for one in told.exposures] == [True, False, False, False]
    assert told.by_protection == {"not known": 1, "open": 1, "relay-tls": 1, "verified-tls": 1}
    assert (len(told.individuals), told.unsecured) == (4, 3)


def test_people_are_counted_once_by_state_and_the_clocks_run(clinic: Clinic) -> None:
    """164.404(b), 164.406, 164.408: sixty days from discovery; under 500 the yearly log; residents of each state."""
    clinic.enrols("Ann")
    clinic.enrols("Ben", state="WI")
    clinic.enrols("Cyd", state="WI")
    for name in ("Ann", "Ben", "Cyd"):
        clinic.books(name, on=VISIT)
    clinic.until("2026-03-20 12:00")
    discovered = clinic.when("2026-03-21 10:00")
    told = assessed(clinic, "2026-03-01 00:00", "2026-03-21 00:00", discovered=discovered)
    assert len(told.exposures) == 6
    assert told.by_state == {"IL": 1, "WI": 2}
    assert (told.unsecured, told.secretary, told.media) == (3, False, ())
    assert told.notify_by - discovered == 60 * DAY
    assert to_datetime(told.log_by).date().isoformat() == "2027-03-02"
    for one in told.exposures:
        assert one.facts == ("appointment.location", "appointment.start", "patient.given_name")
        assert len(one.address) == 32
    finder = json.dumps(plain(told))
    assert not any(clinic.person(name).given in finder for name in ("Ann", "Ben", "Cyd"))


def test_only_what_left_in_that_time_by_that_way_at_that_place_counts(clinic: Clinic) -> None:
    """`until` is not included; a refused message did not leave, a lost one may have."""
    for name in ("Ann", "Ben", "Cyd", "Dee"):
        clinic.enrols(name)
    clinic.books("Ann", on=VISIT)
    clinic.books("Ben", on=VISIT, place="NORTH")
    clinic.books("Cyd", on=VISIT)
    clinic.books("Dee", on=VISIT)
    clinic.post.will(Answer.ACCEPT, Answer.ACCEPT, Answer.LOSE, Answer.REFUSE)
    clinic.until("2026-03-13 12:00")
    week = ("2026-03-13 00:00", "2026-03-14 00:00")
    assert [one.certain for one in assessed(clinic, *week).exposures].count(False) == 1
    assert len(assessed(clinic, *week).exposures) == 3
    assert len(assessed(clinic, *week, facility="north").exposures) == 1
    assert len(assessed(clinic, *week, channel="sms").exposures) == 0
    assert len(assessed(clinic, "2026-03-14 00:00", "2026-03-19 00:00").exposures) == 0
    with pytest.raises(CommandError, match="no location of this name"):
        assessed(clinic, *week, facility="nowhere")
    with pytest.raises(CommandError, match="end before it begins"):
        assessed(clinic, *reversed(week))


def test_a_message_about_one_person_to_another_exposes_both(clinic: Clinic) -> None:
    """AD-31: after a wrong merge the greeting was Ann's and the visit Ben's; the assessment counts each."""
    clinic.enrols("Ann")
    clinic.enrols("Ben", state="WI")
    clinic.books("Ben", on=VISIT)
    loser = clinic.token("Ben")
    clinic.merges("Ben", into="Ann")
    clinic.until("2026-03-13 12:00")
    inspect.unmerge(clinic.gateway, loser, reason="ticket 9", account="os:officer")
    told = assessed(clinic, "2026-03-13 00:00", "2026-03-14 00:00")
    assert len({one.communication for one in told.exposures}) == 1
    assert told.by_state == {"IL": 1, "WI": 1}


def test_merged_people_are_one_and_erased_ones_still_count(clinic: Clinic) -> None:
    """Whoever was erased was exposed all the same; their state of residence was kept for this."""
    clinic.enrols("Anna")
    clinic.enrols("Ann")
    clinic.enrols("Ben", state="WI")
    for name in ("Anna", "Ann", "Ben"):
        clinic.books(name, on=VISIT)
    clinic.until("2026-03-13 12:00")
    clinic.merges("Anna", into="Ann")
    rights.erase(clinic.gateway, clinic.identifier("Ben"), reason="order 12", account="os:officer")
    told = assessed(clinic, "2026-03-13 00:00", "2026-03-14 00:00")
    assert told.by_state == {"IL": 1, "WI": 1}
    assert [one.erased for one in sorted(told.individuals, key=lambda one: one.state)] == [False, True]


def test_five_hundred_people_are_told_to_the_secretary_and_more_to_the_media(clinic: Clinic, monkeypatch: Any) -> None:
    """164.408(b): 500 or more; 164.406: *more* than 500 residents of one state. Here the number is two."""
    monkeypatch.setattr(breach, "MANY", 2)
    for name in ("Ann", "Ben"):
        clinic.enrols(name)
        clinic.books(name, on=VISIT)
    clinic.until("2026-03-13 12:00")
    told = assessed(clinic, "2026-03-13 00:00", "2026-03-14 00:00")
    assert (told.secretary, told.media) == (True, ())
    clinic.enrols("Cyd")
    clinic.books("Cyd", on="2026-03-21 09:30")
    clinic.until("2026-03-14 12:00")
    assert assessed(clinic, "2026-03-13 00:00", "2026-03-15 00:00").media == ("IL",)


def test_an_assessment_is_audited_with_everybody_in_it(clinic: Clinic) -> None:
    """164.530(j), 164.414(b): that it was assessed is evidence, and part of each person's story."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=VISIT)
    clinic.until("2026-03-13 12:00")
    assessed(clinic, "2026-03-13 00:00", "2026-03-14 00:00")
    (entry,) = [one for one in clinic.entries("Ann") if one[0] == "breach.assessed"]
    assert entry[5:] == [1, 1]
    assert any("breach assessed" in words for words in clinic.story("Ann"))


def test_a_long_list_is_read_in_pieces(clinic: Clinic, monkeypatch: Any) -> None:
    """No message is skipped or told twice at the seams."""
    from gateway.pipeline.rights import sendings

    monkeypatch.setattr(sendings, "_BATCH", 2)
    names = ("Ann", "Ben", "Cyd", "Dee", "Eve")
    for name in names:
        clinic.enrols(name)
        clinic.books(name, on=VISIT)
    clinic.until("2026-03-20 12:00")
    told = assessed(clinic, "2026-03-01 00:00", "2026-03-21 00:00")
    assert len(told.exposures) == len({one.communication for one in told.exposures}) == 2 * len(names)
