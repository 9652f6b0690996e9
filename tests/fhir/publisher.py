"""A small FHIR server that notifies, written from the specifications: R4's rest-hook, the Backport IG in R4 and R4B, R5.

Used by no part of the gateway. It keeps resources and subscriptions, counts events, posts real requests, and loses some of
them when it is told to; what it answers is in `publisher_http.py`.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from typing import Any, Literal, Self

import httpx
from publisher_http import handler_of, read

Dialect = Literal["classic", "r4", "r4b", "r5"]
Content = Literal["empty", "id-only", "full-resource"]
TOPIC = "http://lakeside.example/SubscriptionTopic/appointments"
_R4_PROFILE = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-notification-r4"
_R4B_PROFILE = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-notification"


@dataclass
class Event:
    """One thing that happened: what is notified of it."""

    number: int
    at: str
    resource: dict[str, Any] | None  # None: deleted
    reference: str


@dataclass
class Subscription:
    """As its client made it. `events`: of which `$events` tells."""

    id: str
    endpoint: str
    content: Content
    headers: dict[str, str]
    state: str = "requested"
    resource: dict[str, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    count: int = 0


class Publisher:
    """Listens on a free port of 127.0.0.1 inside a `with` block."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.subscriptions: dict[str, Subscription] = {}
        self.resources: dict[str, dict[str, Any]] = {}
        self.answers: list[int] = []
        self._last = datetime.now(UTC)
        self._client = httpx.Client(timeout=20, trust_env=False)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, name="publisher")

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/fhir"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()
        self._client.close()

    # -- what its users do

    def register(self, told: dict[str, Any]) -> Subscription:
        """A client's POST of a Subscription; the handshake follows by itself."""
        endpoint, content, headers = read(told)
        one = Subscription(f"sub-{len(self.subscriptions) + 1}", endpoint, content, headers, resource=told)
        self.subscriptions[one.id] = one
        return one

    def subscribe(self, endpoint: str, *, content: Content = "full-resource", **headers: str) -> Subscription:
        """One that is there already; with topics, the handshake decides whether it becomes active (S-15)."""
        one = Subscription(f"sub-{len(self.subscriptions) + 1}", endpoint, content, headers)
        self.subscriptions[one.id] = one
        self.handshake(one)
        return one

    def handshake(self, one: Subscription) -> None:
        """R4's rest-hook has none."""
        reached = self.dialect == "classic" or self._notify(one, "handshake", ()) < 300
        one.state = "active" if reached else "error"

    def put(self, resource: dict[str, Any], *, lose: bool = False, only: bool = False) -> None:
        """A new version of a resource; `lose`: the notification is lost on its way, `only`: nobody is told yet."""
        reference = f"{resource['resourceType']}/{resource['id']}"
        version = int(self.resources.get(reference, {}).get("meta", {}).get("versionId", 0)) + 1
        kept = resource | {"meta": {"versionId": str(version), "lastUpdated": self._now()}}
        self.resources[reference] = kept
        self._happened(reference, kept, lose=lose, only=only)

    def delete(self, reference: str, *, lose: bool = False) -> None:
        """It is gone."""
        del self.resources[reference]
        self._happened(reference, None, lose=lose)

    def flush(self, one: Subscription, events: Sequence[Event]) -> None:
        """Several events in one notification (max-count), or some once more."""
        self._notify(one, "event-notification", events)

    def heartbeat(self, one: Subscription) -> None:
        """Nothing happened (S-17)."""
        self._notify(one, "heartbeat", ())

    def restart(self) -> None:
        """Counts in memory begin anew (S-20)."""
        for one in self.subscriptions.values():
            one.count, one.events = 0, []

    # -- what it tells

    def _happened(self, reference: str, resource: dict[str, Any] | None, *, lose: bool, only: bool = False) -> None:
        for one in self.subscriptions.values():
            one.count += 1
            event = Event(one.count, self._now(), resource, reference)
            one.events.append(event)
            if not lose and not only:
                self._tell(one, event)

    def _tell(self, one: Subscription, event: Event) -> None:
        if self.dialect != "classic":
            self._notify(one, "event-notification", [event])
        elif one.content == "empty":
            self._send(one, "POST", one.endpoint, None)
        elif event.resource is None:
            self._send(one, "DELETE", f"{one.endpoint}/{event.reference}", None)
        else:  # as HAPI does, create and update alike
            self._send(one, "PUT", f"{one.endpoint}/{event.reference}", event.resource)

    def _notify(self, one: Subscription, kind: str, events: Sequence[Event]) -> int:
        return self._send(one, "POST", one.endpoint, self.bundle(one, kind, events))

    def _send(self, one: Subscription, method: str, url: str, body: dict[str, Any] | None) -> int:
        headers = one.headers | ({} if body is None else {"content-type": "application/fhir+json"})
        with suppress(httpx.TransportError):
            content = b"" if body is None else json.dumps(body).encode()
            answer = self._client.request(method, url, content=content, headers=headers)
            self.answers.append(answer.status_code)
            if answer.status_code >= 400:
                one.state = "error"
            return answer.status_code
        one.state = "error"
        return 599

    def bundle(self, one: Subscription, kind: str, events: Sequence[Event]) -> dict[str, Any]:
        """A notification, or the answer to `$events`."""
        status = self.status(one, kind, events)
        first: dict[str, Any] = {"fullUrl": f"urn:uuid:{status['id']}", "resource": status}
        if self.dialect != "r5":
            first["request"] = {"method": "GET", "url": f"{self.base}/Subscription/{one.id}/$status"}
            first["response"] = {"status": "200"}
        entries = [first, *(self._entry(one, event) for event in events if one.content != "empty")]
        made: dict[str, Any] = {"resourceType": "Bundle", "id": str(uuid.uuid4())}
        if self.dialect != "r5":
            made["meta"] = {"profile": [_R4_PROFILE if self.dialect == "r4" else _R4B_PROFILE]}
        made["type"] = "subscription-notification" if self.dialect == "r5" else "history"
        return made | {"timestamp": self._now(), "entry": entries}

    def _entry(self, one: Subscription, event: Event) -> dict[str, Any]:
        found: dict[str, Any] = {"fullUrl": f"{self.base}/{event.reference}"}
        if one.content == "full-resource" and event.resource is not None:
            found["resource"] = event.resource
        method = "DELETE" if event.resource is None else "PUT"
        found["request"] = {"method": method, "url": event.reference}
        return found | {"response": {"status": "200"}}

    def status(self, one: Subscription, kind: str, events: Sequence[Event]) -> dict[str, Any]:
        """Where a subscription stands, as the release writes it."""
        return self._r4_status(one, kind, events) if self.dialect == "r4" else self._r5_status(one, kind, events)

    def _r5_status(self, one: Subscription, kind: str, events: Sequence[Event]) -> dict[str, Any]:
        told: dict[str, Any] = {"resourceType": "SubscriptionStatus", "id": str(uuid.uuid4()), "status": one.state}
        told |= {"type": kind, "eventsSinceSubscriptionStart": str(one.count)}
        if events:
            told["notificationEvent"] = [
                {"eventNumber": str(event.number), "timestamp": event.at} | self._focus(one, event) for event in events
            ]
        return told | {"subscription": {"reference": f"{self.base}/Subscription/{one.id}"}, "topic": TOPIC}

    def _focus(self, one: Subscription, event: Event) -> dict[str, Any]:
        return {} if one.content == "empty" else {"focus": {"reference": f"{self.base}/{event.reference}"}}

    def _r4_status(self, one: Subscription, kind: str, events: Sequence[Event]) -> dict[str, Any]:
        told: list[dict[str, Any]] = [
            {"name": "subscription", "valueReference": {"reference": f"{self.base}/Subscription/{one.id}"}},
            {"name": "topic", "valueCanonical": TOPIC},
            {"name": "status", "valueCode": one.state},
            {"name": "type", "valueCode": kind},
            {"name": "events-since-subscription-start", "valueString": str(one.count)},
        ]
        for event in events:
            part = [
                {"name": "event-number", "valueString": str(event.number)},
                {"name": "timestamp", "valueInstant": event.at},
            ]
            part += [{"name": "focus", "valueReference": focus} for focus in self._focus(one, event).values()]
            told.append({"name": "notification-event", "part": part})
        return {"resourceType": "Parameters", "id": str(uuid.uuid4()), "parameter": told}

    def _now(self) -> str:
        """No two instants are the same."""
        self._last = max(datetime.now(UTC), self._last + timedelta(milliseconds=1))
        return self._last.isoformat(timespec="milliseconds")
