"""Streams of HL7 v2, FHIR and rows through a whole gateway: what cannot be read waits for a person, and nothing waits behind it."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from crash_parts import House
from crash_tools import OwnPostgres
from fhir_there import appointment, bundle, patient
from sqlalchemy.engine import make_url

from gateway.store import tables
from gateway.store.migrations import migrate
from tests.queues.redis_there import Valkey, valkey

pytestmark = pytest.mark.slow

STREAM = "  {name}: {{kind: redis-stream, organization: lakeside, url: {url}, streams: {name}, group: caregate-{name}, declare: yes, reconnect: 500ms, {more}}}\n"
MRN = {"system": "urn:lakeside:mrn", "value": "55501", "type": {"coding": [{"code": "MR"}]}}


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(tmp_path_factory.mktemp("valkey")) as made:
        yield made


def feeds(server: Valkey, **told: str) -> str:
    return "".join(STREAM.format(name=name, url=server.url, more=more) for name, more in told.items())


def settled(house: House, server: Valkey, *streams: str) -> None:
    """Nothing is left of any of them."""
    house.waits(lambda: all(server.client.exists(one) and server.client.xinfo_groups(one) for one in streams))
    house.waits(lambda: not any(server.left(one) for one in streams), 60)


def results(house: House) -> Counter[str]:
    return Counter(one["result"] for one in house.every(tables.raw, "result"))


def test_every_format_comes_through_and_what_cannot_be_read_is_settled_too(
    make_house: Callable[..., House], store_url: str, server: Valkey
) -> None:
    """B-01, D-02: batches, packed ones, bundles and lines are taken apart; a poison message is in quarantine and blocks nobody."""
    told = {
        "adt": "authority: LAKESIDE",
        "fhir": "format: fhir, base: 'https://ehr.lakeside.example/fhir', systems: {'urn:lakeside:mrn': LAKESIDE|MR}",
        "cdp": "format: table, mapping: segment-audience, authority: LAKESIDE",
    }
    house = make_house(store_url, feeds=feeds(server, **told))
    one, two, three, four = (house.booking(who, "2026-03-20 09:30") for who in ("Ann", "Ben", "Cleo", "Dan"))
    batch = b"FHS|^~\\&|EHR|LAKESIDE\rBHS|^~\\&|EHR|LAKESIDE\r" + two + three + b"BTS|2\rFTS|1\r"
    visit: dict[str, Any] = {"start": "2026-03-20T09:30:00-05:00", "end": "2026-03-20T10:00:00-05:00"}
    row = {"user_id": "u1", "audience_key": "a", "audience_entered": True, "received_at": "2026-03-02T10:00:00Z", "mrn": "1"}  # fmt: skip
    server.puts(one, b"this is no message", batch, one, stream="adt")
    server.puts(one, stream="adt", content_type="application/fhir+json")
    server.client.xadd("adt", {"wrong": b"no body"})
    server.puts(gzip.compress(four), stream="adt", content_encoding="gzip")
    server.puts(
        json.dumps(patient("1", identifier=[MRN], birthDate="1958-03-14")).encode(),
        b'{"resourceType": "Pat',
        json.dumps(bundle(appointment("7", **visit), type="collection")).encode(),
        stream="fhir",
    )
    server.puts(json.dumps(row).encode(), json.dumps(row).encode(), b"[1]", b'{"user_id', stream="cdp")
    child = house.starts()
    settled(house, server, *told)
    found = results(house)
    assert found["quarantined"] == 6
    assert found["accepted"] + found["ignored"] == 4 + 2 + 1
    assert len(house.every(tables.occurrence, "id")) >= 4 + 1
    child.terminate()
    assert child.gone() == 0, child.log()
    assert "no message" not in child.log()
    assert house.verified().ok


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[OwnPostgres]:
    """A server that may be stopped."""
    try:
        made = OwnPostgres()
    except ImportError:
        pytest.skip("PostgreSQL of our own is not available")
    yield made
    made.close()


def test_while_the_database_is_away_nothing_is_settled_and_then_all_is(
    own_postgres: OwnPostgres, make_house: Callable[..., House], server: Valkey
) -> None:
    """A-04: what came meanwhile lies at the broker, and is taken once the database is back."""
    own_postgres.psql("CREATE DATABASE clinic")
    url = make_url(own_postgres.url).set(database="clinic").render_as_string(hide_password=False)
    migrate(url)
    house = make_house(url, feeds=feeds(server, adt="authority: LAKESIDE"))
    child = house.starts()
    server.puts(house.booking("Ann", "2026-03-20 09:30"), stream="adt")
    settled(house, server, "adt")
    own_postgres.stop()
    server.puts(*(house.booking(f"P{one}", "2026-03-20 09:30") for one in range(5)), stream="adt")
    house.waits(lambda: "queue.waits-for-us" in child.log() or server.client.xinfo_groups("adt")[0]["pending"] == 0)
    assert server.left("adt") == 5
    own_postgres.start()
    house.reconnects()
    settled(house, server, "adt")
    assert results(house) == {"accepted": 6}
