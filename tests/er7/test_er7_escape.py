"""Escapes are read in one pass without losing text, and written so that no text can make a segment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.er7.escape import escape, has_local, unescape
from gateway.er7.separators import DEFAULT, Separators, separators_of

MODERN = separators_of("|", "^~\\&#")
DOTTED = separators_of(".", "^~\\&")
OLD = separators_of("|", "^~")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (r"A\F\B", "A|B"),
        (r"A\S\B\T\C\R\D", "A^B&C~D"),
        (r"\E\F\E" + "\\", "\\F\\"),
        (r"a\.br\b", "a\nb"),
        (r"\X41" + "\\", "A"),
        (r"\X0D0A" + "\\", "\n"),
        (r"\X0d" + "\\", "\n"),
        (r"\X0A" + "\\", "\n"),
        (r"C:\dir", r"C:\dir"),
        (r"\H\x\N" + "\\", "x"),
        (r"\XC3B1" + "\\", "ñ"),
        ("", ""),
        ("plain", "plain"),
    ],
)
def test_the_escape_cases_of_the_checklist(raw, text):
    """P-07 to P-10, P-12, vectors 5.2."""
    assert unescape(raw, DEFAULT) == text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (r"a\.sp 2\b", "a\n\nb"),
        (r"a\.sp3\b", "a\n\n\nb"),
        (r"a\.sk 4\b", "a    b"),
        (r"a\.in+4\b\.ti-2\c\.fi\d\.nf\e", "abcde"),
        (r"a\.ce\b", "a\nb"),
        (r"a\.sp-3\b", "ab"),
        (r"a\.zz\b", r"a\.zz\b"),
        (r"a\.sp 9999\b", "a" + "\n" * 99 + "b"),
    ],
)
def test_formatting_commands_are_understood_or_dropped(raw, text):
    """P-10; and a number cannot blow a text up."""
    assert unescape(raw, DEFAULT) == text


@pytest.mark.parametrize(
    "raw",
    [
        r"A\B",
        "\\",
        "\\\\",
        r"\XZZ" + "\\",
        r"\X4" + "\\",
        r"\X" + "\\",
        r"\XFF" + "\\",
        r"\f" + "\\",
        r"\Q" + "\\",
        r"a\b\c\d",
    ],
)
def test_what_is_not_an_escape_stays_text(raw):
    """P-09, P-12: lone escape characters, unknown sequences and invalid hexadecimal lose nothing."""
    assert unescape(raw, DEFAULT) == raw


def test_hexadecimal_is_read_in_the_charset_of_the_message():
    """P-09: the same bytes mean another letter elsewhere."""
    assert unescape(r"Mu\XF1" + "\\oz", DEFAULT, "iso8859-1") == "Muñoz"


@pytest.mark.parametrize("raw", [r"a\C2842" + "\\b", r"\M254A41" + "\\", r"x\Zsite" + "\\"])
def test_local_sequences_are_kept_and_flagged(raw):
    """P-11: kept verbatim, and told apart so that no patient is shown them."""
    assert unescape(raw, DEFAULT) == raw
    assert has_local(raw, DEFAULT)


@pytest.mark.parametrize("raw", ["plain", r"C:\Memo", r"A\F\B", r"\Cheese" + "\\", "\\Z"])
def test_ordinary_text_is_not_flagged(raw):
    """P-11: a path that begins with M or C is no charset switch."""
    assert not has_local(raw, DEFAULT)


def test_the_truncation_character_has_its_own_escape_from_version_2_7():
    """P-07, P-14."""
    assert escape("no. #4", MODERN) == r"no. \P\4"
    assert unescape(r"\P" + "\\", MODERN) == "#"
    assert unescape(r"\P" + "\\", DEFAULT) == r"\P" + "\\"


def test_text_of_ours_cannot_make_a_segment():
    """P-13: line breaks, delimiters and framing bytes never get out."""
    hostile = "x\rPID|1||666\r\nMSA|AA\n\x0b\x1c\r"
    for separators in (DEFAULT, MODERN, DOTTED, OLD):
        written = escape(hostile, separators)
        assert not set(written) & set("\r\n\x0b\x1c" + separators.field)
    assert escape("a\r\nb", DEFAULT) == r"a\.br\b"
    assert escape("a\nb", DOTTED) == r"a\X0D\b"
    assert escape("a|b", OLD) == "a b"


def test_a_message_without_an_escape_character_is_not_unescaped():
    """P-03: what the sender did not declare means nothing."""
    assert unescape(r"A\F\B", OLD) == r"A\F\B"
    assert not has_local(r"\C2842" + "\\", OLD)


@given(st.text(), st.sampled_from([DEFAULT, MODERN, DOTTED, separators_of("#", "*+%@")]))
def test_whatever_is_escaped_comes_back(text: str, separators: Separators):
    """P-07, P-08, P-13: the round trip keeps every character; line breaks become one kind."""
    written = escape(text, separators)
    assert unescape(written, separators) == text.replace("\r\n", "\n").replace("\r", "\n")
    for delimiter in (separators.field, separators.component, separators.repetition, separators.subcomponent):
        assert delimiter not in written


@given(st.text(alphabet="\\FSTRE.brspX0D41HNCMZ #", max_size=40))
def test_unescaping_never_raises_and_never_loses_plain_text(text):
    """P-08, P-12: one pass over anything."""
    assert isinstance(unescape(text, DEFAULT), str)
    if "\\" not in text:
        assert unescape(text, DEFAULT) == text
