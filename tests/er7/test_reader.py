"""The lazy reader: segments, fields, three states, PATIENT groups (conformance 1.8, 1.9)."""

from __future__ import annotations

import pytest

from gateway.er7.header import read_header
from gateway.er7.reader import NULL, Message, parse
from gateway.model.errors import Unreadable

HEAD = "MSH|^~\\&|EHR|HOSP|GW|HOSP|20260301||ADT^A04|0001|P|2.5.1"


def read(*segments: str, ending: str = "\r") -> Message:
    """Parse our header with these segments."""
    return parse("".join(one + ending for one in (HEAD, *segments)).encode(), default_charset="UTF-8")


def test_a_field_is_split_only_when_somebody_asks() -> None:
    """P-02: MSH-n stands at place n, like field n of any other segment."""
    message = read("PID|1||123")
    assert message._split == {}
    assert message.first("PID") == ["PID", "1", "", "123"]
    assert message.first("MSH")[:4] == ["MSH", "|", "^~\\&", "EHR"]
    assert message.first("MSH")[9] == "ADT^A04"
    assert message.first("ZZZ") == []
    assert message.all("ZZZ") == []


@pytest.mark.parametrize("ending", ["\r", "\n", "\r\n"])
def test_segments_end_with_cr_and_tolerate_lf(ending: str) -> None:
    """P-05, P-22: blank lines are skipped."""
    message = read("EVN||2026", "", "PID|1", ending=ending)
    assert [line[:3] for line in message.lines] == ["MSH", "EVN", "PID"]


def test_a_line_feed_in_a_cr_terminated_message_is_content() -> None:
    """P-05: a note may hold a line feed, and never makes a segment."""
    message = read("NTE|1||first\nPV1 second", "PID|1")
    assert message.first("NTE")[3] == "first\nPV1 second"
    assert "PV1" not in message


def test_the_last_segment_needs_no_end() -> None:
    """P-16."""
    assert parse(f"{HEAD}\rPID|1||9".encode(), default_charset="UTF-8").first("PID")[3] == "9"


def test_unknown_and_lower_case_segments_are_out_of_the_way() -> None:
    """P-15, P-22: kept apart, never an error."""
    message = read("Zxx|1", "pid|1||9", "not a segment")
    assert message.first("PID") == []
    assert message.first("Zxx") == ["Zxx", "1"]


def test_repeated_segments_are_all_there() -> None:
    """P-18."""
    message = read("NK1|1", "NK1|2", "NK1|3", "PID|1")
    assert [fields[1] for fields in message.all("NK1")] == ["1", "2", "3"]
    assert message.repeated == {"NK1"}


def test_an_addendum_goes_on_with_the_segment_before_it() -> None:
    """B-06: ADD is joined before anything is split."""
    message = read("NTE|1||long te", "ADD|xt", "ADD| and more", "PID|1")
    assert message.first("NTE")[3] == "long text and more"
    assert read("NTE|1||long te", "ADD", "ADD|xt", "PID|1").first("NTE")[3] == "long text"
    assert read("ADD|xt", "PID|1").first("MSH")[-1] == read("PID|1").first("MSH")[-1]
    alone = parse(b"ADD|x", default_charset="UTF-8", header=read_header(HEAD.encode()))
    assert alone.first("ADD") == ["ADD", "x"]


def test_text_is_unescaped_last() -> None:
    """P-07: split first, un-escape after; P-12: a lone backslash stays."""
    message = read("PID|1||||O\\S\\N^A\\B")
    assert [message.text(one) for one in message.first("PID")[5].split("^")] == ["O^N", "A\\B"]
    assert message.text("plain") == "plain"


def test_a_delete_indicator_is_two_quotes_and_nothing_else() -> None:
    """N-01."""
    assert NULL == '""'
    assert read('PID|1||""').first("PID")[3] == NULL


def test_nothing_one_and_several_patients() -> None:
    """SI-20: PATIENT groups share what stands before them and, in a SIU, the resources behind."""
    assert read("SCH|1").patients() == ()
    one = read("PID|1||1")
    assert one.patients() == (one,)
    groups = read("SCH|1", "PID|1||1", "PV1|1|O", "PID|2||2", "RGS|1", "AIL|1").patients()
    assert [group.first("PID")[3] for group in groups] == ["1", "2"]
    assert ["PV1" in group for group in groups] == [True, False]
    assert all("AIL" in group and "SCH" in group for group in groups)


def test_fields_are_picked_in_one_go() -> None:
    """P-16: what is not there is empty, not an error."""
    from operator import itemgetter

    message = read("PID|1||3")
    picks = [
        ("PID", 5, itemgetter(3, 5), ("", "")),
        ("PV1", 2, itemgetter(1, 2), ("", "")),
        ("MSH", 28, itemgetter(9, 28), ("", "")),
    ]
    assert message.pick(picks) == ["3", "", "", "", "ADT^A04", ""]


def test_bytes_in_another_charset_are_refused() -> None:
    """C-03: quarantined, never guessed."""
    body = f"{HEAD}\rPID|1||||Muñoz".encode("cp1252")
    with pytest.raises(Unreadable):
        parse(body, default_charset="UTF-8")
    assert parse(body, default_charset="UTF-8", fallbacks=("cp1252",)).first("PID")[5] == "Muñoz"
