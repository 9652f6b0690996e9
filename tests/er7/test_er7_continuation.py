"""Parts of a message: what they say of each other, and how they are put together (C2 §2.10.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.er7.continuation import fragment_of, join
from gateway.er7.reader import parse
from gateway.model.errors import Unreadable
from gateway.model.event import Fragment

HEAD = "MSH|^~\\&|EHR|HOSP|GW|HOSP|20260301120000||ORU^R01|%s|P|2.5.1||%s"


def part(*segments: str, control: str = "1", pointer: str = "", ending: str = "\r") -> bytes:
    """One part; `pointer` is MSH-14."""
    return "".join(line + ending for line in (HEAD % (control, pointer), *segments)).encode()


def told(body: bytes) -> Fragment | None:
    """What a part says."""
    return fragment_of(parse(body, default_charset="UTF-8"))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (part("PID|1"), None),
        (part("PID|1", pointer='""'), None),
        (part("PID|1", "DSC"), None),
        (part("PID|1", "DSC|"), None),
        (part("PID|1", "DSC|x|I"), None),
        (part("PID|1", "DSC|x"), ("", "x")),
        (part("PID|1", "DSC| x |F"), ("", "x")),
        (part("OBX|1", pointer="x"), ("x", "")),
        (part("OBX|1", "DSC|y|F", pointer="x"), ("x", "y")),
        (part("ADD|rest", pointer="x"), ("x", "")),
    ],
)
def test_a_part_says_what_it_goes_on_and_whether_it_goes_on(body, expected):
    """B-07: MSH-14 and DSC-1; DSC-2 = I means that a sender may be asked for more (table 0398)."""
    found = told(body)
    assert (found and (found.continues, found.continued)) == (
        expected and tuple(one and f"EHR\x1fHOSP\x1f{one}" for one in expected)
    )


def test_a_pointer_is_the_same_in_both_places_whatever_it_is_written_in():
    """B-07: the header is read as bytes, the segment as text."""
    first, second = told(part("DSC|Müller")), told(part("OBX|1", pointer="Müller"))
    assert first is not None
    assert second is not None
    assert first.continued == second.continues
    assert "ller" not in repr(first)


@pytest.mark.parametrize("ending", ["\r", "\n", "\r\n"])
def test_parts_are_joined_in_order_without_what_held_them_together(ending):
    """B-07, P-05, C-07: the first MSH, no DSC, whichever way segments end."""
    parts = [
        b"\xef\xbb\xbf" + part("PID|1", "OBX|1", "DSC|x|F", ending=ending),
        part("OBX|2", "DSC|y|F", control="2", pointer="x", ending=ending),
        part("", "OBX|3", "DSCX|stays", control="3", pointer="y", ending=ending),
    ]
    assert join(parts) == part("PID|1", "OBX|1", "OBX|2", "OBX|3", "DSCX|stays")


def test_a_segment_cut_in_two_is_one_again():
    """B-06, B-07: an empty ADD ends a part, an ADD with the remainder begins the next."""
    joined = join([part("PID|1", "OBX|1|TX|long te", "ADD", "DSC|x|F"), part("ADD|xt|end", control="2", pointer="x")])
    assert parse(joined, default_charset="UTF-8").first("OBX") == ["OBX", "1", "TX", "long text", "end"]


@pytest.mark.parametrize(
    "other",
    [
        part("OBX|2").replace(b"|", b"$").replace(b"MSH$^~\\&", b"MSH$%~\\&"),
        part("OBX|2").replace(b"ORU^R01", b"ORU^R30"),
        part("OBX|2").replace(b"2.5.1||", b"2.5.1||||||UNICODE UTF-8"),
        part("OBX|2").replace(b"2.5.1", b"2.3"),
        b"OBX|2\r",
    ],
)
def test_what_does_not_go_together_is_not_joined(other):
    """B-07: delimiters, type, character set, version; and a part without MSH."""
    with pytest.raises(Unreadable) as refusal:
        join([part("OBX|1"), other])
    assert "OBX" not in str(refusal.value)


@given(lines=st.lists(st.text("AB^~&|1 ", max_size=8).map("ZZZ|".__add__), min_size=1, max_size=12), data=st.data())
def test_a_message_cut_anywhere_is_whole_again(lines, data):
    """B-07: between any two segments, into any number of parts."""
    cuts = sorted(data.draw(st.sets(st.integers(1, len(lines)), max_size=5)))
    pieces = [lines[a:b] for a, b in zip([0, *cuts], [*cuts, len(lines)], strict=True)]
    assert join([part(*piece, f"DSC|{n}|F", control=str(n), pointer=str(n)) for n, piece in enumerate(pieces)]) == (
        part(*lines, control="0", pointer="0")
    )
