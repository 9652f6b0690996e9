"""Whoever is turned away at the door is in the audit store: what for, from where, how often, and nothing it said."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import Any

import pytest
import sqlalchemy as sa
from mllp_certificates import Authority

from connectors.sources.mllp.codec import frame
from connectors.sources.mllp.tls import failure_of
from gateway.model.audit import NodeFailure
from gateway.model.errors import DeliveryError, StoreUnavailable
from gateway.pipeline.intake import IntakeThread
from gateway.pipeline.witnessing import Witness
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement

ENTRIES = Statement("test.witnessed", sa.select(tables.audit.c.entries).order_by(tables.audit.c.id))


def witnessed(store: Store) -> list[list[Any]]:
    """What the audit store says about callers."""
    with store.read() as unit:
        found = [entry for (entries,) in unit.all(ENTRIES) for entry in json.loads(entries)]
    return [entry[1:] for entry in found if entry[0] == "node.refused"]


def until(condition, within: float = 10) -> None:  # type: ignore[no-untyped-def]
    """Poll until it is so."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def calls(here, context, message: bytes) -> None:  # type: ignore[no-untyped-def]
    """Connect and speak, however far it gets."""
    with suppress(DeliveryError), here.client(context=context) as client:
        client.send(message)


@pytest.fixture
def hospital(authority: Authority):
    """The sender's certificate."""
    return authority.issue("ehr.hospital.test")


def test_every_failure_to_prove_who_it_is_is_witnessed(
    listening, secured, authority, hospital, admission, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    """TL-04: plain text, no, an expired, an unknown certificate, a version too old: each by its own word."""
    here = listening(tls=secured())
    with here.socket() as raw, suppress(OSError):
        raw.sendall(frame(admission))
        raw.recv(100)
    calls(here, authority.context(None), admission)
    calls(here, authority.context(authority.issue("late.test", days=-1, file="late")), admission)
    stranger = Authority(tmp_path, "Another authority").issue("ehr.hospital.test")
    calls(here, authority.context(stranger), admission)
    here.until(lambda: len(here.intake.witnessed) == 4)
    assert [failure for _, failure, _ in here.intake.witnessed] == [
        NodeFailure.NOT_TLS,
        NodeFailure.CERTIFICATE_MISSING,
        NodeFailure.CERTIFICATE_EXPIRED,
        NodeFailure.CERTIFICATE_UNKNOWN,
    ]
    newer, context = listening(tls=secured(minimum="1.3")), authority.context(hospital)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    calls(newer, context, admission)
    newer.until(lambda: newer.intake.witnessed == [("main", NodeFailure.TLS_TOO_OLD, "127.0.0.1")])
    assert {(source, host) for source, _, host in here.intake.witnessed} == {("main", "127.0.0.1")}


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ConnectionResetError(), None),
        (TimeoutError(), None),
        (ssl.SSLEOFError(8, "eof"), None),
        (ssl.SSLError(1, "[SSL] whatever"), NodeFailure.HANDSHAKE),
    ],
)
def test_who_only_hangs_up_has_failed_at_nothing(error: OSError, failure: NodeFailure | None) -> None:
    """TL-04: port probes of a load balancer are no failed authentication."""
    assert failure_of(error) is failure


def test_a_sender_or_address_that_does_not_belong_is_witnessed(
    listening, secured, authority, hospital, admission
) -> None:  # type: ignore[no-untyped-def]
    """TL-03, TL-06."""
    bound = listening(tls=secured(peers=[{"certificate": "ehr.hospital.test", "applications": ["LAB"]}]))
    calls(bound, authority.context(hospital), admission)
    stranger = listening(tls=secured(peers=[{"certificate": "lab.test"}]))
    calls(stranger, authority.context(hospital), admission)
    closed = listening(allow=["192.0.2.1"])
    with suppress(OSError):
        closed.socket().recv(10)
    for here, failure in (
        (bound, NodeFailure.SENDER_UNKNOWN),
        (stranger, NodeFailure.CERTIFICATE_UNKNOWN),
        (closed, NodeFailure.ADDRESS_UNKNOWN),
    ):
        here.until(lambda here=here: here.intake.witnessed)  # type: ignore[misc]
        assert here.intake.witnessed == [("main", failure, "127.0.0.1")]


def test_plain_text_on_a_tls_port_stands_in_the_audit_store(listening, secured, admission, store: Store) -> None:  # type: ignore[no-untyped-def]
    """TL-04: over a real socket into a real store; the first at once, a flood after it in one row with its count."""
    here = listening(tls=secured())
    witness = Witness(store, every=0.5)
    here.intake.witness = witness
    witness.start()

    def knock() -> None:
        with here.socket() as raw, suppress(OSError):
            raw.sendall(frame(admission))
            raw.recv(100)

    knock()
    until(lambda: witnessed(store) == [["main", "not-tls", "127.0.0.1", 1]])
    for _ in range(30):
        knock()
    until(lambda: sum(entry[3] for entry in witnessed(store)) == 31)
    assert len(witnessed(store)) <= 5
    witness.stop()


def test_many_callers_take_no_more_room_than_a_hundred(store: Store) -> None:
    """TL-04: what comes from ever new addresses is counted together; what is no address is not kept."""
    witness = Witness(store)
    for number in range(300):
        witness("main", NodeFailure.NOT_TLS, f"10.0.{number // 250}.{number % 250}")
    witness("main", NodeFailure.NOT_TLS, "<script>")
    witness("main", NodeFailure.NOT_TLS, "fe80::1%eth0")
    witness.start()
    witness.stop()
    found = witnessed(store)
    assert (len(found), sum(entry[3] for entry in found)) == (101, 302)
    assert [entry for entry in found if entry[2] == ""] == [["main", "not-tls", "", 202]]


def test_what_cannot_be_written_is_written_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """TL-04: a database that is away loses no count."""
    witness, begin, away = Witness(store, every=0.05), store.begin, threading.Event()

    def failing(actor: str):  # type: ignore[no-untyped-def]
        if not away.is_set():
            away.set()
            raise StoreUnavailable("away")
        return begin(actor)

    monkeypatch.setattr(store, "begin", failing)
    witness.start()
    witness("main", NodeFailure.CERTIFICATE_EXPIRED, "192.0.2.7")
    until(lambda: witnessed(store) == [["main", "certificate-expired", "192.0.2.7", 1]])
    witness.stop()


def test_the_intake_writes_what_is_left_before_it_ends(store: Store) -> None:
    """TL-04, F-16."""

    class Nobody:
        def receive(self, batch):  # type: ignore[no-untyped-def]
            return []

    intake = IntakeThread(Nobody(), Witness(store))
    intake.start()
    for _ in range(3):
        intake.witness("main", NodeFailure.HANDSHAKE, "192.0.2.7")
    intake.close()
    assert sum(entry[3] for entry in witnessed(store)) == 3
    assert socket.gethostname() not in json.dumps(witnessed(store))
