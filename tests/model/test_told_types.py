"""The types of what others are told: each outcome has one name of its own, and each name one schema."""

from __future__ import annotations

import pytest

from gateway.model.cloudevent import TYPES, dataschema, type_named
from gateway.model.outcome import EVENTS, OutcomeKind


def test_every_outcome_has_a_type_and_every_type_tells_it() -> None:
    """There and back: no two outcomes share a name, and none is without."""
    told = [(kind, "") for kind in OutcomeKind if kind is not OutcomeKind.EVENT]
    told += [(OutcomeKind.EVENT, event.value) for event in EVENTS]
    assert sorted(TYPES.values()) == sorted(told)
    assert {name: type_named(*outcome) for name, outcome in TYPES.items()} == {name: name for name in TYPES}


@pytest.mark.parametrize(
    ("kind", "event", "type_"),
    [
        (OutcomeKind.HELD, "", "org.caregate.request.held"),
        (OutcomeKind.BOUNCED, "", "org.caregate.communication.bounced"),
        (OutcomeKind.OPTED_OUT, "", "org.caregate.consent.opted-out"),
        (OutcomeKind.EVENT, "appointment.booked", "org.caregate.event.appointment.booked"),
    ],
)
def test_names_that_are_shipped_stay(kind: OutcomeKind, event: str, type_: str) -> None:
    """Whoever consumes a sink filters by them."""
    assert type_named(kind, event) == type_
    assert dataschema(type_) == f"urn:caregate:schema:{type_}:1"


def test_nobody_is_told_of_a_person_alone() -> None:
    """OR-02: that somebody's record changed is no event for others."""
    with pytest.raises(KeyError):
        type_named(OutcomeKind.EVENT, "patient.updated")
