"""A row of outcomes as a CloudEvent (1.0, structured JSON): nobody's name, the same id whenever it is told, and a schema for each type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gateway.model.cloudevent import dataschema, type_named
from gateway.model.outcome import SinkRow
from gateway.model.when import to_datetime

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
_TOLD: Final = ("occurrence", "row_key", "rule", "variant", "step", "channel", "topic", "reason", "facts")


def is_wide(batch: Sequence[SinkRow]) -> bool:
    """Whether a table must have columns for what happened and for facts: only where a sink was told to be given any."""
    return any(row.event or row.facts for row in batch)


def facts_of(row: SinkRow) -> str:
    """The facts as one JSON object, for a sink of columns; empty: none."""
    return msgspec.json.encode(row.facts, order="sorted").decode() if row.facts else ""


def type_of(row: SinkRow) -> str:
    """The CloudEvents type: org.caregate.communication.sent, org.caregate.event.appointment.booked."""
    return type_named(row.kind, row.event)


def event_of(row: SinkRow) -> bytes:
    """The event. `id` is the row's own, so that one told twice is known as the same (CloudEvents 1.0, `id` with `source`)."""
    kind = type_of(row)
    data: dict[str, Any] = {name: value for name in _TOLD if (value := getattr(row, name))}
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": row.id,
            "source": f"/caregate/{row.source}",
            "type": kind,
            "subject": row.patient,
            "time": to_datetime(row.at).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "dataschema": dataschema(kind),
            "data": {"source": row.source, **data},
        }
    )
