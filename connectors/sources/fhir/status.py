"""The first entry of a topic notification, as R4 (Parameters) and as R4B and R5 (SubscriptionStatus) write it (S-12, S-13)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.sources.fhir.notices import Kind, subscription_of

_LARGEST = 1 << 53
_KINDS = frozenset(Kind) - {Kind.PLAIN}


@dataclass(frozen=True, slots=True)
class Status:
    """Where a subscription stands. `focuses`: references as they are told, None for an event that has none."""

    kind: Kind
    subscription: str
    topic: str
    state: str
    count: int | None
    numbers: tuple[int, ...]
    focuses: tuple[object, ...]


def status_of(resource: object) -> Status | None:
    """The status that a resource tells; None where it is none. Unknown parameters and elements are passed over (S-14)."""
    if not isinstance(resource, dict):
        return None
    if resource.get("resourceType") == "SubscriptionStatus":
        return _r5(resource)
    if resource.get("resourceType") == "Parameters":
        told = dict(_parameters(resource.get("parameter")))
        return _r4(resource, told) if _text(told.get("type")) in _KINDS else None
    return None


def _r5(told: Mapping[str, Any]) -> Status | None:
    """R5 SubscriptionStatus; R4B's is the same."""
    if _text(told.get("type")) not in _KINDS:
        return None
    events = [one for one in _list(told.get("notificationEvent")) if isinstance(one, dict)]
    return Status(
        Kind(told["type"]),
        subscription_of(_literal(told.get("subscription"))),
        _text(told.get("topic")),
        _text(told.get("status")),
        _whole(told.get("eventsSinceSubscriptionStart")),
        tuple(found for one in events if (found := _whole(one.get("eventNumber"))) is not None),
        tuple(_literal(one.get("focus")) for one in events),
    )


def _r4(resource: Mapping[str, Any], told: Mapping[str, Any]) -> Status:
    """Profile backport-subscription-status-r4."""
    events = [
        dict(_parameters(one.get("part")))
        for one in _list(resource.get("parameter"))
        if isinstance(one, dict) and one.get("name") == "notification-event"
    ]
    return Status(
        Kind(told["type"]),
        subscription_of(_literal(told.get("subscription"))),
        _text(told.get("topic")),
        _text(told.get("status")),
        _whole(told.get("events-since-subscription-start")),
        tuple(found for one in events if (found := _whole(one.get("event-number"))) is not None),
        tuple(_literal(one.get("focus")) for one in events),
    )


def _parameters(told: object) -> Iterator[tuple[str, Any]]:
    """Names and values, of whatever type they are told in (S-13: counts come as strings, timestamps as dates)."""
    for one in _list(told):
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            yield one["name"], next((value for key, value in one.items() if key.startswith("value")), None)


def _literal(told: object) -> object:
    """The literal reference of a Reference; a text stands for itself."""
    return told.get("reference") if isinstance(told, dict) else told


def _whole(told: object) -> int | None:
    """A count told as string, integer or decimal."""
    try:
        found = None if isinstance(told, bool) or told is None else int(str(told)[:20].partition(".")[0])
    except ValueError:
        return None
    return found if found is not None and 0 <= found <= _LARGEST else None


def _text(told: object) -> str:
    return told if isinstance(told, str) and len(told) <= 1_000 else ""


def _list(told: object) -> list[Any]:
    return told if isinstance(told, list) else []
