"""Messages of our own making, a line a segment, and the feed they come from."""

from __future__ import annotations

from pathlib import Path

from gateway.mapping.feed import Feed

ROOT = Path(__file__).resolve().parents[2]
RECEIVED = 1_772_463_600_000  # 2026-03-02T15:00Z
FEED = Feed(
    name="ehr",
    zone="America/Chicago",
    default_authority="LAKESIDE",
    organization="lakeside",
    locations={"CARD": "cardiology", "MED": "medicine"},
)


def msh(type_: str, *, version: str = "2.5.1", control: str = "C1", processing: str = "P", sent: str = "") -> str:
    """One MSH line; `sent` is MSH-7, by default 2026-03-02 09:00."""
    return f"MSH|^~\\&|EHR|HOSP|GATE|HUB|{sent or '20260302090000'}||{type_}|{control}|{processing}|{version}"


def message(*segments: str, ending: str = "\r") -> bytes:
    """The bytes of a message, every segment ended."""
    return "".join(segment + ending for segment in segments).encode()


def at(segment: str, **fields: str) -> str:
    """A segment from its fields by number, such as f19 for the nineteenth."""
    told = {int(name[1:]): value for name, value in fields.items()}
    return "|".join([segment, *(told.get(number, "") for number in range(1, max(told, default=0) + 1))])
