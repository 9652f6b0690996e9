"""Which acknowledgements a message asks for, by MSH-15 and MSH-16."""

from __future__ import annotations

import pytest

from gateway.er7.ack import AckMode, acknowledge
from gateway.er7.enhanced import Answers, accept_code, answers
from gateway.er7.header import read_header
from gateway.model.event import AckCode, Fault, Outcome, Place, Result

GOOD = Outcome(result=Result.ACCEPTED, ack=AckCode.AA)
CONTENT = Outcome(
    result=Result.QUARANTINED, ack=AckCode.AE, faults=(Fault(code=101, rule="x", place=Place("PID", 1, 3)),)
)
CHARSET = Outcome(
    result=Result.QUARANTINED, ack=AckCode.AE, faults=(Fault(code=102, rule="x", place=Place("MSH", 1, 18)),)
)
VERSION = Outcome(
    result=Result.REJECTED, ack=AckCode.AR, faults=(Fault(code=203, rule="x", place=Place("MSH", 1, 12)),)
)
POISON = Outcome(result=Result.QUARANTINED, ack=AckCode.AE, faults=(Fault(code=207, rule="x"),))
TROUBLE = Outcome(result=Result.FAILED, ack=AckCode.AR)


def header(accept: str, application: str, type_: str = "ADT^A04^ADT_A01"):
    return read_header(f"MSH|^~\\&|EHR|HOSP|GW|HOSP|20260301||{type_}|7|P|2.5.1|||{accept}|{application}\r".encode())


@pytest.mark.parametrize(
    ("accept", "application", "outcome", "expected"),
    [
        ("AL", "NE", GOOD, ("CA", None)),
        ("AL", "NE", VERSION, ("CR", None)),
        ("AL", "NE", TROUBLE, ("CE", None)),
        ("AL", "NE", CHARSET, ("CE", None)),
        ("AL", "NE", CONTENT, ("CA", None)),
        ("AL", "AL", POISON, ("CA", "AE")),
        ("ER", "NE", GOOD, (None, None)),
        ("ER", "NE", VERSION, ("CR", None)),
        ("SU", "NE", GOOD, ("CA", None)),
        ("SU", "NE", VERSION, (None, None)),
        ("NE", "NE", TROUBLE, (None, None)),
        ("AL", "AL", GOOD, ("CA", "AA")),
        ("AL", "AL", CONTENT, ("CA", "AE")),
        ("AL", "AL", VERSION, ("CR", None)),
        ("AL", "ER", GOOD, ("CA", None)),
        ("AL", "SU", GOOD, ("CA", "AA")),
        ("NE", "AL", VERSION, (None, "AR")),
        ("NE", "AL", TROUBLE, (None, "AR")),
        ("NE", "ER", CONTENT, (None, "AE")),
        ("SU", "AL", VERSION, (None, "AR")),
        ("XX", "NE", GOOD, ("CA", None)),
    ],
)
def test_each_kind_is_sent_only_when_asked_for(accept, application, outcome, expected):
    """A-10, A-11, A-16: and nothing follows a refused accept acknowledgement."""
    found = answers(header(accept, application), outcome, AckMode.ENHANCED)
    assert (found.accept, found.application) == tuple(AckCode(code) if code else None for code in expected)
    assert found.enhanced
    assert not found.lonely


def test_one_of_the_two_alone_reads_as_ne_and_is_remarked():
    """A-15."""
    assert answers(header("AL", ""), GOOD, AckMode.ENHANCED) == Answers(AckCode.CA, None, enhanced=True, lonely=True)
    assert answers(header("", "AL"), GOOD, AckMode.ENHANCED) == Answers(None, AckCode.AA, enhanced=True, lonely=True)


def test_without_either_the_original_mode_holds():
    """A-10, X-03: `enhanced` obeys what is there; `auto`, `original` and `none` are as they were."""
    assert answers(header("", ""), GOOD, AckMode.ENHANCED) == Answers(application=AckCode.AA)
    assert answers(header("AL", "NE"), GOOD, AckMode.AUTO) == Answers(application=AckCode.AA)
    assert answers(header("NE", "NE"), GOOD, AckMode.AUTO) == Answers()
    assert answers(header("NE", "NE"), VERSION, AckMode.ORIGINAL) == Answers(application=AckCode.AR)
    assert answers(header("AL", "AL"), GOOD, AckMode.NONE) == Answers()
    assert answers(None, CONTENT, AckMode.ENHANCED) == Answers(application=AckCode.AE)


def test_an_acknowledgement_is_not_acknowledged_whatever_it_asks():
    """A-17."""
    assert answers(header("AL", "AL", "ACK^A04^ACK"), GOOD, AckMode.ENHANCED) == Answers()


def test_trouble_of_ours_is_ce_and_says_so():
    """A-04, A-11: storage is the sender's to repeat; ERR 207."""
    assert accept_code(TROUBLE) is AckCode.CE
    ack = acknowledge(header("AL", "NE"), TROUBLE, control_id="1", now=0, code=AckCode.CE)
    assert b"MSA|CE|7|" in ack
    assert b"|207^" in ack


def test_an_accept_acknowledgement_asks_for_nothing_and_tells_nothing_of_the_content():
    """A-12, A-13: MSH-15/16 are empty; those of a deferred application acknowledgement are AL and NE."""
    first, second, end = acknowledge(header("AL", "AL"), CONTENT, control_id="1", now=0, code=AckCode.CA).split(b"\r")
    assert first.endswith(b"|P|2.5.1")
    assert (second, end) == (b"MSA|CA|7", b"")
    own = read_header(acknowledge(header("AL", "AL"), GOOD, control_id="9", now=0, asks=("AL", "NE")))
    assert (own.control_id, own.accept_ack, own.application_ack) == ("9", "AL", "NE")


@pytest.mark.parametrize(
    ("accept", "application", "whole", "expected"),
    [
        ("AL", "AL", "", ("CA", None, None)),  # a part: only that it is stored
        ("AL", "AL", "P1", ("CA", "AA", "P1")),  # the last one: the whole, by the name of the first
        ("ER", "AL", "", (None, None, None)),
        ("ER", "AL", "P1", (None, "AA", "P1")),
        ("NE", "AL", "", (None, "AA", None)),  # all its sender asks for
        ("NE", "AL", "P1", (None, "AA", None)),
        ("", "", "P1", (None, "AA", None)),  # original mode
    ],
)
def test_a_message_in_parts_gets_one_application_acknowledgement(accept, application, whole, expected):
    """B-07: an accept acknowledgement for each part, and an application one that refers to the first."""
    outcome = Outcome(result=Result.ACCEPTED, ack=AckCode.AA, whole=whole)
    told = answers(header(accept, application), outcome, AckMode.ENHANCED)
    assert (told.accept, told.application, told.about) == expected
    ack = acknowledge(header(accept, application), outcome, control_id="1", now=0, about="P1")
    assert b"\rMSA|AA|P1\r" in ack


def test_the_expected_sequence_number_stands_in_msa_4():
    """D-07: in its place whether MSA-3 is filled or not."""
    assert b"MSA|AA|7||41\r" in acknowledge(header("", ""), GOOD, control_id="1", now=0, sequence=41)
    assert b"MSA|AE|7|x|-1\r" in acknowledge(header("", ""), CONTENT, control_id="1", now=0, sequence=-1)
