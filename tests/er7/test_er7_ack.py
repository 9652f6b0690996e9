"""An acknowledgement is built anew, in the sender's delimiters, charset and version, and tells no value."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.er7.ack import AckMode, ControlIds, acknowledge, base36, expects_reply
from gateway.er7.header import read_header
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, Outcome, Place, Result, Severity

NOW = 1_772_384_400_123  # 2026-03-01T17:00:00.123Z
AA = Outcome(result=Result.ACCEPTED, ack=AckCode.AA)


def refusal(*faults: Fault, ack: AckCode = AckCode.AE) -> Outcome:
    return Outcome(result=Result.QUARANTINED, ack=ack, faults=faults)


NO_ID = Fault(code=101, rule="PID-3 must name the patient", place=Place("PID", 1, 3))
BAD_BIRTH = Fault(code=102, rule="PID-7 must be a date", place=Place("PID", 1, 7))


def msh(version: str = "2.5.1", *, type_: str = "ADT^A04^ADT_A01", more: str = "") -> bytes:
    return f"MSH|^~\\&|EHR|HOSP|GW|SITE|20260301||{type_}|0001|T|{version}{more}\rPID|1\r".encode()


def answer(body: bytes, outcome: Outcome = AA, zone: str = "UTC") -> list[list[str]]:
    ack = acknowledge(read_header(body), outcome, control_id="OURS1", now=NOW, zone=zone)
    assert ack.endswith(b"\r")
    return [segment.split(ack[3:4].decode()) for segment in ack.decode("latin-1")[:-1].split("\r")]


def test_a_registration_is_acknowledged(admission):
    """A-20 to A-23, 5.1 case 1: sender and receiver swap, time and id are ours, MSA-2 is theirs."""
    ack = acknowledge(read_header(admission), AA, control_id="OURS1", now=NOW, zone="America/New_York")
    assert ack == (b"MSH|^~\\&|GW|HOSP|EHR|HOSP|20260301120000-0500||ACK^A04^ACK|OURS1|P|2.5.1\rMSA|AA|0001\r")


@pytest.mark.parametrize(
    ("version", "type_", "kind"),
    [
        ("2.1", "ADT", "ACK"),
        ("2.3", "ADT^A01", "ACK"),
        ("2.3.1", "ADT^A01^ADT_A01", "ACK"),
        ("2.4", "ADT^A01", "ACK^A01^ACK"),
        ("2.8.2", "SIU^S12^SIU_S12", "ACK^S12^ACK"),
        ("2.5", "ORU", "ACK"),
    ],
)
def test_msh_9_is_as_the_version_writes_it(version, type_, kind):
    """A-23: the plain code before v2.4."""
    assert answer(msh(version, type_=type_))[0][8] == kind


@pytest.mark.parametrize("control_id", ["000123", " 7 ", "A^B&C", "é", "x" * 199, ""])
def test_msa_2_is_the_sender_s_control_id_byte_for_byte(control_id):
    """A-22, D-05: no trimming, no number parsing, nothing un-escaped; a missing one stays missing."""
    body = msh().replace(b"|0001|", b"|" + control_id.encode() + b"|")
    ack = acknowledge(read_header(body), AA, control_id="OURS1", now=NOW)
    assert b"\rMSA|AA|" + control_id.encode() + b"\r" in ack


def test_the_sender_s_own_delimiters_are_used():
    """A-24, 5.1 case 15: text of ours that holds such a delimiter is escaped."""
    body = b"MSH#*+%@#EHR#HOSP#GW#SITE#20260301##ADT*A04*ADT_A01#a|b^c#P#2.5.1\rPID#1\r"
    ack = answer(body, refusal(Fault(code=101, rule="field #3", place=Place("PID", 1, 3, 2))))
    assert ack[0][1:6] == ["*+%@", "GW", "SITE", "EHR", "HOSP"]
    assert ack[0][8] == "ACK*A04*ACK"
    assert ack[1] == ["MSA", "AE", "a|b^c", "field %F%3"]
    assert ack[2] == ["ERR", "", "PID*1*3*2", "101*Required field missing*HL70357", "E", "", "", "", "field %F%3"]


def test_a_sender_without_all_delimiters_is_still_answered():
    """P-03: no component parts where there is no separator between them."""
    ack = answer(b"MSH|^|A|B|C|D|||ADT^A01|1|P|2.3\r", refusal(NO_ID, BAD_BIRTH))
    assert ack[0][1] == "^"
    assert ack[2] == ["ERR", "PID^1^3^101"]


def test_the_charset_is_the_sender_s():
    """A-25: MSH-18 is repeated, echoed bytes stay as they came, our own words are ASCII in any charset."""
    body = msh(more="||||||8859/1~ISO IR87").replace(b"HOSP", "Hôpital".encode("latin-1"))
    ack = acknowledge(read_header(body), refusal(Fault(code=102, rule="l’été")), control_id="1", now=NOW)
    assert ack.split(b"\r")[0].endswith(b"|T|2.5.1||||||8859/1~ISO IR87")
    assert "Hôpital".encode("latin-1") in ack
    assert b"|l??t?" in ack


def test_a_charset_we_cannot_write_is_not_claimed():
    """A-25, F-15."""
    assert len(answer(msh(more="||||||UNICODE UTF-16"))[0]) == 12


@pytest.mark.parametrize("version", ["", "9.9", "2.3 PID"])
def test_an_unknown_version_is_answered_in_ours(version):
    """A-20, E-08: MSH-12 is the version we speak."""
    ack = answer(
        msh(version), refusal(Fault(code=203, rule="no such version", place=Place("MSH", 1, 12)), ack=AckCode.AR)
    )
    assert ack[0][11] == "2.5.1"
    assert ack[1][:3] == ["MSA", "AR", "0001"]
    assert ack[2][2:5] == ["MSH^1^12", "203^Unsupported version id^HL70357", "E"]


def test_msh_12_keeps_what_else_the_sender_says_of_its_version():
    """A-20: an internationalisation code is repeated."""
    assert answer(msh("2.5^DEU"))[0][11] == "2.5^DEU"


@pytest.mark.parametrize(
    ("fault", "where", "condition", "severity"),
    [
        (Fault(code=200, rule="r", place=Place("MSH", 1, 9)), "MSH^1^9", "200^Unsupported message type^HL70357", "E"),
        (Fault(code=101, rule="r", place=Place("PID", 1, 3)), "PID^1^3", "101^Required field missing^HL70357", "E"),
        (Fault(code=102, rule="r", place=Place("PID", 1, 3, 2)), "PID^1^3^2", "102^Data type error^HL70357", "E"),
        (
            Fault(code=102, rule="r", place=Place("PID", 1, 5, 1, 1, 2)),
            "PID^1^5^1^1^2",
            "102^Data type error^HL70357",
            "E",
        ),
        (Fault(code=207, rule="r", severity=Severity.FATAL), "", "207^Application internal error^HL70357", "F"),
        (Fault(code=0, rule="r"), "", "0^Message accepted^HL70357", "I"),
        (Fault(code=999, rule="r"), "", "999", "E"),
    ],
)
def test_err_tells_place_condition_and_severity(fault, where, condition, severity):
    """E-01, E-02, E-04, E-05."""
    assert answer(msh(), refusal(fault))[2] == ["ERR", "", where, condition, severity, "", "", "", "r"]


def test_one_err_per_error_with_its_places_repeated():
    """E-01, E-02."""
    again = Fault(code=101, rule=NO_ID.rule, place=Place("PID", 2, 3))
    ack = answer(msh(), refusal(NO_ID, BAD_BIRTH, again))
    assert [segment[2] for segment in ack[2:]] == ["PID^1^3~PID^2^3", "PID^1^7"]


@pytest.mark.parametrize("version", ["2.2", "2.3", "2.3.1", "2.4"])
def test_old_versions_get_err_1(version):
    """E-03: ELD, without severity, so warnings are not told there."""
    warning = Fault(code=103, rule="odd code", place=Place("PV1", 1, 2), severity=Severity.WARNING)
    ack = answer(msh(version), refusal(NO_ID, warning, Fault(code=199, rule="r")))
    assert ack[2] == ["ERR", "PID^1^3^101&Required field missing&HL70357~^^^199&Other HL7 error&HL70357"]
    assert len(answer(msh(version), Outcome(result=Result.ACCEPTED, ack=AckCode.AA, faults=(warning,)))) == 2


@pytest.mark.parametrize(("version", "filled"), [("2.3", True), ("2.6", True), ("2.7", False), ("2.9", False)])
def test_msa_3_is_filled_until_it_was_withdrawn(version, filled):
    """A-26: from v2.7 the text is in ERR-8 only."""
    ack = answer(msh(version), refusal(NO_ID))
    assert ack[1][3:] == ([NO_ID.rule] if filled else [])
    if version > "2.5":
        assert ack[2][8] == NO_ID.rule


def test_an_accepted_message_may_carry_a_warning():
    """E-07: MSA-1 decides."""
    warning = Fault(code=102, rule="PID-7 is no date", place=Place("PID", 1, 7), severity=Severity.WARNING)
    ack = answer(msh(), Outcome(result=Result.ACCEPTED, ack=AckCode.AA, faults=(warning,)))
    assert (ack[1][1], ack[2][4]) == ("AA", "W")


def test_trouble_of_our_own_is_never_positive_and_never_final():
    """A-04: AR 207, whatever the outcome was told to say."""
    for code in (AckCode.AA, AckCode.AE, AckCode.AR):
        ack = answer(msh(), Outcome(result=Result.FAILED, ack=code))
        assert ack[1][1] == "AR"
        assert ack[2][3].startswith("207^")
    assert answer(msh(), refusal())[2][3].startswith("199^")


def test_a_frame_without_header_gets_a_minimal_refusal():
    """A-07: MSA-2 empty, nothing swapped, never AA even where quarantine is answered AA."""
    ack = acknowledge(None, Outcome(result=Result.QUARANTINED, ack=AckCode.AA), control_id="OURS1", now=NOW)
    first, second, third, end = ack.split(b"\r")
    assert first == b"MSH|^~\\&|||||20260301170000+0000||ACK|OURS1|P|2.5.1"
    assert second.startswith(b"MSA|AR||")
    assert third.startswith(b"ERR||")
    assert end == b""


def test_text_of_a_rule_cannot_inject_a_segment():
    """P-13."""
    ack = answer(msh(), refusal(Fault(code=199, rule="x\rMSA|AA|0001\n|^~&")))
    assert [segment[0] for segment in ack] == ["MSH", "MSA", "ERR"]


@pytest.mark.parametrize(
    ("mode", "accept", "application", "replies"),
    [
        (AckMode.AUTO, "", "", True),
        (AckMode.AUTO, "NE", "NE", False),
        (AckMode.AUTO, "NE", "", False),
        (AckMode.AUTO, "", "NE", False),
        (AckMode.AUTO, "AL", "NE", True),
        (AckMode.AUTO, "NE", "AL", True),
        (AckMode.ORIGINAL, "NE", "NE", True),
        (AckMode.NONE, "", "", False),
        (AckMode.NONE, "AL", "AL", False),
    ],
)
def test_who_wants_no_reply_gets_none(mode, accept, application, replies):
    """A-15, A-16, X-03: NE/NE is obeyed unless the link is configured otherwise."""
    header = read_header(msh(more=f"|||{accept}|{application}"))
    assert expects_reply(header, mode) is replies


def test_an_acknowledgement_is_never_acknowledged():
    """A-17: neither MSH-9 ACK nor an application reply with MSA; an MSA inside a text is none."""
    ack = msh(type_="ACK^A01^ACK")
    assert not expects_reply(read_header(ack), AckMode.ORIGINAL, body=ack)
    for end in (b"\r", b"\r\n", b"\n"):
        reply = msh(type_="RSP^K22^RSP_K22").replace(b"PID|1", b"MSA|AA|7").replace(b"\r", end)
        assert not expects_reply(read_header(reply), AckMode.AUTO, body=reply)
    note = msh().replace(b"PID|1", b"NTE|1||see\nMSA|AA|7")
    assert expects_reply(read_header(note), AckMode.AUTO, body=note)
    assert expects_reply(None, AckMode.AUTO)
    assert not expects_reply(None, AckMode.NONE)


def test_our_control_ids_are_short_unique_and_increasing():
    """A-21: base 36, at most 20 characters (v2.5), and another process has others."""
    ids, other = ControlIds(NOW), ControlIds(NOW)
    made = [ids() for _ in range(5_000)]
    assert made == sorted(set(made))
    assert all(re.fullmatch(r"[0-9A-Z]{1,20}", one) for one in made)
    assert base36(35 * 36 + 10, 3) == "0ZA"
    assert other()[:14] == made[0][:14]


@given(st.binary(max_size=120).map(lambda tail: b"MSH|^~\\&|" + tail.replace(b"\x0b", b"").replace(b"\x1c", b"")))
def test_every_readable_header_can_be_answered(body):
    """A-20 to A-24: whatever is in the header, the answer has exactly its own segments."""
    try:
        header = read_header(body)
    except Unreadable:
        return
    ack = acknowledge(header, refusal(NO_ID), control_id="1", now=NOW)
    assert [segment[:3] for segment in ack.split(b"\r")] == [b"MSH", b"MSA", b"ERR", b""]
    assert read_header(ack).control_id == "1"
    assert expects_reply(header, AckMode.NONE, body=body) is False


def test_what_is_echoed_makes_no_segment_and_ends_no_frame():
    """P-05, F-01: a bare LF is content to us and a new segment to others; 1C before our CR would end the frame."""
    frame_end = msh().replace(b"|0001|", b"|0001\x1c|")
    line_end = msh().replace(b"|EHR|HOSP|GW|SITE|", b"|0002|HOSP|x\nMSA|AA|")
    for body, echoed in ((frame_end, b"0001?"), (line_end, b"x?MSA|AA|0002")):
        ack = acknowledge(read_header(body), AA, control_id="OURS1", now=NOW)
        assert echoed in ack
        assert not set(b"\n\x0b\x1c") & set(ack)
