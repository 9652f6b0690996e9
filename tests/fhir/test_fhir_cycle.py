"""The whole cycle with one server: subscribed, shaken on, notified, gaps repaired, in error and back, counting anew."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from fhir_site import KEY, Site
from fhir_there import Asked, Said, there
from publisher import TOPIC, Dialect, Publisher

RELEASES: dict[Dialect, str] = {"r4": "R4", "r4b": "R4B", "r5": "R5"}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        found: int = one.getsockname()[1]
    return found


def visit(number: int) -> dict[str, Any]:
    return {"resourceType": "Appointment", "id": str(number), "status": "booked"}


@pytest.mark.parametrize("dialect", RELEASES)
def test_nothing_is_missed_whatever_becomes_of_a_subscription(make_site: Callable[..., Site], dialect: Dialect) -> None:
    """S-01 to S-03, S-10, S-15, S-17 to S-20, S-24: lost events by number, errors and resets by searching."""
    with Publisher(dialect) as server:
        told = {"topic": TOPIC, "filters": ["Appointment?status=booked"], "content": "full-resource"}
        port = free_port()
        ehr = make_site(
            asking=True,
            port=port,
            base=server.base,
            release=RELEASES[dialect],
            keys=[{"secret": KEY}],
            client={"rate": 1000},
            subscribe={
                "endpoint": f"http://127.0.0.1:{port}/fhir/ehr",
                "every": "1s",
                "subscriptions": {"visits": told},
            },
        ).start()
        stored = ehr.intake.stored
        watch = ehr.source.subscriptions()

        def heard(number: int) -> Callable[[], bool]:
            return lambda: f"Appointment/{number}/_history/1" in stored

        assert watch.subscribe("visits").status == "requested"
        ehr.until(lambda: watch.look("visits").status == "active")
        (one,) = server.subscriptions.values()

        server.put(visit(1))
        server.put(visit(2), lose=True)
        server.put(visit(3))
        ehr.until(lambda: heard(2)() and heard(3)())

        one.state = "error"
        server.put(visit(4), lose=True)
        ehr.until(heard(4))
        ehr.until(lambda: watch.look("visits").status == "active")
        ehr.until(lambda: watch.list()[0].lost is None)

        server.restart()
        server.put(visit(5), lose=True)
        server.put(visit(6))
        ehr.until(lambda: heard(5)() and heard(6)())

        one.state = "off"
        server.put(visit(7), lose=True)
        ehr.until(heard(7))
        ehr.until(lambda: watch.look("visits").status == "active")
        assert watch.unsubscribe("visits")
        assert server.subscriptions == {}
    assert sorted(stored) == [f"Appointment/{number}/_history/1" for number in range(1, 8)]


def test_a_server_that_is_active_and_never_calls_is_silent(make_site: Callable[..., Site]) -> None:
    """S-16, S-17: it needs no handshake to be active, and what it posts may never get through to us."""

    def active(asked: Asked) -> Said:
        told = {"resourceType": "Subscription", "id": "1", "status": "active"}
        return Said(201 if asked.method == "POST" else 200, told)

    with there(active) as server:
        ehr = make_site(
            asking=True,
            base=server.base,
            keys=[{"secret": KEY}],
            client={"rate": 1000},
            subscribe={
                "endpoint": "http://127.0.0.1:1/fhir/ehr",
                "every": "1s",
                "subscriptions": {"visits": {"criteria": "Appointment", "heartbeat": "500ms"}},
            },
        ).start()
        ehr.source.subscriptions().subscribe("visits")
        ehr.until(lambda: "fhir.subscription-silent" in ehr.source.counts)
