"""A heartbeat is no message, and yet its feed was heard: the same watch as for HL7 feeds sees it."""

from __future__ import annotations

import threading

import sqlalchemy as sa

from gateway.model.errors import StoreUnavailable
from gateway.model.when import HOUR
from gateway.pipeline.intake import IntakeThread
from gateway.pipeline.witnessing import Witness
from gateway.store import tables
from gateway.store.statement import Statement

LAST = Statement(
    "test.heard", sa.select(tables.source.c.name, tables.source.c.last_received).order_by(tables.source.c.name)
)


class Nobody:
    """Receives nothing."""

    def receive(self, _batch):
        return []


def _feeds(store):
    with store.begin("test") as uow:
        rows = [(uow.new_id(), name, 0, None) for name in ("ehr", "lab")]
        uow.insert(tables.source, ("id", "name", "held", "last_received"), rows)
        uow.audit([("test.feeds",)])
        uow.commit()


def _last(store):
    with store.read() as unit:
        return dict(unit.all(LAST))


def test_a_heartbeat_says_that_its_feed_lives(store, clock):
    """S-17: of the feed that told it, and nothing else changes."""
    _feeds(store)
    clock.set(clock.now() + HOUR)
    intake = IntakeThread(Nobody(), Witness(store))
    intake.start()
    intake.heard("ehr")
    intake.close()
    assert _last(store) == {"ehr": clock.now(), "lab": None}


def test_a_heartbeat_that_cannot_be_written_is_written_later(store, clock, monkeypatch):
    """S-17: a database that is away silences no feed."""
    _feeds(store)
    witness, begin, away = Witness(store, every=0.05), store.begin, threading.Event()

    def failing(actor):
        if not away.is_set():
            away.set()
            raise StoreUnavailable("away")
        return begin(actor)

    monkeypatch.setattr(store, "begin", failing)
    witness.start()
    witness.heard("ehr")
    assert away.wait(10)
    witness.stop()
    assert _last(store)["ehr"] == clock.now()
