"""A body that two readers could read differently is no resource, and what refuses it tells no value of it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from gateway import fhirjson
from gateway.fhirjson import MOST_DEPTH, parse
from gateway.model.errors import Unreadable

SECRET = "Ashgrove"


def body(inside: str) -> bytes:
    """A resource with something in it."""
    return f'{{"resourceType":"Patient",{inside}}}'.encode()


def nested(depth: int) -> bytes:
    """A resource so many levels deep."""
    return body('"a":' + "[" * (depth - 1) + "]" * (depth - 1))


def test_a_resource_is_read_in_its_order_with_exact_numbers() -> None:
    """S-37."""
    told = parse(b"\xef\xbb\xbf" + body('"b":1.50,"a":[12,-1e3,true,null],"c":"\\u00e9\\ud83d\\ude00"'))
    assert list(told) == ["resourceType", "b", "a", "c"]
    assert (str(told["b"]), type(told["b"])) == ("1.50", Decimal)
    assert told["a"] == [12, Decimal("-1E+3"), True, None]
    assert told["c"] == "é😀"
    assert parse(nested(MOST_DEPTH))["resourceType"] == "Patient"


@pytest.mark.parametrize(
    ("told", "rule"),
    [
        (b"", "not JSON: line 1, column 1"),
        (b'{"resourceType":"Patient",\n"a":Ashgrove}', "not JSON: line 2, column 5"),
        (b'{"resourceType":"Patient"} Ashgrove', "not JSON: line 1, column 28"),
        (body('"a":"Ashgrove\n"'), "not JSON: line 1, column 40"),
        (body('"a":"Ashgrove\xff"').decode().encode("latin-1"), "not UTF-8"),
        (body('"a":"Ashgrove"').decode().encode("utf-16"), "not UTF-8"),
        (b'["Ashgrove"]', "not a JSON object"),
        (b"null", "not a JSON object"),
        (body('"name":"x","name":"Ashgrove"'), "a key twice"),
        (body('"a":[{"Ashgrove":1,"Ashgrove":1}]'), "a key twice"),
        (body('"a":"Ashgrove\\ud800"'), "half a character"),
        (body('"Ashgrove\\uDC00":1'), "half a character"),
        (body('"a":"Ashgrove\\u0000"'), "NUL"),
        (body('"a":NaN'), "NaN and Infinity"),
        (body('"a":-Infinity'), "NaN and Infinity"),
        (body('"a":' + "9" * 41), "longer than any quantity"),
        (body('"a":' + "9" * 5_000), "longer than any quantity"),
        (body('"a":0.' + "9" * 41), "longer than any quantity"),
        (body('"a":1e9999999999999999999999'), "longer than any quantity"),
        (body('"a":1e99999'), "longer than any quantity"),
        (nested(MOST_DEPTH + 1), "deeper than 50"),
        (nested(100_000), "deeper than 50"),
    ],
)  # fmt: skip
def test_what_can_be_read_two_ways_is_refused(told: bytes, rule: str) -> None:
    """S-37, A-27: 100, and the rule never quotes."""
    with pytest.raises(Unreadable) as refused:
        parse(told)
    assert rule in refused.value.fault.rule
    assert refused.value.fault.code == 100
    assert refused.value.fault.place is None
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    "inside",
    [
        '"a":[1.50,-0.0,100000.0,1.0E+2,12,true,null],"":{"b":"é\U0001f600\\n\\""}',
        '"a":[1e5,1E400,-0,0.0000001,1.50E2,0E-3,1e-7,18446744073709551616]',
        '"a":"\\u00e9\\/\\ud83d\\ude00","b":"\\u0009"',
        f'"a":{"9" * 40},"b":"{"9" * 60}"',
        ' "a" : [ 1 , 2.0 ]\n',
    ],
)
def test_the_quick_way_reads_what_the_strict_one_reads(inside: str) -> None:
    """S-37: values, their types, and the digits of a number."""
    told = body(inside)
    assert repr(parse(told)) == repr(fhirjson._decoded(told.decode()))


@pytest.mark.parametrize(
    "told", [b"{}", b'{"resourceType":5}', b'{"resourceType":""}', b'{"resourceType":"Ashgrove/1"}']
)
def test_a_resource_tells_its_type(told: bytes) -> None:
    """101, and where."""
    with pytest.raises(Unreadable) as refused:
        parse(told)
    assert (refused.value.fault.code, str(refused.value.fault.place)) == (101, "resourceType")
    assert SECRET not in str(refused.value)


def test_a_body_has_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """S-37: before it is looked at."""
    monkeypatch.setattr(fhirjson, "MOST_BYTES", 60)
    assert parse(body('"a":1'))
    with pytest.raises(Unreadable, match="larger than 60 bytes"):
        parse(body('"a":"' + "x" * 60))
