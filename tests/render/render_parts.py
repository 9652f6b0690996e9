"""A clinic, a place, and a way to write templates in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.model.facts import FactValue
from gateway.model.party import Location, Organization
from gateway.model.when import Precision, When
from gateway.render import Rendered, Templates

START = 1_772_566_200_000  # 2026-03-03T19:30Z, a Tuesday: 14:30 in New York

ORGANIZATION = Organization(
    id="lakeside",
    name="Lakeside Health",
    zone="America/Chicago",
    sender_name="Lakeside Health",
    sender_email="no-reply@lakeside.example",
    callback="312-555-0100",
    postal_address="1 Lake Street, Lakeside",
)
LOCATION = Location(
    id="east", name="East <Wing> & Garden", organization="lakeside", zone="America/New_York", callback="212-555-0111"
)
REVEALS = ("patient.given_name", "patient.family_name", "appointment.start", "appointment.location")
VALUES: Mapping[str, FactValue] = {
    "patient.given_name": "Marisol",
    "appointment.start": When(START, "America/New_York", Precision.MINUTE),
    "appointment.location": "east",
}

Write = Callable[..., Templates]


def render(templates: Templates, **changes: object) -> Rendered:
    """Render `visit` for Marisol, with what the test changes."""
    told: dict[str, object] = {
        "language": "en",
        "values": VALUES,
        "organization": ORGANIZATION,
        "location": LOCATION,
        "reveals": REVEALS,
        "zone": "America/New_York",
        **changes,
    }
    return templates.render("visit", **told)  # type: ignore[arg-type]
