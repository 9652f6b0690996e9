"""A Subscription as each release writes it; what is asked for is the same (S-01, S-10, S-26)."""

from __future__ import annotations

from typing import Any

from connectors.sources.fhir.client.addresses import plus_kept, told_parameters
from connectors.sources.fhir.notices import instant
from connectors.sources.fhir.subscribing.options import SubscriptionOptions
from gateway.model.errors import CommandError
from gateway.model.event import Release
from gateway.model.when import Millis

_GUIDE = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
_JSON = "application/fhir+json"
_REST_HOOK = {"system": "http://terminology.hl7.org/CodeSystem/subscription-channel-type", "code": "rest-hook"}

Secret = tuple[str, str]
"""The header a notification shows and what stands in it."""


def subscription_of(
    told: SubscriptionOptions, release: Release, *, endpoint: str, secret: Secret | None, end: Millis
) -> dict[str, Any]:
    """The resource to be created. Raises CommandError where a header cannot hold the secret.

    The secret can be read there by others: it serves for this alone (S-06; SUB "Safety and Security").
    """
    if secret is not None and ":" in secret[1]:
        raise CommandError("a secret with a colon in it cannot be told to a FHIR server: some cut it there")
    common = {"resourceType": "Subscription", "status": "requested", "end": instant(end), "reason": told.reason}
    if told.topic is None:
        return {**common, "criteria": plus_kept(told.criteria or ""), "channel": _channel(told, endpoint, secret)}
    if release is Release.R5:
        return {**common, **_r5(told, endpoint, secret)}
    return {**common, **_backport(told, endpoint, secret)}


def _channel(told: SubscriptionOptions, endpoint: str, secret: Secret | None) -> dict[str, Any]:
    """R4 Subscription.channel; without `payload` a notification has no body (S-05)."""
    found: dict[str, Any] = {"type": "rest-hook", "endpoint": endpoint}
    if told.payload != "empty" or told.topic is not None:
        found["payload"] = _JSON
    if secret is not None:
        found["header"] = [": ".join(secret)]
    return found


def _backport(told: SubscriptionOptions, endpoint: str, secret: Secret | None) -> dict[str, Any]:
    """Backport 1.1.0 "backport-subscription" (S-10)."""
    limits = [
        _extension("backport-timeout", "valueUnsignedInt", int(told.timeout)),
        _extension("backport-max-count", "valuePositiveInt", told.most),
    ]
    if told.heartbeat:
        limits.append(_extension("backport-heartbeat-period", "valueUnsignedInt", int(told.heartbeat)))
    content = [_extension("backport-payload-content", "valueCode", told.payload)]
    filters = [_extension("backport-filter-criteria", "valueString", plus_kept(one)) for one in told.filters]
    return {
        "meta": {"profile": [f"{_GUIDE}backport-subscription"]},
        "criteria": told.topic,
        **({"_criteria": {"extension": filters}} if filters else {}),
        "channel": {
            "extension": limits,
            **_channel(told, endpoint, secret),
            "_payload": {"extension": content},
        },
    }


def _r5(told: SubscriptionOptions, endpoint: str, secret: Secret | None) -> dict[str, Any]:
    """R5 Subscription (S-26)."""
    return {
        "topic": told.topic,
        "filterBy": [one for text in told.filters for one in _filters(text)],
        "channelType": _REST_HOOK,
        "endpoint": endpoint,
        **({"parameter": [{"name": secret[0], "value": secret[1]}]} if secret else {}),
        **({"heartbeatPeriod": int(told.heartbeat)} if told.heartbeat else {}),
        "timeout": int(told.timeout),
        "contentType": _JSON,
        "content": told.payload,
        "maxCount": told.most,
    }


def _filters(text: str) -> list[dict[str, str]]:
    kind, _, query = text.partition("?")
    found = []
    for name, value in told_parameters(query):
        parameter, _, modifier = name.partition(":")
        one = {"resourceType": kind, "filterParameter": parameter, "value": value}
        found.append({**one, "modifier": modifier} if modifier else one)
    return found


def _extension(name: str, kind: str, value: object) -> dict[str, Any]:
    return {"url": f"{_GUIDE}{name}", kind: value}
