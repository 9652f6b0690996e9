"""A FHIR server on loopback that says what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connectors.sources.fhir.client import ClientOptions, FhirServer
from gateway.ports import Clock, SystemClock


@dataclass
class Asked:
    """One request, as it came."""

    method: str
    path: str
    target: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """The fields of a posted form."""
        return dict(parse_qsl(self.body.decode()))


@dataclass
class Said:
    """One answer. `cut`: only half of the body leaves, then the line is cut."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False

    @property
    def bytes(self) -> bytes:
        """What is written."""
        if self.body is None or isinstance(self.body, bytes):
            return self.body or b""
        return json.dumps(self.body).encode()


Answering = Callable[[Asked], Said]


class There:
    """What answers; `answer` may be changed at any time."""

    def __init__(self, answer: Answering) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.port = 0

    @property
    def base(self) -> str:
        """Its FHIR base."""
        return f"http://127.0.0.1:{self.port}/fhir"

    def of(self, path: str) -> list[Asked]:
        """What was asked at one path below the base."""
        return [one for one in self.asked if one.path == f"/fhir/{path}".rstrip("/")]


@contextmanager
def there(answer: Answering) -> Iterator[There]:
    """Serve until the end of the block."""
    found = There(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            parts = urlsplit(self.path)
            size = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(
                self.command, parts.path, self.path, dict(parse_qsl(parts.query)), headers, self.rfile.read(size)
            )
            found.asked.append(asked)
            said = found.answer(asked)
            self.send_response_only(said.status)
            for name, value in {
                "Content-Type": "application/fhir+json",
                "Date": self.date_time_string(),
                **said.headers,
            }.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said.bytes)))
            self.end_headers()
            self.wfile.write(said.bytes[: len(said.bytes) // 2] if said.cut else said.bytes)
            self.close_connection = said.cut or self.close_connection

        do_GET = do_POST = do_PUT = do_DELETE = _any

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def client(base: str, options: Mapping[str, Any] | None = None, clock: Clock | None = None) -> Iterator[FhirServer]:
    """Our client of a server."""
    told = {"rate": 1000, "timeout": "5s", **(options or {})}
    server = FhirServer("ehr", base, ClientOptions.model_validate(told), clock or SystemClock())
    try:
        yield server
    finally:
        server.close()


def pem(kind: str = "ES384") -> str:
    """A private key nobody has used before."""
    private: Any = ec.generate_private_key(ec.SECP384R1()) if kind == "ES384" else rsa.generate_private_key(65537, 2048)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def smart(*keys: str, **more: Any) -> dict[str, Any]:
    """Options of a client that proves itself."""
    told = {"client_id": "caregate", "keys": [{"private_key": key} for key in keys or (pem(),)], **more}
    return {"smart": told}


def patient(number: str, version: str = "1", at: str = "2026-03-02T14:00:00Z", **more: Any) -> dict[str, Any]:
    """A made-up patient."""
    meta = {"versionId": version, "lastUpdated": at}
    return {"resourceType": "Patient", "id": number, "meta": meta, "name": [{"family": "Delgado"}], **more}


def appointment(number: str, version: str = "1", at: str = "2026-03-02T14:00:00Z", **more: Any) -> dict[str, Any]:
    """A made-up appointment."""
    meta = {"versionId": version, "lastUpdated": at}
    actor = {"actor": {"reference": "Patient/1"}, "status": "accepted"}
    return {
        "resourceType": "Appointment",
        "id": number,
        "meta": meta,
        "status": "booked",
        "participant": [actor],
        **more,
    }


def bundle(*resources: Mapping[str, Any], links: Mapping[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """A searchset."""
    told = [{"relation": relation, "url": url} for relation, url in (links or {}).items()]
    entries = [one if "resource" in one or "request" in one else {"resource": one} for one in resources]
    return {"resourceType": "Bundle", "type": "searchset", "link": told, "entry": entries, **more}


def outcome(code: str) -> dict[str, Any]:
    """An OperationOutcome whose words must not be repeated."""
    issue = {"severity": "error", "code": code, "diagnostics": "Zephyrine Quillfeather 555-0199"}
    return {"resourceType": "OperationOutcome", "issue": [issue]}
