"""Our database is stopped while a Kafka goes on giving: not an offset is committed, and then everything is, of every format."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from crash_parts import House, wall
from crash_tools import OwnPostgres
from sqlalchemy.engine import make_url

from gateway.store import tables
from gateway.store.migrations import migrate
from tests.queues.kafka_there import Kafka, kafka

pytestmark = pytest.mark.slow

WAY = "kind: kafka, organization: lakeside, servers: '{address}', group: caregate, session_timeout: 2s, timeout: 2s, reconnect: 500ms"
FEEDS = """\
  engine: {way, topics: visits, authority: LAKESIDE}
  records: {way, topics: [patients, appointments], format: fhir, systems: {'urn:lakeside:mrn': LAKESIDE|MR}}
  plan-renewals: {way, topics: plans, format: table, mapping: plan-renewals, authority: LAKESIDE}
"""
VISIT = "2026-03-20 09:30"
TOPICS = {"visits": 2, "patients": 2, "appointments": 1, "plans": 3}  # how many messages come


@pytest.fixture
def broker() -> Iterator[Kafka]:
    """Its topics, one partition each."""
    with kafka() as made:
        for name in TOPICS:
            made.topic(name)
        yield made


@pytest.fixture
def own_postgres() -> Iterator[OwnPostgres]:
    """A server that may be stopped."""
    try:
        made = OwnPostgres()
    except ImportError:
        pytest.skip("PostgreSQL of our own is not available")
    yield made
    made.close()


@pytest.fixture
def house(own_postgres: OwnPostgres, make_house: Callable[..., House], broker: Kafka) -> House:
    """A site on that server with three feeds of Kafka."""
    own_postgres.psql("CREATE DATABASE clinic")
    url = make_url(own_postgres.url).set(database="clinic").render_as_string(hide_password=False)
    migrate(url)
    return make_house(url, feeds=FEEDS.replace("way", WAY.format(address=broker.address)))


def _person() -> dict[str, Any]:
    number = {"system": "urn:lakeside:mrn", "value": "M1"}
    return {"resourceType": "Patient", "id": "1", "identifier": [number], "birthDate": "1958-03-14"}


def _visit() -> dict[str, Any]:
    who = {"actor": {"reference": "Patient/1"}, "status": "accepted"}
    told = {"start": "2026-03-20T09:30:00-05:00", "end": "2026-03-20T10:00:00-05:00", "participant": [who]}
    return {"resourceType": "Appointment", "id": "9", "status": "booked", **told}


def _plan(state: str, at: str) -> dict[str, Any]:
    return {
        "plan_id": "P1", "patient_id": "M1", "plan": "MEMBER", "renew_by": "2026-04-30", "state": state, "updated_at": at,
    }  # fmt: skip


def offsets(broker: Kafka) -> dict[str, int]:
    """How far the group is."""
    return {name: broker.committed("caregate", name)[0] for name in TOPICS}


def test_while_the_database_is_stopped_not_an_offset_is_committed(
    house: House, own_postgres: OwnPostgres, broker: Kafka
) -> None:
    """A-04, law 1: HL7 v2, FHIR and rows wait at the broker; afterwards each is applied, the newest row holds."""
    child = house.starts()
    house.waits(lambda: child.log().count('"queue.connected"') == 3)
    broker.gets("patients", json.dumps(_person()).encode())  # or the rows, first to be taken again, would be nobody's
    house.waits(lambda: offsets(broker)["patients"] == 1)
    own_postgres.stop()
    try:
        broker.gets("visits", house.booking("Ann", VISIT), house.booking("Ben", VISIT))
        broker.gets("patients", json.dumps(_person() | {"gender": "female"}).encode())
        bundle = {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": _person()}, {"resource": _visit()}],
        }
        broker.gets("appointments", json.dumps(bundle).encode())
        rows = [_plan("due", "2026-03-01 07:00:00"), _plan("renewed", "2026-03-02 07:00:00")]
        broker.gets("plans", json.dumps(rows).encode(), json.dumps(rows[0]).encode(), b"{ poison")
        time.sleep(3)
        assert offsets(broker) == {**dict.fromkeys(TOPICS, -1001), "patients": 1}
    finally:
        own_postgres.start()
    house.waits(lambda: offsets(broker) == TOPICS, 60)
    kinds = {one["kind"]: one["status"] for one in house.every(tables.occurrence, "kind", "status")}
    assert len(house.every(tables.occurrence, "id")) == 4, kinds
    assert {one["start_utc"] for one in house.every(tables.occurrence, "start_utc")} > {wall(VISIT)}
    assert len([one for one in kinds.values() if one == "retired"]) == 1
    assert len(house.every(tables.quarantine, "raw")) == 1
    assert "Traceback" not in child.log()
    child.terminate()
    assert child.gone() == 0, child.log()
    assert house.verified().ok
