"""An authorization is complete or none; an agreement is in force or over."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from gateway.model.agreement import Agreement
from gateway.model.authorization import CORE, expiry, faults, remunerated
from gateway.model.when import to_millis

TODAY = date(2026, 3, 10)
FORM = dict.fromkeys(CORE, "as on form 7") | {"expiry": "2027-03-01", "signed_on": "2026-03-01"}


def test_a_complete_authorization_has_no_faults() -> None:
    """Regulations 4 and 6; 45 CFR 164.508(c)(1) and (2); an event may end it instead of a date."""
    assert faults(FORM, TODAY) == []
    assert faults(FORM | {"expiry": "end of the study"}, TODAY) == []
    assert faults(FORM | {"signed_on": "2026-03-10", "expiry": "2026-03-10"}, TODAY) == []


@pytest.mark.parametrize("name", CORE)
def test_each_element_is_needed(name: str) -> None:
    """Regulation 4: one that is missing or empty makes it none (164.508(b)(2)(ii))."""
    assert faults({key: value for key, value in FORM.items() if key != name}, TODAY) == [name]
    assert faults(FORM | {name: "  "}, TODAY) == [name]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"expiry": "2026-03-09"}, ["expiry"]),
        ({"signed_on": "2026-03-11"}, ["signed_on"]),
        ({"signed_on": "in spring"}, ["signed_on"]),
        ({"signed_by": "a neighbour"}, ["signed_by"]),
        ({"signed_by": "representative"}, ["authority"]),
        ({"signed_by": "representative", "authority": "court order"}, []),
        ({"remuneration": "the maker pays"}, []),
        ({"shoe_size": "44"}, ["shoe_size"]),
    ],
)
def test_what_cannot_be_is_named(change: dict[str, str], wrong: list[str]) -> None:
    """Regulation 4: over, signed tomorrow, or by somebody whose authority nobody tells (164.508(c)(1)(vi))."""
    assert faults(FORM | change, TODAY) == wrong


def test_its_end_and_its_payment_are_read_from_it() -> None:
    """Regulation 3; 45 CFR 164.508(a)(3)(ii)."""
    assert (expiry(FORM), expiry(FORM | {"expiry": "end of the study"})) == (date(2027, 3, 1), None)
    assert (remunerated(FORM), remunerated(FORM | {"remuneration": "the maker pays"})) == (False, True)


def test_an_agreement_is_in_force_from_its_signature_to_its_last_day() -> None:
    """Regulation 26; 45 CFR 164.504(e); a month ahead somebody should know."""

    def noon(day: int, month: int = 3) -> int:
        return to_millis(datetime(2026, month, day, 12, tzinfo=UTC))

    signed = Agreement(party="Relay", signed=date(2026, 3, 2), expires=date(2026, 3, 30))
    assert [signed.in_force(noon(day)) for day in (1, 2, 30, 31)] == [False, True, True, False]
    assert [signed.ends_within(noon(day), 30) for day in (1,)] == [True]
    assert not signed.ends_within(noon(10, 1), 30)
    own = Agreement(party="", because="our own relay")
    assert own.in_force(noon(1))
    assert not own.ends_within(noon(1), 30)
    assert not Agreement(party="Relay").in_force(noon(1))
