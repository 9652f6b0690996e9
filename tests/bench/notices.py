"""The FHIR notifications that are measured: one resource each, of people the gateway knows; all made up."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

PATH = "/fhir/ehr"
BASE = "https://fhir.lakeside.example/r4"
PEOPLE = 5_000
_NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gia", "Hal")
_SERVICES = ("cardiology", "dermatology", "pediatrics", "general-practice")


def patient(number: int, at: datetime, version: int = 1) -> bytes:
    """Somebody with an e-mail address."""
    name = _NAMES[number % len(_NAMES)]
    return _resource(
        "Patient",
        f"p{number}",
        version,
        at,
        identifier=[{"system": "urn:lakeside:mrn", "value": f"{number:07d}"}],
        name=[{"use": "official", "family": f"Bench{number}", "given": [name]}],
        telecom=[{"system": "email", "value": f"{name.lower()}.{number}@mail.example", "use": "home"}],
        gender="female" if number % 2 else "male",
        birthDate=f"{1940 + number % 60}-{1 + number % 12:02d}-{1 + number % 28:02d}",
        address=[{"line": [f"{number} Lake St"], "city": "Chicago", "state": "IL", "postalCode": "60601"}],
    )


def notifications(now: datetime, seed: int = 1) -> Iterator[bytes]:
    """Without an end: of a hundred 60 visits booked, 15 moved, 10 cancelled, 15 patients told again."""
    chance, booked = random.Random(seed), 0
    while True:
        draw = chance.randrange(100)
        person = chance.randrange(PEOPLE)
        if draw < 60 or not booked:
            booked += 1
            yield visit(booked, 1, now, chance)
        elif draw < 85:
            status = "cancelled" if draw >= 75 else "booked"
            yield visit(chance.randrange(1, booked + 1), chance.randrange(2, 1 << 30), now, chance, status=status)
        else:
            yield patient(person, now, chance.randrange(2, 1 << 30))


def visit(number: int, version: int, now: datetime, chance: random.Random, *, status: str = "booked") -> bytes:
    """An appointment some weeks ahead."""
    start = now.replace(minute=0, second=0, microsecond=0) + timedelta(days=chance.randrange(9, 60), hours=number % 8)
    who = f"Patient/p{number % PEOPLE}"
    return _resource(
        "Appointment",
        f"a{number}",
        version,
        now,
        identifier=[{"system": "urn:lakeside:visit", "value": f"V{number:08d}"}],
        status=status,
        serviceType=[{"coding": [{"system": "urn:lakeside:service", "code": _SERVICES[number % len(_SERVICES)]}]}],
        start=start.isoformat(),
        end=(start + timedelta(minutes=30)).isoformat(),
        participant=[
            {"actor": {"reference": who}, "status": "accepted"},
            {"actor": {"reference": "Practitioner/d7", "display": "Dr. Lake"}, "status": "accepted"},
            {"actor": {"reference": "Location/main", "display": "Main Street Clinic"}, "status": "accepted"},
        ],
    )


def _resource(kind: str, own: str, version: int, at: datetime, **more: Any) -> bytes:
    meta = {"versionId": str(version), "lastUpdated": at.isoformat(timespec="milliseconds")}
    return msgspec.json.encode({"resourceType": kind, "id": own, "meta": meta, **more})
