"""Paths: what a mapping may write, and what each reads (conformance P-14 to P-18, N-03)."""

from __future__ import annotations

import pytest

from gateway.er7.paths import compile_all, compile_path, component, cut, parse_path, repetitions
from gateway.er7.reader import parse

MESSAGE = parse(
    (
        b"MSH|^~\\&|EHR|HOSP|GW|HOSP|20260301||ADT^A04|0001|P|2.5.1\r"
        b"PID|1||123^^^A&1.2&ISO^MR~456^^^B^PI||SMITH||||||||1^PRN^PH~^NET^Internet^a@b.org\r"
        b'NK1|1|X^Y|""\rAIS|1|A|\rAIS|2|A|CARD~PSY\r'
    ),
    default_charset="UTF-8",
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("PID-3", "123^^^A&1.2&ISO^MR~456^^^B^PI"),
        ("PID-3.1", "123"),
        ("PID-3.4", "A"),
        ("PID-3.4.1", "A"),
        ("PID-3.4.2", "1.2"),
        ("PID-3.4.9", ""),
        ("PID-3[PI].1", "456"),
        ("PID-3[MR]", "123^^^A&1.2&ISO^MR"),
        ("PID-3[2].1", "456"),
        ("PID-3[3].1", ""),
        ("PID-3[SS].1", ""),
        ("PID-13[NET].4", "a@b.org"),
        ("PID-13[PH].1", "1"),
        ("PID-5.1", "SMITH"),
        ("PID-5.2", ""),
        ("PID-5.1.1", "SMITH"),
        ("PID-5", "SMITH"),
        ("PID-40.1", ""),
        ("PV1-2", ""),
        ("PV1-2.1", ""),
        ("MSH-9.2", "A04"),
        ("MSH-2", "^~\\&"),
        ("NK1-3.2", '""'),
        ("NK1-3", '""'),
        ("AIS-3.1", ""),
    ],
)
def test_a_path_reads_the_first_value(path: str, value: str) -> None:
    """P-16, P-17, N-03: absent is empty, fewer levels are the first part, a deletion deletes every part."""
    assert compile_path(path)(MESSAGE) == value


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("PID-3.1", ["123", "456"]),
        ("AIS-3", ["CARD", "PSY"]),
        ("AIS-3.2", []),
        ("NK1-3.2", ['""']),
        ("AIS-9", []),
        ("PV1-2", []),
        ("PID-3[PI].4", ["B"]),
    ],
)
def test_a_path_reads_every_value_when_asked(path: str, values: list[str]) -> None:
    """P-18: over segments and repetitions."""
    assert compile_all(path)(MESSAGE) == values


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PID",
        "PID-",
        "PID-0",
        "pid-3",
        "PID.3",
        "PID-3.",
        "PID-3[]",
        "PID-3[MR",
        "PID-3.1.2.3",
        "PV1-7[MD].1",
        "PID-3[0]",
    ],
)
def test_what_is_no_path_is_refused_when_it_is_compiled(text: str) -> None:
    """A mapping fails at loading, not at the thousandth message."""
    with pytest.raises(ValueError, match=r"."):
        compile_path(text)
    with pytest.raises(ValueError, match=r"."):
        compile_all(text)


def test_a_closure_is_made_once() -> None:
    """Paths are compiled, not interpreted."""
    assert compile_path("PID-5.1") is compile_path("PID-5.1")
    assert parse_path("PID-3[MR].1").name == "PID-3"


def test_a_sender_without_repetitions_or_subcomponents_has_none() -> None:
    """P-03: missing delimiters are switched off."""
    plain = parse(b"MSH|^|EHR|HOSP|GW|HOSP|20260301||ADT^A04|1|P|2.2\rPID|1||1~2&3^^^A&B\r", default_charset="UTF-8")
    assert compile_path("PID-3.1")(plain) == "1~2&3"
    assert compile_path("PID-3.4")(plain) == "A&B"
    assert compile_path("PID-3.4.2")(plain) == ""
    assert repetitions("1~2", plain) == ["1~2"]
    assert component("1^2", plain, 2) == "2"
    assert cut("1~2", plain, parse_path("PID-3[1]")) == "1~2"
