"""Point 5 to the letter, in the whole gateway: what is refused at the door leaves an audit entry, and no other row and no word."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import sqlite3
import threading
import time
from pathlib import Path

import httpx
import pytest
from fhir_site import FHIR, KEY, appointment

from gateway.app import assemble
from gateway.model.audit import NodeFailure
from gateway.packs import shipped
from gateway.ports import SystemClock
from gateway.settings import loads
from gateway.store.keyring import Keyring

CANARY = "CANARYJONES"
_WHY = (
    NodeFailure.CREDENTIALS_MISSING,
    NodeFailure.CREDENTIALS_WRONG,
    NodeFailure.REPLAYED,
    NodeFailure.BODY_TOO_LARGE,
    NodeFailure.BODY_UNREADABLE,
    NodeFailure.BODY_LATE,
)
CONFIG = """\
environment: test
allowed_recipients: []
organizations:
  lakeside:
    name: Lakeside Health
    zone: America/Chicago
    sender_name: Lakeside Health
    sender_email: care@lakeside.example
    callback: '+1 312 555 0100'
sources:
  ehr:
    kind: fhir
    organization: lakeside
    signatures: [{{secret: 'env:EHR_KEY', scheme: standard}}]
    max_body: 64KiB
    body_timeout: 500ms
keys: keys.json
rules: '{rules}'
api: {{port: {port}, bind: 127.0.0.1}}
"""


def _signed(body: bytes, name: str) -> dict[str, str]:
    at = int(time.time())
    mac = hmac.new(KEY.encode(), f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
    shown = "v1," + base64.b64encode(mac).decode()
    return {"content-type": FHIR, "webhook-id": name, "webhook-timestamp": str(at), "webhook-signature": shown}


def _slow(port: int, headers: dict[str, str]) -> int:
    """A body of which only a part ever comes."""
    with socket.create_connection(("127.0.0.1", port), 5) as link:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        link.sendall(f"POST /fhir/ehr HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n{head}\r\n{CANARY}".encode())
        return int(link.recv(100).split()[1])


def _refused(port: int) -> list[int]:
    """Every kind of call that is refused, and the one before it that may be replayed: empty, for a source without a server."""
    url = f"http://127.0.0.1:{port}/fhir/ehr"
    body = json.dumps(appointment(1, description=CANARY)).encode()
    deep = b'{"resourceType":"Appointment","description":"' + CANARY.encode() + b'","x":' + b"[" * 60 + b"]" * 60 + b"}"
    handshake = {"resourceType": "SubscriptionStatus", "type": "handshake", "subscription": {"reference": CANARY}}
    once = json.dumps({"resourceType": "Bundle", "type": "history", "entry": [{"resource": handshake}]}).encode()
    again = _signed(once, "once")
    calls = [
        (body, {"content-type": FHIR}),
        (body, _signed(body + b" ", "wrong")),
        (once, again),
        (once, again),
        (body + b" " * (64 << 10), _signed(body, "large")),
        (deep, _signed(deep, "deep")),
    ]
    with httpx.Client(trust_env=False, timeout=20) as client:
        answers = [client.post(url, content=content, headers=headers) for content, headers in calls]
    assert all(CANARY not in answer.text for answer in answers)
    return [*(answer.status_code for answer in answers), _slow(port, _signed(body, "slow"))]


def _rows(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the database."""
    (path,) = folder.glob("*.db")
    with sqlite3.connect(path) as base:
        names = [name for (name,) in base.execute("select name from sqlite_master where type = 'table'")]
        return {name: base.execute(f'select * from "{name}"').fetchall() for name in names}


def _run(folder: Path, port: int, *, attack: bool) -> list[int]:
    text = CONFIG.format(rules=shipped("rules"), port=port)
    gateway = assemble(loads(text, folder / "caregate.yaml", environ={"EHR_KEY": KEY}), clock=SystemClock())
    ready, stop = threading.Event(), threading.Event()
    arguments = {"ready": lambda _: ready.set(), "stop": stop}
    thread = threading.Thread(target=gateway.run, args=(("listen",),), kwargs=arguments)
    thread.start()
    try:
        assert ready.wait(30)
        return _refused(port) if attack else []
    finally:
        stop.set()
        thread.join(30)
        gateway.close()


def test_whatever_is_refused_at_the_door_leaves_only_audit_entries(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Point 5: unsigned, wrongly signed, replayed, oversized, deeply nested, slow."""
    Keyring.create(tmp_path / "keys.json")
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    _run(tmp_path, port, attack=False)
    before = _rows(tmp_path)
    assert _run(tmp_path, port, attack=True) == [401, 401, 200, 401, 413, 400, 408]
    after = _rows(tmp_path)
    logged = capfd.readouterr()
    assert CANARY not in logged.out + logged.err + repr(after)
    # of what was taken: a process held leases, and the source was heard by the handshake that was its own
    assert {name for name in after if after[name] != before[name]} == {"audit", "lease", "source"}
    told = "".join(map(repr, after["audit"]))
    assert [told.count(f'"{one}"') for one in _WHY] == [1] * len(_WHY), told
