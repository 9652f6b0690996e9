"""What a message forbids (conformance 1.18) and whose identity is doubtful (PI-13)."""

from __future__ import annotations

import pytest
from mapping_messages import at, msh

from gateway.mapping.feed import Feed
from gateway.model.verdict import Reason

PID = "PID|1||1234^^^LAKESIDE^MR"


def visit(**fields: str) -> str:
    """PV1 of an inpatient visit."""
    return at("PV1", **{"f2": "I", "f19": "V1", **fields})


@pytest.mark.parametrize(
    ("code", "held"), [("", None), ("X", True), ("N", True), ("STD", False), ('""', False), (" ", None)]
)
def test_any_unknown_vip_code_blocks(event, code, held) -> None:
    """PV-01: outside the feed's "not VIP" set everything holds; `""` lifts."""
    feed = Feed(name="f", zone="UTC", not_vip=frozenset({"STD"}))
    told = event(msh("ADT^A01"), PID, visit(f16=code), feed=feed)
    assert told.visit_flags.get(Reason.CONFIDENTIAL_VISIT) is held


@pytest.mark.parametrize(
    ("code", "held"), [("", None), ("Y", True), ("Y^Yes^HL70136", True), ("n", False), ('""', False), ("?", True)]
)
def test_the_protection_indicator_holds_person_or_visit(event, code, held) -> None:
    """PV-02: PD1-12, and PV2-22 for the visit."""
    told = event(msh("ADT^A01"), PID, at("PD1", f12=code), visit(), at("PV2", f22=code))
    assert told.flags.get(Reason.PROTECTION_INDICATOR) is held
    assert told.visit_flags.get(Reason.PROTECTION_INDICATOR) is held


@pytest.mark.parametrize(
    ("code", "held"),
    [("", None), ("N", True), ("F", False), ("O", True), ("U", True), ("Z9", True), ('""', False), ("^^HL70215", None)],
)
def test_no_publicity_is_restrictive_by_default(event, code, held) -> None:
    """PV-03: PD1-11, and PV2-21 for the visit."""
    told = event(msh("ADT^A01"), PID, at("PD1", f11=code), visit(), at("PV2", f21=code))
    assert told.flags.get(Reason.PUBLICITY_RESTRICTED) is held
    assert told.visit_flags.get(Reason.PUBLICITY_RESTRICTED) is held


@pytest.mark.parametrize(
    ("restrictions", "held"),
    [
        ([], None),
        (["ARV|1|A|HIV"], True),
        (["ARV|1|A|NO^None"], False),
        (["ARV|1|A|NO||not to the brother"], True),
        (['ARV|1|A|NO||""'], False),
        (["ARV|1|D|HIV"], False),
        (['ARV|1|A|""'], False),
        (['ARV|""'], False),
        (["ARV|1|A|NO", "ARV|2|A|PSY"], True),
        (["ARV|1|D|HIV", "ARV|2|A|PSY"], True),
        (["ARV|1|A|NO~VIP"], True),
        (["ARV|1|A|HIV|||20200101^20251231"], None),
        (["ARV|1|A|HIV|||20200101^20301231"], True),
        (["ARV|1|A|HIV|||20200101"], True),
        (["ARV|1|A"], True),
    ],
)
def test_a_restriction_of_access_waits_for_a_person(event, restrictions, held) -> None:
    """PV-04: an unknown value or any free text; before PV1 the person's, after it the visit's."""
    before = event(msh("ADT^A01", version="2.6"), PID, *restrictions, visit())
    assert before.flags.get(Reason.ACCESS_RESTRICTION) is held
    assert Reason.ACCESS_RESTRICTION not in before.visit_flags
    after = event(msh("ADT^A01", version="2.6"), PID, visit(), *restrictions)
    assert after.visit_flags.get(Reason.ACCESS_RESTRICTION) is held
    assert Reason.ACCESS_RESTRICTION not in after.flags


@pytest.mark.parametrize(
    ("label", "held"),
    [
        ("|N", False),
        ("|R", True),
        ("|V", True),
        ("|N|NOFORN", True),
        ("||NOFORN", True),
        ("|||do not tell", True),
        ("|||", None),
    ],
)
def test_a_security_label_is_carried_on(event, label, held) -> None:
    """PV-05: MSH-26 to MSH-28 (v2.9)."""
    told = event(msh("ADT^A01", version="2.9") + "|" * 13 + label, PID, visit())
    assert told.visit_flags.get(Reason.ACCESS_RESTRICTION) is held


def test_a_security_label_outweighs_a_lifted_restriction(event) -> None:
    """PV-05: whichever is stricter."""
    told = event(msh("ADT^A01", version="2.9") + "|" * 14 + "R", PID, visit(), "ARV|1|D|HIV")
    assert told.visit_flags[Reason.ACCESS_RESTRICTION] is True


@pytest.mark.parametrize(
    ("unknown", "reliability", "held"),
    [
        ("Y", "", True),
        ("N", "", False),
        ('""', "", False),
        ("", "AL", True),
        ("N", "US~UD", True),
        ("", '""', False),
        ("", "", None),
    ],
)
def test_a_doubtful_identity_is_held(event, unknown, reliability, held) -> None:
    """PI-13: PID-31 and PID-32 (table 0445)."""
    told = event(msh("ADT^A31"), at("PID", f3="1234^^^LAKESIDE^MR", f31=unknown, f32=reliability))
    assert told.flags.get(Reason.IDENTITY_DOUBTFUL) is held


def test_flags_of_a_visit_are_read_in_a_booking_too(event) -> None:
    """PV-01 holds for appointments."""
    told = event(msh("SIU^S12"), at("SCH", f2="F1", f11="^^^202603200900"), PID, at("PV1", f16="X"))
    assert told.visit_flags[Reason.CONFIDENTIAL_VISIT] is True
