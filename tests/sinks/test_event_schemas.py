"""What others are told is CloudEvents 1.0, and of each type there is a published schema that lets nothing else pass."""

from __future__ import annotations

import json

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from jsonschema import Draft202012Validator, ValidationError
from told_events import PUBLISHED, Consumer, data

from connectors.sinks.events import event_of, type_of
from gateway.analyst.outcome_schemas import files
from gateway.model.cloudevent import TYPES
from gateway.model.facts import VOCABULARY, Sensitivity
from gateway.model.outcome import EVENTS, NOT_TOLD, TELLABLE, OutcomeKind, SinkRow


def row(kind: OutcomeKind, event: str = "", **more: object) -> SinkRow:
    """As telling makes one of this kind."""
    told: dict[str, object] = {"row_key": "[1]", "occurrence": "7", "event": event, "topic": ""}
    if kind is not OutcomeKind.EVENT:
        told |= {"rule": "a-rule", "step": "1h", "channel": "email", "topic": "wellness"}
    return SinkRow(id="12-3", kind=kind, at=1_772_463_600_123, patient="99", source="cdp", **(told | more))  # type: ignore[arg-type]


def test_what_is_published_is_what_the_model_says() -> None:
    """`caregate sinks schemas --out connectors/sinks/schemas` writes them anew."""
    assert {one.name: one.read_text() for one in PUBLISHED.glob("*.json")} == files()
    for text in files().values():
        Draft202012Validator.check_schema(json.loads(text))


@pytest.mark.parametrize("type_", sorted(TYPES))
def test_every_type_is_read_by_a_third_party_and_fits_its_schema(type_: str) -> None:
    """CloudEvents 1.0: required attributes, a time in UTC, and data as its `dataschema` says."""
    kind, event = TYPES[type_]
    consents = kind in (OutcomeKind.OPTED_OUT, OutcomeKind.OPTED_IN)
    without = (
        {"channel": ""}
        if kind in (OutcomeKind.PLANNED, OutcomeKind.HELD, OutcomeKind.WITHHELD, OutcomeKind.WITHDRAWN)
        else {}
    )
    told = row(kind, event, **({"rule": "", "step": ""} if consents else without))
    found = Consumer().reads(event_of(told))
    assert type_of(told) == type_ == found.get_type()
    attributes = found.get_attributes()
    assert (attributes["id"], attributes["source"], attributes["subject"]) == ("12-3", "/caregate/cdp", "99")
    assert attributes["time"].isoformat() == "2026-03-02T15:00:00.123000+00:00"


@pytest.mark.parametrize(
    "more",
    [{"name": "Ann"}, {"facts": {"patient.given_name": "Ann"}}, {"facts": {"encounter.class": "x"}}, {"rule": "a"}],
)
def test_nothing_else_passes(more: dict[str, object]) -> None:
    """`additionalProperties` is false, of facts as well: of an appointment only an appointment's."""
    event = JSONFormat().read(CloudEvent, event_of(row(OutcomeKind.EVENT, "appointment.booked")))
    schema = json.loads((PUBLISHED / "org.caregate.event.appointment.booked.json").read_text())
    Draft202012Validator(schema).validate(data(event))
    with pytest.raises(ValidationError):
        Draft202012Validator(schema).validate({**data(event), **more})


def test_a_reason_that_tells_of_the_person_is_no_word_of_the_schema() -> None:
    """A death is told as `not-told`."""
    schema = json.loads((PUBLISHED / "org.caregate.request.withheld.json").read_text())
    assert NOT_TOLD in schema["properties"]["reason"]["enum"]
    assert not {"deceased", "minor", "protected-service"} & set(schema["properties"]["reason"]["enum"])


def test_nothing_of_the_person_and_nothing_protected_can_be_named() -> None:
    """42 CFR 2.13; and what is not released yet is no event for others (OR-02)."""
    assert TELLABLE
    assert {name.partition(".")[0] for name in TELLABLE}.isdisjoint({"patient", "event"})
    assert all(VOCABULARY[name].sensitivity < Sensitivity.PROTECTED for name in TELLABLE)
    assert not {"result.pending", "patient.merged"} & set(EVENTS)
