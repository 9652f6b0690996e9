"""How a report lies beside its file: names, places and rules, never a value."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from gateway.model.when import Millis


def written(told: dict[str, object]) -> bytes:
    """A report as it lies in the folder."""
    return json.dumps(told, indent=1).encode() + b"\n"


def instant(millis: Millis) -> str:
    """A time in a report: ISO 8601, UTC."""
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="milliseconds")
