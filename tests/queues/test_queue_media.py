"""A message that its sender calls something else than the source reads is kept for a person who is told so, and is not tried as if it were ours."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connectors.sources.queues import Delivery
from connectors.sources.queues.payload import Payload
from gateway import fhirjson, rowjson
from gateway.er7.header import read_header
from gateway.model.errors import Unreadable
from gateway.model.event import Format
from gateway.ports import SetClock, TableShape
from gateway.rowjson import RULES, Unfit

HL7 = b"MSH|^~\\&|EHR|LAKESIDE|||20260302||SIU^S12|1|P|2.5.1\r"
FHIR = b'{"resourceType":"Patient","id":"1"}'
XML = b"<SIU_S12><MSH/></SIU_S12>"


def messages(format_: Format, body: bytes, content_type: str) -> list[bytes]:
    """What one delivery becomes."""
    payload = Payload("engine", format_, SetClock(0), limit=1_024)
    return [one.body for one in payload.messages(Delivery(tag=1, body=body, content_type=content_type))]


@pytest.mark.parametrize(
    ("format_", "body", "told"),
    [
        (Format.HL7V2, HL7, ""),
        (Format.HL7V2, HL7, "application/hl7-v2"),
        (Format.HL7V2, HL7, "x-application/hl7-v2+er7; charset=utf-8"),
        (Format.HL7V2, HL7, "Application/HL7-v2+er7"),
        (Format.HL7V2, HL7, "text/plain"),
        (Format.FHIR, FHIR, "application/fhir+json;fhirVersion=4.0"),
        (Format.FHIR, FHIR, "application/json"),
    ],
)
def test_what_is_called_what_it_is_or_nothing_in_particular_is_taken(format_: Format, body: bytes, told: str) -> None:
    """RFC 9110, 8.3.1: case and parameters do not count."""
    assert messages(format_, body, told) == [body]


@pytest.mark.parametrize(
    ("format_", "body", "told", "named"),
    [
        (Format.HL7V2, HL7, "application/fhir+json", b"FHIR, and this source reads HL7 v2"),
        (Format.HL7V2, XML, "application/hl7-v2+xml", b"XML, and this source reads HL7 v2"),
        (Format.FHIR, FHIR, "application/hl7-v2", b"HL7 v2, and this source reads FHIR"),
        (Format.FHIR, FHIR, "application/fhir+xml; charset=utf-8", b"XML, and this source reads FHIR"),
    ],
)
def test_what_is_called_something_else_is_refused_with_that_diagnosis(
    format_: Format, body: bytes, told: str, named: bytes
) -> None:
    """Even where it looks like ours; no reader takes it, and the person who looks at it finds why, and all of it."""
    (found,) = messages(format_, body, told)
    assert named in found.splitlines()[0]
    assert found.endswith(body)
    readers: dict[Format, Callable[[bytes], object]] = {Format.HL7V2: read_header, Format.FHIR: fhirjson.parse}
    with pytest.raises(Unreadable):
        readers[format_](found)


def test_rows_that_are_called_something_else_are_refused_with_that_diagnosis() -> None:
    """As of every delivery that holds no rows: its text begins with why."""
    shape = TableShape(mapping="plans", columns={"plan": "text", "at": "datetime"}, key=("plan",), at="at")
    payload = Payload("cdp", Format.TABLE, SetClock(0), limit=1_024, shape=shape)
    (found,) = payload.messages(Delivery(tag=1, body=FHIR, content_type="application/fhir+json"))
    assert b"FHIR, and this source reads rows of JSON" in found.body
    with pytest.raises(Unreadable) as raised:
        rowjson.parse(found.body)
    assert raised.value.fault.rule == RULES[Unfit.DELIVERY]
