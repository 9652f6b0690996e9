"""The whole gateway fed by queues of RabbitMQ: HL7 v2 in and out of envelopes, FHIR, rows, and what nobody can read."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rabbit_parts import Queues, options
from sqlalchemy import select
from test_pump import until

from gateway.app import Gateway, assemble
from gateway.model.event import Result
from gateway.packs import shipped
from gateway.pipeline import inspect
from gateway.ports import SetClock
from gateway.settings import loads
from gateway.store import tables
from gateway.store.keyring import Keyring
from gateway.store.statement import Statement

NOW = 1_772_463_600_000
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
  engine: {{kind: amqp, organization: lakeside, authority: LAKESIDE, queue: {engine}, {login}}}
  resources:
    {{kind: amqp, organization: lakeside, format: fhir, base: 'https://ehr.example/fhir', systems: {{'urn:mrn': LAKESIDE|MR}}, queue: {resources}, {login}}}
  audiences:
    {{kind: amqp, organization: lakeside, format: table, mapping: segment-audience, authority: LAKESIDE, queue: {audiences}, {login}}}
keys: keys.json
rules: '{rules}'
"""
Fed = tuple[Queues, dict[str, str], Gateway]


@pytest.fixture
def fed(rabbit: Queues, amqp_url: str, tmp_path: Path) -> Iterator[Fed]:
    """(queues, name of each source's, gateway) while it runs."""
    Keyring.create(tmp_path / "keys.json")
    told = options(amqp_url)
    (tmp_path / "secret").write_text(told["password"])
    login = f"url: '{told['url']}', user: {told['user']}, password: 'file:secret', reconnect: 1"
    names = {name: rabbit.make() for name in ("engine", "resources", "audiences")}
    text = CONFIG.format(login=login, rules=shipped("rules"), **names)
    with _running(assemble(loads(text, tmp_path / "caregate.yaml", environ={}), clock=SetClock(NOW))) as gateway:
        yield rabbit, names, gateway


@contextmanager
def _running(gateway: Gateway) -> Iterator[Gateway]:
    ready, stop, failed = threading.Event(), threading.Event(), []

    def run() -> None:
        try:
            gateway.run(("listen",), ready=lambda _: ready.set(), stop=stop)
        except Exception as error:
            failed.append(error)
            ready.set()

    running = threading.Thread(target=run)
    running.start()
    try:
        assert ready.wait(20)
        if failed:
            raise failed[0]
        yield gateway
    finally:
        stop.set()
        running.join(30)
        gateway.close()


def admitted(control: str, mrn: str) -> bytes:
    """A message of somebody."""
    return (
        f"MSH|^~\\&|EHR|LAKESIDE|CAREGATE|LAKESIDE|20260302090500-0600||ADT^A28^ADT_A05|{control}|P|2.5.1\r"
        f"EVN|A28|20260302090500-0600\rPID|1||{mrn}^^^LAKESIDE^MR||Brook^Ada||19580314|F\rPV1|1|N\r"
    ).encode()


def _results(gateway: Gateway, source: str) -> list[str]:
    raw = tables.raw.c
    statement = Statement("test.amqp", select(raw.source, raw.result).order_by(raw.id))
    with gateway.store.read() as unit:
        return [result for told, result in unit.all(statement) if told == gateway.site.sources[source].id]


def test_messages_batches_and_what_nobody_can_read_leave_the_queue_as_they_came(fed: Fed) -> None:
    """B-01, D-02: poison is in quarantine with its diagnosis, and blocks nothing; what comes twice is received once."""
    queues, names, gateway = fed
    batch = b"BHS|^~\\&|LAB|X|GW|X|||||B1\r" + admitted("2", "50002") + admitted("3", "50003") + b"BTS|2\r"
    queues.put(names["engine"], [admitted("1", "50001"), b"CANARY no message\r", batch, admitted("1", "50001")])
    queues.put(names["engine"], [gzip.compress(admitted("4", "50004"))], content_encoding="gzip")
    queues.put(names["engine"], [b"CANARY no gzip"], content_encoding="gzip")
    until(lambda: len(_results(gateway, "engine")) == 6)
    assert _results(gateway, "engine").count(Result.ACCEPTED) == 4
    assert len(inspect.quarantine_list(gateway)) == 2
    until(lambda: queues.left(names["engine"]) == 0)


def test_resources_and_rows_come_by_queues_of_their_own(fed: Fed) -> None:
    """A resource alone, NDJSON or in a Bundle; a row alone or in a list. One that does not fit waits for a person."""
    queues, names, gateway = fed
    people = [_patient(str(one)) for one in range(4)]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": people[3]}]}
    lines = b"\n".join(json.dumps(one).encode() for one in people[1:3])
    queues.put(names["resources"], [json.dumps(people[0]).encode(), lines, json.dumps(bundle).encode(), b"{]"])
    rows = [_row(f"{one}") for one in range(3)]
    queues.put(names["audiences"], [json.dumps(rows[0]).encode(), json.dumps(rows[1:]).encode(), b'{"user_id": 7}'])
    until(_settled(queues, names["resources"], names["audiences"]))
    until(lambda: _results(gateway, "resources").count(Result.ACCEPTED) == 4)
    until(lambda: len(_results(gateway, "audiences")) == 4)
    assert len(_results(gateway, "resources")) == 5


def _settled(queues: Queues, *names: str) -> Callable[[], bool]:
    return lambda: not any(queues.left(one) for one in names)


def _patient(number: str) -> dict[str, object]:
    meta = {"versionId": "1", "lastUpdated": "2026-03-02T14:00:00Z"}
    known = [{"system": "urn:mrn", "value": f"6000{number}"}]
    return {"resourceType": "Patient", "id": number, "meta": meta, "identifier": known, "name": [{"family": "Brook"}]}


def _row(number: str) -> dict[str, object]:
    member = {"user_id": f"u{number}", "audience_key": "wellness", "audience_entered": True}
    return {**member, "received_at": "2026-03-02T14:00:00Z", "mrn": f"6000{number}"}
