"""Which exemption a disclosure has, and which label."""

from __future__ import annotations

import pytest

from gateway.model.disclosure import PART_2, Exemption, Recipient
from gateway.model.request import Protection
from gateway.policy.disclosures import exemption, label_of


@pytest.mark.parametrize(
    ("recipient", "purpose", "authorized", "why"),
    [
        (Recipient.INDIVIDUAL, "TREAT", False, Exemption.TO_INDIVIDUAL),
        (Recipient.REPRESENTATIVE, "TREAT", False, Exemption.TO_INDIVIDUAL),
        (Recipient.INDIVIDUAL, "HMARKT", True, Exemption.AUTHORIZATION),
        (Recipient.INDIVIDUAL, "HMARKT", False, Exemption.TO_INDIVIDUAL),
        (Recipient.SYSTEM, "HOPERAT", False, Exemption.OPERATIONS),
        (Recipient.ANOTHER, "TREAT", False, Exemption.NONE),
        (Recipient.ANOTHER, "HMARKT", True, Exemption.NONE),
    ],
)
def test_each_disclosure_has_its_exemption(
    recipient: Recipient, purpose: str, authorized: bool, why: Exemption
) -> None:
    """45 CFR 164.528(a)(1): a mistake is exempt from nothing, whatever it was meant for."""
    assert exemption(recipient, purpose, authorized=authorized) is why
    assert why.clause.startswith("45 CFR 164.528(a)(1)")


def test_a_part_2_program_is_told_by_its_service() -> None:
    """42 CFR 2.11, 2.25."""
    assert label_of({"appointment.service": "substance-use"}) == PART_2
    assert label_of({"encounter.service": "substance-use", "patient.age": 40}) == PART_2
    assert label_of({"appointment.service": "cardiology", "appointment.location": "substance-use"}) is None
    assert label_of({}) is None


def test_only_the_whole_way_is_encrypted() -> None:
    """45 CFR 164.402."""
    assert [one for one in Protection if one.encrypted] == [Protection.VERIFIED_TLS, Protection.PORTAL]
