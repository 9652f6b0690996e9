"""A patient, a policy and circumstances in which everything speaks for sending; tests change one thing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.model.consent import ANY, ChannelKind, Consent, Purpose
from gateway.model.facts import Sensitivity
from gateway.model.policy import Policy
from gateway.model.when import DAY, HOUR, to_millis, zone_of
from gateway.policy import Circumstances

from datetime import datetime  # isort: skip

NOON = to_millis(datetime(2026, 3, 10, 12, 0, tzinfo=zone_of("America/Chicago")))


@pytest.fixture
def noon() -> int:
    """Noon of a Tuesday in Chicago, Millis UTC."""
    return NOON


@pytest.fixture
def policy() -> Policy:
    """Quiet from 21 to 8, ordinary content by e-mail."""
    return Policy(
        version="1",
        quiet_hours={ChannelKind.EMAIL: (21 * 60, 8 * 60), ChannelKind.PORTAL: (0, 0)},
        ceilings={(Purpose.TREAT, ChannelKind.EMAIL): Sensitivity.ORDINARY},
        protected_services=frozenset({"hiv-care"}),
        minors_own=frozenset({"counseling"}),
        hold_expires=30 * DAY,
        look_again=HOUR,
    )


def entry(**changes: Any) -> Consent:
    """A permit of patient 7 for everything but what `changes` says."""
    told = {
        "id": 1,
        "patient": 7,
        "address": None,
        "purpose": ANY,
        "channel": ANY,
        "topic": ANY,
        "permit": True,
        "valid_from": 0,
        "valid_until": None,
        "evidence": "form 3",
        "recorded": 1,
    }
    return Consent(**{**told, **changes})


def circumstances(**changes: Any) -> Circumstances:
    """Everything speaks for sending, but for `changes`."""
    told: dict[str, Any] = {
        "now": NOON,
        "expires": NOON + DAY,
        "occurred": NOON - HOUR,
        "max_age": 2 * DAY,
        "production": True,
        "deceased": False,
        "merged_away": False,
        "patient_holds": frozenset(),
        "visit_holds": frozenset(),
        "service": "primary-care",
        "location_sensitive": False,
        "unmapped": (),
        "time_certain": True,
        "held_out": False,
        "request": 5,
        "patient": 7,
        "rule": "appointment-reminder",
        "ruleset": 3,
        "template_digest": "abc",
        "reveals": ("patient.given_name",),
        "sensitivity": Sensitivity.ORDINARY,
        "purpose": Purpose.TREAT,
        "topic": "appointments",
        "channel": ChannelKind.EMAIL,
        "source_held": False,
        "stopped": False,
        "channel_stopped": False,
        "feed_silent": False,
        "holding": None,
        "age": 44,
        "campaign": None,
        "channel_configured": True,
        "contact_point": 11,
        "address": 12,
        "address_opted_out": False,
        "address_suppressed": False,
        "recipient_listed": True,
        "consents": (entry(),),
        "sent_recently": (),
        "zones": ("America/Chicago",),
        "state": "IL",
        "paid": False,
        "agreement": True,
    }
    return Circumstances(**{**told, **changes})


@pytest.fixture
def given() -> Callable[..., Circumstances]:
    """Makes circumstances: `given(deceased=True)`."""
    return circumstances


@pytest.fixture
def ledger() -> Callable[..., Consent]:
    """Makes ledger entries: `ledger(permit=False)`."""
    return entry
