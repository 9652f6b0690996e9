"""What a row may tell: the events of campaigns with the status each brings, and by which event each of them ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from gateway.model.event import EventKind, OccurrenceKind


class Told(NamedTuple):
    """What an event kind is about, and the status it brings."""

    about: OccurrenceKind
    status: str


TOLD: Final[Mapping[EventKind, Told]] = {
    EventKind.AUDIENCE_ENTERED: Told(OccurrenceKind.GROUP, "active"),
    EventKind.AUDIENCE_LEFT: Told(OccurrenceKind.GROUP, "inactive"),
    EventKind.OFFER_AVAILABLE: Told(OccurrenceKind.OFFER, "active"),
    EventKind.OFFER_WITHDRAWN: Told(OccurrenceKind.OFFER, "cancelled"),
    EventKind.DEVICE_UPGRADE_DUE: Told(OccurrenceKind.DEVICE, "active"),
    EventKind.DEVICE_UPGRADE_WITHDRAWN: Told(OccurrenceKind.DEVICE, "inactive"),
    EventKind.PLAN_RENEWAL_DUE: Told(OccurrenceKind.INSURANCE_PLAN, "active"),
    EventKind.PLAN_RENEWAL_WITHDRAWN: Told(OccurrenceKind.INSURANCE_PLAN, "retired"),
}

ENDS: Final[Mapping[OccurrenceKind, EventKind]] = {
    OccurrenceKind.GROUP: EventKind.AUDIENCE_LEFT,
    OccurrenceKind.OFFER: EventKind.OFFER_WITHDRAWN,
    OccurrenceKind.DEVICE: EventKind.DEVICE_UPGRADE_WITHDRAWN,
    OccurrenceKind.INSURANCE_PLAN: EventKind.PLAN_RENEWAL_WITHDRAWN,
}
"""What it means that a row is gone (SN-03)."""

CONTACT: Final = EventKind.PATIENT_UPDATED
"""The kind of a table that tells no event but how people are reached."""


def about_of(kinds: frozenset[EventKind]) -> str | None:
    """The one thing these kinds are about, or "Patient"; None when they are about several, or there are none."""
    found = {"Patient" if kind is CONTACT else TOLD[kind].about.value for kind in kinds}
    return found.pop() if len(found) == 1 else None
