"""Deny beats permit; only the same scope, later, lifts a denial; nothing is implied."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given as cases
from hypothesis import strategies as st

from gateway.model.consent import ANY, ChannelKind, Consent, Purpose
from gateway.model.facts import Sensitivity
from gateway.model.policy import Policy
from gateway.model.verdict import Deny, Reason
from gateway.model.when import DAY
from gateway.policy import Circumstances, decide
from gateway.policy.consents import Standing, standing
from tests.policy.conftest import NOON, circumstances, entry

Given = Callable[..., Circumstances]
Ledger = Callable[..., Consent]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, Standing.PERMITTED),
        ({"purpose": "TREAT", "channel": "email", "topic": "appointments"}, Standing.PERMITTED),
        ({"purpose": "HPAYMT"}, Standing.SILENT),
        ({"channel": "sms"}, Standing.SILENT),
        ({"topic": "billing"}, Standing.SILENT),
        ({"valid_from": NOON + 1}, Standing.SILENT),
        ({"valid_from": NOON}, Standing.PERMITTED),
        ({"valid_until": NOON}, Standing.SILENT),
        ({"valid_until": NOON + 1}, Standing.PERMITTED),
        ({"address": 12}, Standing.PERMITTED),
        ({"address": 99}, Standing.SILENT),
        ({"patient": None, "address": 12}, Standing.SILENT),
        ({"permit": False}, Standing.DENIED),
        ({"permit": False, "address": 99}, Standing.SILENT),
        ({"permit": False, "patient": None, "address": 12}, Standing.DENIED),
    ],
    ids=str,
)
def test_one_entry_says_what_it_covers_and_no_more(
    given: Given, ledger: Ledger, change: dict[str, object], expected: Standing
) -> None:
    """Purpose × channel × topic × address × period; PH-02, SM-15: another address inherits nothing."""
    assert standing(given(consents=(ledger(**change),))) is expected


def test_a_denial_beats_a_permit_however_narrow(given: Given, ledger: Ledger) -> None:
    """CN-06, 45 CFR 164.522(b): what a person asked not to get overrides every wider yes, also a later one."""
    narrow = ledger(permit=False, channel="email", topic="appointments", recorded=1)
    assert standing(given(consents=(narrow, ledger(recorded=9)))) is Standing.DENIED


def test_a_later_yes_of_the_same_scope_lifts_a_denial(given: Given, ledger: Ledger) -> None:
    """CN-06. The ledger is append-only: an entry is followed by another, never changed."""
    no = ledger(permit=False, recorded=5)
    assert standing(given(consents=(no, ledger(recorded=6)))) is Standing.PERMITTED
    assert standing(given(consents=(no, ledger(recorded=5)))) is Standing.DENIED
    assert standing(given(consents=(no, ledger(recorded=4)))) is Standing.DENIED
    assert standing(given(consents=(no, ledger(recorded=6, valid_until=NOON)))) is Standing.DENIED


def test_start_lifts_stop_for_the_address_but_consents_for_nobody(given: Given, ledger: Ledger) -> None:
    """SM-14: STOP and START belong to an address, consent to a person."""
    stop = ledger(patient=None, address=12, permit=False, recorded=5)
    start = ledger(patient=None, address=12, recorded=6)
    assert standing(given(consents=(ledger(), stop))) is Standing.DENIED
    assert standing(given(consents=(ledger(), stop, start))) is Standing.PERMITTED
    assert standing(given(consents=(stop, start))) is Standing.SILENT


def test_marketing_is_never_implied(given: Given, ledger: Ledger) -> None:
    """45 CFR 164.508(a)(3): only a permit that names HMARKT; a general no covers it all the same (PH-09)."""
    marketing = {"purpose": Purpose.HMARKT}
    assert standing(given(**marketing, consents=(ledger(),))) is Standing.SILENT
    assert standing(given(**marketing, consents=(ledger(purpose="HMARKT"),))) is Standing.PERMITTED
    both = (ledger(purpose="HMARKT"), ledger(permit=False))
    assert standing(given(**marketing, consents=both)) is Standing.DENIED


def test_a_denial_has_its_own_reason(given: Given, ledger: Ledger, policy: Policy) -> None:
    """`consent-denied` and `no-consent` are different answers to a privacy officer."""
    denied = decide(given(consents=(ledger(permit=False),)), policy).against
    assert denied == Deny(gate="consent", reason=Reason.CONSENT_DENIED)


ENTRIES = st.builds(
    entry,
    id=st.integers(1, 9),
    patient=st.sampled_from([7, None]),
    address=st.sampled_from([None, 12, 99]),
    purpose=st.sampled_from([ANY, "TREAT", "HMARKT"]),
    channel=st.sampled_from([ANY, "email", "sms"]),
    topic=st.sampled_from([ANY, "appointments", "billing"]),
    permit=st.booleans(),
    valid_from=st.sampled_from([0, NOON + DAY]),
    valid_until=st.sampled_from([None, NOON, NOON + 2 * DAY]),
    recorded=st.integers(1, 5),
)


@cases(
    st.lists(ENTRIES, max_size=6),
    ENTRIES,
    st.integers(0, 6),
    st.sampled_from(list(ChannelKind)),
    st.sampled_from([Purpose.TREAT, Purpose.HMARKT]),
    st.integers(0, 3),
)
def test_adding_a_denial_never_makes_anything_leave(
    before: list[Consent], extra: Consent, place: int, channel: ChannelKind, purpose: Purpose, days: int
) -> None:
    """Whatever the ledger holds, wherever and whenever the denial comes in."""
    denial = entry(**{name: getattr(extra, name) for name in extra.__dataclass_fields__} | {"permit": False})
    after = [*before[:place], denial, *before[place:]]
    said = {"channel": channel, "purpose": purpose, "now": NOON + days * DAY, "sensitivity": Sensitivity.PUBLIC}
    if standing(circumstances(**said, consents=tuple(before))) is not Standing.PERMITTED:
        assert standing(circumstances(**said, consents=tuple(after))) is not Standing.PERMITTED


@cases(st.permutations([entry(recorded=1), entry(permit=False, recorded=2), entry(channel="email", recorded=3)]))
def test_the_order_in_which_the_ledger_is_read_does_not_matter(entries: list[Consent]) -> None:
    """Only when an entry was recorded counts."""
    assert standing(circumstances(consents=tuple(entries))) is Standing.DENIED


def test_an_old_yes_recorded_late_undoes_no_later_no(given: Given, ledger: Ledger) -> None:
    """SM-14, PV-06: a form of January, imported in July, lifts no STOP of June; one of the same day may."""
    stop = ledger(permit=False, recorded=5, valid_from=5)
    assert standing(given(consents=(stop, ledger(recorded=6, valid_from=4)))) is Standing.DENIED
    assert standing(given(consents=(stop, ledger(recorded=6, valid_from=5)))) is Standing.PERMITTED
