"""MSH is read from raw bytes, leniently, and what cannot be read is refused by place and rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.er7.header import Header, read_header
from gateway.er7.separators import DEFAULT, Separators
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode


def refused(body: bytes) -> tuple[AckCode, int, str]:
    with pytest.raises(Unreadable) as caught:
        read_header(body)
    return caught.value.ack, caught.value.fault.code, str(caught.value.fault.place)


def test_a_registration_s_header_is_read_with_msh_1_as_the_separator(admission):
    """P-01, P-02: MSH-1 is the separator itself, so the trigger is MSH-9 and the control id MSH-10."""
    header = read_header(admission)
    assert header.separators == DEFAULT
    assert header.fields[0:3] == ("MSH", "|", "^~\\&")
    assert (header.sending_application, header.sending_facility) == ("EHR", "HOSP")
    assert (header.receiving_application, header.receiving_facility) == ("GW", "HOSP")
    assert (header.message_code, header.trigger, header.structure) == ("ADT", "A04", "ADT_A01")
    assert (header.control_id, header.processing_id, header.version) == ("0001", "P", "2.5.1")
    assert header.time == "20260301120000-0500"


def test_a_sender_with_its_own_delimiters_is_understood():
    """P-01, A-24: nothing assumes the usual delimiters."""
    header = read_header(b"MSH#*+%@#EHR#HOSP#GW#HOSP#20260301##ADT*A01*ADT_A01#7#P#2.5\r")
    assert header.separators == Separators("#", "*", "+", "%", "@")
    assert (header.message_code, header.trigger, header.control_id) == ("ADT", "A01", "7")


@pytest.mark.parametrize("encoding", ["^", "^~", "^~\\", "^~\\&", "^~\\&#"])
def test_missing_delimiters_are_disabled_and_a_fifth_is_the_truncation_character(encoding):
    """P-03, P-14: two or three characters are accepted, and MSH-2 is never split."""
    header = read_header(f"MSH|{encoding}|A|B|C|D|||ADT^A01|1|P|2.5\r".encode())
    assert header.separators.encoding == encoding == header.fields[2]
    assert header.separators.truncation == ("#" if len(encoding) == 5 else "")
    assert header.trigger == "A01"


@pytest.mark.parametrize(
    ("start", "code", "place"),
    [
        (b"MSHa^~\\&aX", 102, "MSH^1^1"),
        (b"MSH ^~\\& X", 102, "MSH^1^1"),
        (b"MSH|^^\\&|X", 102, "MSH^1^2"),
        (b"MSH|^~x&|X", 102, "MSH^1^2"),
        (b"MSH|^~\\&#!|X", 102, "MSH^1^2"),
        (b"MSH|^~\\\xa7|X", 102, "MSH^1^2"),
        (b'MSH|^~\\"|X', 102, "MSH^1^2"),
        (b"MSH||X", 101, "MSH^1^2"),
        (b"MSH|", 101, "MSH^1^2"),
    ],
)
def test_delimiters_that_cannot_delimit_are_refused(start, code, place):
    """P-04: not distinct, alphanumeric, blank, not ASCII, too many or none: AR on MSH-1 or MSH-2."""
    assert refused(start + b"|A01\rPID|1\r") == (AckCode.AR, code, place)


@pytest.mark.parametrize(
    "body", [b"", b"MSH", b"PID|1\r", b"msh|^~\\&|", b"FHS|^~\\&|\rMSH|^~\\&|", b"\x00" * 9, b"GET /"]
)
def test_what_does_not_begin_with_msh_is_refused(body):
    """A-07, P-22, F-15: no MSH, a lower-case one, UTF-16 and a health probe are all no message."""
    assert refused(body) == (AckCode.AR, 100, "MSH")
    assert refused("MSH|^~\\&|A".encode("utf-16"))[1] == 100


@pytest.mark.parametrize("before", [b"\r", b"\r\n\r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
def test_blank_lines_and_a_byte_order_mark_before_msh_are_passed_over(before, admission):
    """P-22, C-07."""
    assert read_header(before + admission).control_id == "0001"


def test_the_header_ends_at_its_line_end_whichever_it_is(admission):
    """P-05: CR always, CRLF tolerated, LF only where there is no CR at all."""
    for end in (b"\r\n", b"\n"):
        header = read_header(admission.replace(b"\r", end))
        assert header.version == "2.5.1"
    assert read_header(b"MSH|^~\\&|A|B|C|D||x\ny|ADT^A01|1\rPID|1\r").control_id == "1"


def test_fields_not_sent_are_empty_and_not_an_error():
    """P-16, P-17, A-22: absent fields, components and the delete indicator read as empty; nothing is trimmed."""
    header = read_header(b'MSH|^~\\&|A|B|C|D|||"" | 00012 |P^T| 2.3 |||""|NE')
    assert (header.trigger, header.structure, header.charset, header.get(99)) == ("", "", "", "")
    assert header.message_code == '"" '
    assert header.control_id == " 00012 "
    assert (header.processing_id, header.version) == ("P", "2.3")
    assert (header.accept_ack, header.application_ack) == ("", "NE")
    assert read_header(b'MSH|^~\\&|A|B|C|D|||ADT|""|P').control_id == ""


def test_the_first_repetition_of_msh_18_is_the_charset():
    """C-05: further repetitions are for escapes; an empty first one means the default."""
    stem = b"MSH|^~\\&|A|B|C|D|||ADT^A01|1|P|2.5||||||"
    assert read_header(stem + b"8859/1~ISO IR87").charset == "8859/1"
    assert read_header(stem + b"~ISO IR87").charset == ""


def test_a_frame_of_nothing_but_separators_stays_small():
    """F-12: a hostile header cannot become a million strings."""
    assert len(read_header(b"MSH|^~\\&" + b"|" * 1_000_000).fields) < 100


def test_a_header_shown_by_accident_shows_no_content(admission):
    """A-27: a repr in a traceback tells delimiters only."""
    assert "HOSP" not in repr(read_header(admission))


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: b"MSH" + tail))
def test_arbitrary_bytes_give_a_header_or_unreadable(body):
    """P-04, P-16, A-07: nothing else is ever raised, and every property can be asked."""
    try:
        header = read_header(body)
    except Unreadable:
        return
    for name, member in vars(Header).items():
        if isinstance(member, property):
            assert isinstance(getattr(header, name), str)


def test_a_backslash_doubled_by_somebodys_source_code_is_one_escape_character():
    r"""P-01, P-04: MSH-2 `^~\\&` is met in real feeds; read as `^~\&`."""
    header = read_header(b"MSH|^~\\\\&|EHR|HOSP|GW|HOSP|20260301||ADT^A01|1|P|2.5\rPID|1\r")
    assert header.separators.encoding == "^~\\&"
    assert header.control_id == "1"
