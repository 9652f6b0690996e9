"""Deviations have a place and a rule of our words; and hl7apy's own validator agrees whether there is one."""

from __future__ import annotations

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message

from gateway.analyst.hl7v2.child import answer

MSH = "MSH|^~\\&|EHR|HOSP|GATE|HUB|20260302090000||{}|C1|P|2.5.1"
SIU = MSH.format("SIU^S12^SIU_S12")
SCH = "SCH|P1|F1||||R^Routine|||30||^^30^20260320090000|||||9^Doe||||9^Doe|||||Booked"
PID = "PID|1||1^^^LAKESIDE^MR||Muster^Max||19700101|M"
AIS = "AIS|1|A|PCP"
ADT = MSH.format("ADT^A01^ADT_A01")
EVN, PV1 = "EVN||20260302090000", "PV1|1|I|CARD"


def deviations(*lines: str, structure: str = "", version: str = "2.5.1") -> list[tuple[str, str]]:
    """(place, rule) of each."""
    marks = ["|", "^", "~", "&"]
    question = {"ask": "deviations", "version": version, "structure": structure, "marks": marks, "lines": lines}
    found = []
    for *where, rule in answer(question)["answer"]:
        found.append(("^".join("" if part is None else str(part) for part in where).rstrip("^"), rule))
    return found


def test_a_message_by_the_book_has_no_deviation() -> None:
    """C10 SIU_S12: nothing to say."""
    assert deviations(SIU, SCH, PID, "PV1|1|O", "RGS|1", AIS, "ZZZ|anything|at all", structure="SIU_S12") == []
    assert deviations(ADT, EVN, PID, PV1, structure="ADT_A01") == []


@pytest.mark.parametrize(
    ("segment", "found"),
    [
        ("PID|1||||Muster^Max", ("PID^1^3", "a required field is empty")),
        ("PID|x||1||M^M", ("PID^1^1^1", "not a valid SI")),
        ("PID|1||1||M^M||1970-01-01", ("PID^1^7^1", "not a valid TS")),
        ("PID|1||1||M^M||197013", ("PID^1^7^1", "not a valid TS")),
        ("PID|1||1||M^M||19700101~19700102", ("PID^1^7", "2 repetitions, where the standard has 1")),
        ("PID|1||1||M^M|||M^F", ("PID^1^8^1", "components, where IS has none")),
        ("PID|1||1||M^M" + "|" * 25 + "maybe", ("PID^1^30^1", "not in HL7 table 0136")),
        ("PID|1||1||M^M" + "|" * 35 + "x", ("PID^1^40", "beyond the 39 fields of version 2.5.1")),
        ("PID|1||1||A&B&C&D&E&F^M", ("PID^1^5^1^1", "more components than the 5 of FN")),
        ("PID|1||1^^^A&1.2&ISO&D||M^M", ("PID^1^3^1^4", "more components than the 3 of HD")),
        ("PID|1||1||M^M^^^^^^^^^^^^^^^x", ("PID^1^5^1", "more components than the 14 of XPN")),
        ("XXX|1", ("XXX^1", "the segment is not defined in version 2.5.1")),
    ],
)
def test_what_deviates_in_a_segment_is_told_with_its_place(segment: str, found: tuple[str, str]) -> None:
    """C2A: required, repeatable, data type, table and number of parts; the place is an ERL."""
    assert deviations(segment) == [found]


def test_the_types_of_a_typed_value_are_the_senders_business() -> None:
    """OBX-5 varies with OBX-2; `""` deletes, and is of every type; MSH-1 and MSH-2 are delimiters."""
    assert deviations("OBX|1|NM|X||a^b^c^d||||||F") == []
    assert deviations('PID|1||1||M^M||""|""') == []


def test_a_required_component_that_is_empty_is_told() -> None:
    """C2A CX: since 2.6 its first component is required; the degree of precision of a TS never is (T-05)."""
    assert deviations("PID|1||^^^A||M^M", version="2.6") == [("PID^1^3^1^1", "a required component of CX is empty")]
    assert deviations("EVN|A01|20260302^S", version="2.1") == []


