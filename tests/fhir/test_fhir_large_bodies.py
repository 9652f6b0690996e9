"""A large body is read beside the event loop: other callers are answered meanwhile."""

from __future__ import annotations

import json
import threading
import time

from fhir_site import appointment


def test_whoever_calls_while_a_large_body_is_read_is_answered(site):  # type: ignore[no-untyped-def]
    """S-30, S-32: 12 MiB whose last entry is refused cost seconds; a small call takes a part of that at most."""
    ehr = site()
    entry = {"resource": appointment(1, text="z" * 300, note=[{"text": "a\u00e9"} for _ in range(12)])}
    size = len(json.dumps(entry))
    told = {"resourceType": "Bundle", "type": "collection", "entry": [entry] * ((12 << 20) // size)}
    body = json.dumps(told).encode().removesuffix(b"]}") + b',{"resource":{"id":"1","id":"1"}}]}'
    took: list[float] = []

    def calls() -> None:
        began = time.monotonic()
        assert ehr.send(body).status_code == 400
        took.append(time.monotonic() - began)

    thread = threading.Thread(target=calls)
    thread.start()
    slowest, number = 0.0, 2
    while thread.is_alive():
        began = time.monotonic()
        assert ehr.send(appointment(number)).status_code == 200
        slowest, number = max(slowest, time.monotonic() - began), number + 1
    print(f"large {took[0]:.2f} s, slowest small {slowest:.2f} s, {number - 2} small")
    assert (number - 2 > 4, slowest < took[0] * 0.8) == (True, True)
