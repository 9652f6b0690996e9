"""What others are told, as types of CloudEvents 1.0: each has its own name, never renamed once shipped, and its own schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.model.outcome import EVENTS, OutcomeKind

_ABOUT: Final = {
    **dict.fromkeys(("planned", "held", "withheld", "withdrawn"), "request"),
    **dict.fromkeys(("sent", "delivered", "bounced", "undelivered", "refused", "complained"), "communication"),
    **dict.fromkeys(("opted-out", "opted-in"), "consent"),
}

TYPES: Final[Mapping[str, tuple[OutcomeKind, str]]] = {
    **{f"org.caregate.{about}.{kind}": (OutcomeKind(kind), "") for kind, about in _ABOUT.items()},
    **{f"org.caregate.event.{event}": (OutcomeKind.EVENT, event.value) for event in sorted(EVENTS)},
}
"""By type the kind of the outcome, and of an event what happened."""

_NAMES: Final = {told: name for name, told in TYPES.items()}


def type_named(kind: OutcomeKind, event: str) -> str:
    """`org.caregate.communication.sent`, `org.caregate.event.appointment.booked`. KeyError: an event nobody is told of."""
    return _NAMES[kind, event]


def dataschema(type_: str) -> str:
    """The URI of the schema of a type's `data`; another one once what fitted the old one no longer fits the new."""
    return f"urn:caregate:schema:{type_}:1"