def test_a_field_that_was_withdrawn_is_told() -> None:
    """C3 v2.7: PID-2 and others are withdrawn."""
    assert ("PID^1^2", "withdrawn in version 2.7") in deviations("PID|1|old|1||M^M", version="2.7")


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ((SIU, SCH, PID), ("RGS^1", "a segment that SIU_S12 requires is missing")),
        ((SIU, SCH, PID, "RGS|1", AIS, "IN1|1|A|B"), ("IN1^1", "the segment has no place in SIU_S12")),
        ((SIU, SCH, "PV1|1|O", "RGS|1"), ("PV1^1", "comes without the PID that SIU_S12_PATIENT requires")),
        ((SIU, SCH, SCH, PID, "RGS|1"), ("SCH^2", "more often than SIU_S12 has it")),
    ],
)
def test_what_deviates_in_the_order_of_segments_is_told(lines: tuple[str, ...], found: tuple[str, str]) -> None:
    """C10 SIU_S12: missing, foreign, misplaced and repeated segments."""
    assert found in deviations(*lines, structure="SIU_S12")


def test_a_segment_that_comes_too_late_is_told() -> None:
    """hl7apy's group finder drops it without a word; here it is named."""
    found = deviations(ADT, EVN, PID, PV1, "ZZZ|1", "EVN||20260302090000", structure="ADT_A01")
    assert any(place == "EVN^2" for place, _ in found)


def test_a_structure_that_hl7apy_does_not_have_leaves_the_segments_to_be_judged() -> None:
    """Local events have structures of their own."""
    assert deviations(ADT, EVN, PID.replace("PID|1", "PID|x"), PV1, structure="ADT_Z99") == [
        ("PID^1^1^1", "not a valid SI")
    ]


def test_a_sender_without_repetitions_or_subcomponents_is_judged_by_what_it_declares() -> None:
    """P-03: a delimiter that is not declared is text."""
    question = {"ask": "deviations", "version": "2.5.1", "structure": "", "marks": ["|", "^", "", ""]}
    assert answer({**question, "lines": ["PID|1||1||M~N&O^M||19700101"]}) == {"answer": []}


@pytest.mark.parametrize(
    ("lines", "structure"),
    [
        ((SIU, SCH, PID, "RGS|1", AIS), "SIU_S12"),
        ((SIU, SCH, PID), "SIU_S12"),
        ((SIU, SCH, PID, "RGS|x", AIS), "SIU_S12"),
        ((ADT, EVN, PID, PV1), "ADT_A01"),
        ((ADT, EVN, PID), "ADT_A01"),
        ((ADT, EVN, PID, "PV1|1||CARD"), "ADT_A01"),
        ((ADT, EVN, PID.replace("19700101", "yesterday"), PV1), "ADT_A01"),
        ((ADT, EVN, "PID|1||1~2||A^B~C^D||19700101~19710101", PV1), "ADT_A01"),
    ],
)
def test_hl7apys_own_validator_comes_to_the_same_verdict(lines: tuple[str, ...], structure: str) -> None:
    """A second opinion on the walk: both find something, or neither does."""
    try:
        valid = (
            parse_message("\r".join(lines) + "\r", validation_level=VALIDATION_LEVEL.STRICT, force_validation=True)
            is not None
        )
    except (HL7apyException, ValueError):
        valid = False
    assert (deviations(*lines, structure=structure) == []) is valid


def test_no_rule_repeats_a_value() -> None:
    """Law 4: whatever is wrong, the words are ours."""
    found = deviations("PID|Ada|Ada|Ada^Ada^Ada||Ada&Ada^||Ada|Ada|||||||||||||||||||||||||||||||||Ada|Ada", "QQQ|Ada")
    assert len(found) > 3
    assert not any("Ada" in rule for _, rule in found)
