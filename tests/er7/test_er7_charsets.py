"""A name is decoded strictly or not at all."""

from __future__ import annotations

import encodings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.er7.charsets import codec_of, decode
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode

NAME = "Muñoz"


def refused(body: bytes, declared: str, **how: object) -> tuple[AckCode, int, str]:
    with pytest.raises(Unreadable) as caught:
        decode(body, declared, **{"default": "UTF-8", **how})  # type: ignore[arg-type]
    return caught.value.ack, caught.value.fault.code, str(caught.value.fault.place)


@pytest.mark.parametrize(
    ("declared", "codec", "text"),
    [
        ("UNICODE UTF-8", "utf-8", NAME),
        ("UNICODE", "utf-8", NAME),
        ("8859/1", "iso8859-1", NAME),
        ("8859/15", "iso8859-15", "Muñoz €"),
        ("8859/2", "iso8859-2", "Łukasz"),
        ("8859/5", "iso8859-5", "Юлия"),
        ("8859/7", "iso8859-7", "Ελένη"),
        ("8859/9", "iso8859-9", "Gülşen"),
        ("ASCII", "ascii", "DOE"),
        ("ISO IR6", "ascii", "DOE"),
        ("GB 18030-2000", "gb18030", "王芳"),
        ("BIG-5", "big5", "陳美"),
        ("KS X 1001", "euc_kr", "김민수"),
        ("ISO IR14", "shift_jis", "ﾔﾏﾀﾞ"),
        ("ISO IR87", "iso2022_jp", "山田"),
        ("ISO IR159", "iso2022_jp_1", "山田"),
        ("JIS X 0202", "iso2022_jp_2", "山田"),
    ],
)
def test_a_name_in_its_declared_charset_comes_out_whole(declared, codec, text):
    """C-01, C-09: table 0211."""
    assert decode(text.encode(codec), declared, default="ASCII") == (text, codec)


def test_a_blank_msh_18_means_the_feed_s_charset():
    """C-02: not ASCII by force, but strictly what the feed is configured with."""
    assert decode(NAME.encode("cp1252"), "", default="cp1252") == (NAME, "cp1252")
    assert decode(NAME.encode(), "", default="UTF-8") == (NAME, "utf-8")
    assert refused(NAME.encode(), "", default="ASCII") == (AckCode.AE, 102, "MSH^1^18")


@pytest.mark.parametrize(
    ("sent", "declared"),
    [
        ("latin-1", "UNICODE UTF-8"),
        ("latin-1", "ASCII"),
        ("utf-8", "8859/1"),
        ("utf-8", "ASCII"),
        ("cp1252", "UNICODE UTF-8"),
    ],
)
def test_a_name_under_the_wrong_declaration_is_refused_or_read_by_the_fallback(sent, declared):
    """C-03, C-09: never mojibake, never a replacement character."""
    body = NAME.encode(sent)
    assert refused(body, declared) == (AckCode.AE, 102, "MSH^1^18")
    text, codec = decode(body, declared, default="UTF-8", fallbacks=("UNICODE UTF-8", "cp1252"))
    assert text == NAME
    assert codec == ("utf-8" if sent == "utf-8" else "cp1252")


def test_a_windows_quote_is_not_latin_1():
    """C-04: bytes 80-9F are controls in 8859/1; windows-1252 has a name of its own."""
    body = "O’Brien Muñoz".encode("cp1252")
    assert refused(body, "8859/1")[1] == 102
    assert decode(body, "8859/1", default="UTF-8", fallbacks=("cp1252",)) == ("O’Brien Muñoz", "cp1252")


@pytest.mark.parametrize(
    "declared",
    ["UNICODE UTF-16", "UNICODE UTF-32", "UTF-16LE", "utf-7", "CNS 11643-1992", "hex", "ISO IR 999", "cp037", "\x00"],
)
def test_a_charset_no_frame_can_carry_or_nobody_knows_is_refused(declared):
    """F-15, C-01: and it is not silently read as something else."""
    assert codec_of(declared) is None
    assert refused(b"MSH|^~\\&|A", declared) == (AckCode.AE, 103, "MSH^1^18")


def test_a_byte_order_mark_is_not_part_of_the_text():
    """C-07."""
    assert decode(b"\xef\xbb\xbfMSH|" + NAME.encode(), "", default="UTF-8")[0] == "MSH|" + NAME


def test_a_charset_switch_where_none_was_agreed_is_not_text():
    """C-05: ISO 2022 escape bytes are valid ASCII, but a name of them is mojibake."""
    body = "山田".encode("iso2022_jp")
    assert refused(body, "ASCII")[1] == 102
    assert refused(body, "")[1] == 102
    assert decode(body, "ASCII", default="UTF-8", fallbacks=("ISO IR87",))[0] == "山田"


def test_text_is_kept_as_it_came():
    """C-08: no normalisation; a decomposed letter stays decomposed."""
    assert decode("n\u0303".encode(), "", default="UTF-8")[0] == "n\u0303"


@given(
    st.binary(max_size=80),
    st.sampled_from(["", "ASCII", "8859/1", "UNICODE UTF-8", "GB 18030-2000", "ISO IR87", "nonsense"]),
)
def test_arbitrary_bytes_decode_exactly_or_are_refused(body, declared):
    """C-03: what is read says the very bytes that came, and nothing but Unreadable is raised."""
    try:
        text, codec = decode(body, declared, default="UTF-8", fallbacks=("cp1252",))
    except Unreadable:
        return
    assert "\ufffd" not in text or "\ufffd".encode() in body
    if not codec.startswith("iso2022"):
        assert text.encode(codec) == body.removeprefix(b"\xef\xbb\xbf")


def test_charsets_nobody_has_leave_nothing_behind():
    """F-15: Python remembers every name that it was asked for, and a sender may make up a new one for each message."""
    before = len(encodings._cache)
    assert [codec_of(f"made-up-{number}") for number in range(20)] == [None] * 20
    assert codec_of("utf;8") == codec_of("UTF--8") == "utf-8"
    assert len(encodings._cache) <= before + 1
