"""Picking up is a decision of its own: any one thing against it is enough, and the first in the list decides."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

import gateway.policy
from gateway.model.verdict import Deny, Hold, Reason
from gateway.policy.pickup import PICK_UP, PickUp, decide_pick_up, pick_up_table

FREE = PickUp(
    now=1_000,
    until=2_000,
    stopped=False,
    erased=False,
    deceased=False,
    moved=False,
    holds=frozenset(),
    retracted=False,
    withdrawn=False,
    forgotten=False,
)
AGAINST = {
    "stopped": (True, "brake", Reason.STOPPED),
    "erased": (True, "erased", Reason.PATIENT_ERASED),
    "until": (1_000, "over", Reason.EXPIRED),
    "forgotten": (True, "over", Reason.EXPIRED),
    "deceased": (True, "reader-deceased", Reason.DECEASED),
    "moved": (True, "still-theirs", Reason.IDENTITY_CONFLICT),
    "holds": (frozenset({Reason.PROTECTION_INDICATOR}), "restriction", Reason.PROTECTION_INDICATOR),
    "retracted": (True, "retraction", Reason.NOT_AS_ANNOUNCED),
    "withdrawn": (True, "withdrawal", Reason.WITHDRAWN_BY_HAND),
}


def test_a_message_nothing_is_against_is_read() -> None:
    """EM-11."""
    assert decide_pick_up(FREE) is None


@pytest.mark.parametrize("name", AGAINST)
def test_one_thing_against_it_is_enough(name: str) -> None:
    """PI-12, PV-02, OR-05, AD-18: each by the gate and reason of its own."""
    value, gate, reason = AGAINST[name]
    against = decide_pick_up(replace(FREE, **{name: value}))
    assert isinstance(against, Deny | Hold)
    assert (against.gate, against.reason) == (gate, reason)


def test_every_circumstance_is_asked_about() -> None:
    """Nothing is gathered that no gate looks at."""
    assert {one.name for one in fields(PickUp)} == {*AGAINST, "now"}


def test_a_hold_nobody_listed_holds_all_the_same() -> None:
    """Law 6."""
    against = decide_pick_up(replace(FREE, holds=frozenset({Reason.NO_PLAUSIBLE_WINDOW, Reason.CRITICAL_RESULT})))
    assert isinstance(against, Hold)
    assert against.reason is Reason.CRITICAL_RESULT


def test_more_against_it_never_lets_it_through() -> None:
    """Adding a circumstance to any other keeps it closed."""
    for first, (value, _, _) in AGAINST.items():
        for second, told in AGAINST.items():
            assert decide_pick_up(replace(FREE, **{first: value, second: told[0]})) is not None


def test_the_list_in_the_readme_is_the_list() -> None:
    """It is made from the gates."""
    assert len({gate.name for gate in PICK_UP}) == len(PICK_UP)
    assert pick_up_table() in (Path(gateway.policy.__file__).parent / "README.md").read_text("utf-8")
