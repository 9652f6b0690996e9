"""What the publisher answers: subscriptions made, read, renewed and taken back, `$status`, `$events`, resources, searches."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

_CONTENT = "/backport-payload-content"


def read(told: dict[str, Any]) -> tuple[str, Any, dict[str, str]]:
    """Endpoint, content and headers, as R4, the Backport guide or R5 write them (S-01, S-10, S-26)."""
    channel = told.get("channel")
    if channel is None:
        headers = {one["name"]: one["value"] for one in told.get("parameter", [])}
        return told["endpoint"], told.get("content", "empty"), headers
    headers = dict(one.split(": ", 1) for one in channel.get("header", []))
    extensions = channel.get("_payload", {}).get("extension", [])
    content = next((one["valueCode"] for one in extensions if one["url"].endswith(_CONTENT)), None)
    return channel["endpoint"], content or ("full-resource" if "payload" in channel else "empty"), headers


def handler_of(publisher: Any) -> type[BaseHTTPRequestHandler]:
    """Serves one publisher."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(*_get(publisher, self.path))

        def do_POST(self) -> None:
            one = publisher.register(self._body())
            self._answer(201, _shown(one), f"{publisher.base}/Subscription/{one.id}/_history/1")
            threading.Thread(target=publisher.handshake, args=(one,)).start()

        def do_PUT(self) -> None:
            one = publisher.subscriptions.get(self.path.rpartition("/")[2])
            if one is None:
                self._answer(404, _outcome("not-found"))
                return
            one.resource, one.state = self._body(), "requested"
            one.endpoint, one.content, one.headers = read(one.resource)
            self._answer(200, _shown(one))
            threading.Thread(target=publisher.handshake, args=(one,)).start()

        def do_DELETE(self) -> None:
            known = publisher.subscriptions.pop(self.path.rpartition("/")[2], None)
            self._answer(404 if known is None else 204, {})

        def _body(self) -> dict[str, Any]:
            told: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["content-length"])))
            return told

        def _answer(self, status: int, told: dict[str, Any], location: str = "") -> None:
            body = b"" if status == 204 else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("content-type", "application/fhir+json")
            if location:
                self.send_header("location", location)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quietly."""

    return Handler


def _get(publisher: Any, path: str) -> tuple[int, dict[str, Any]]:
    url = urlsplit(path)
    parts = url.path.removeprefix("/fhir/").split("/")
    one = publisher.subscriptions.get(parts[1]) if parts[0] == "Subscription" and len(parts) > 1 else None
    if one is not None:
        return 200, _about(publisher, one, parts[2] if len(parts) > 2 else "", parse_qs(url.query))
    if len(parts) == 1:
        return 200, _found(publisher, parts[0], parse_qs(url.query), path)
    found = publisher.resources.get("/".join(parts))
    return (200, found) if found else (404, _outcome("not-found"))


def _about(publisher: Any, one: Any, what: str, query: dict[str, list[str]]) -> dict[str, Any]:
    """The subscription itself, `$status` or `$events` (both ends included, S-19)."""
    if what == "$events":
        since = int(query["eventsSinceNumber"][0])
        until = int(query.get("eventsUntilNumber", ["999999999"])[0])
        told: dict[str, Any] = publisher.bundle(
            one, "query-event", [event for event in one.events if since <= event.number <= until]
        )
        return told
    if what == "$status":
        entry = {"resource": publisher.status(one, "query-status", ()), "search": {"mode": "match"}}
        return {"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": [entry]}
    return _shown(one)


def _shown(one: Any) -> dict[str, Any]:
    return {**one.resource, "resourceType": "Subscription", "id": one.id, "status": one.state}


def _found(publisher: Any, kind: str, query: dict[str, list[str]], path: str) -> dict[str, Any]:
    """Of a type what changed since `_lastUpdated`, in one page."""
    since = max((one[2:] for one in query.get("_lastUpdated", []) if one.startswith("ge")), default="").replace(
        "Z", "+00:00"
    )
    found = [one for key, one in publisher.resources.items() if key.startswith(f"{kind}/")]
    entries = [
        {"fullUrl": f"{publisher.base}/{kind}/{one['id']}", "resource": one, "search": {"mode": "match"}}
        for one in found
        if one["meta"]["lastUpdated"] >= since
    ]
    link = [{"relation": "self", "url": publisher.base + path.removeprefix("/fhir")}]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "link": link, "entry": entries}


def _outcome(code: str) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code}]}
