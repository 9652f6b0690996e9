"""Every hot look-up goes through the index made for it; the texts are the ones production runs."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from gateway.pipeline import (
    brakes,
    conditions,
    ordering,
    pacing,
    queries,
    releasing,
    restoring,
    retention,
    silence,
    tallying,
)
from gateway.pipeline.campaigns import forecasting, looking, ringing, tripping
from gateway.pipeline.campaigns.standing import HOURS, IN_FORCE
from gateway.pipeline.extracting import extracts, known
from gateway.pipeline.inspect import handling, tapping
from gateway.pipeline.inspect.worklist import PATIENTS, REPLIES
from gateway.pipeline.inspect.writebacks import FAILING
from gateway.pipeline.writeback.rounds import DUE
from gateway.store import datakeys, packed, seal, tables
from gateway.store.engine import Store
from gateway.store.statement import CHUNK, Statement, lookup_text

LOOKUPS = [
    (tables.identifier, "hmac", "identifier_hmac"),
    (tables.identifier, "patient", "identifier_patient"),
    (tables.address, "hmac", "address_hmac"),
    (tables.address, "id", "address_pkey"),
    (tables.occurrence, "key", "occurrence_key"),
    (tables.occurrence, "patient", "occurrence_patient"),
    (tables.occurrence, "parent", "occurrence_parent"),
    (tables.cursor, "source", "cursor_of"),
    (tables.fragment, "raw", "fragment_pkey"),
    (tables.fragment, "continues_hmac", "fragment_continues"),
    (tables.fragment, "continued_hmac", "fragment_continued"),
    (tables.fragment, "ended", "fragment_ended"),
    (tables.raw, "control_hmac", "raw_control"),
    (tables.patient, "token", "patient_pkey"),
    (tables.patient, "survivor", "patient_survivor"),
    (tables.contact_point, "patient", "contact_point_patient"),
    (tables.contact_point, "address", "contact_point_address"),
    (tables.consent, "patient", "consent_patient"),
    (tables.consent, "address", "consent_address"),
    (tables.request, "id", "request_pkey"),
    (tables.request, "occurrence", "request_once"),
    (tables.request, "patient", "request_patient"),
    (tables.communication, "request", "communication_once"),
    (tables.communication, "address", "communication_address"),
    (tables.data_key, "id", "data_key_pkey"),
    (tables.audit, "request", "audit_request"),
    (tables.audit_patient, "patient", "audit_patient_patient"),
    (tables.lease, "name", "lease_pkey"),
    (tables.writeback, "about", "writeback_of"),
]


def plan(store: Store, text: str, values: tuple[Any, ...]) -> str:
    """The planner's words for a text."""
    if store.dialect == "sqlite":
        rows = store.database.session()._link.execute(f"EXPLAIN QUERY PLAN {text}", values).fetchall()  # type: ignore[attr-defined]
        return "\n".join(str(row[3]) for row in rows)
    session: Any = store.database.session()
    session.begin(write=True)
    rows = session._wire.fetch(f"EXPLAIN {text}", values)
    session.rollback()
    return "\n".join(row[0] for row in rows)


def assert_uses(store: Store, told: str, index: str) -> None:
    """The named index, and never the whole table. SQLite names constraints' indexes and primary keys its own way."""
    if store.dialect == "postgresql":
        assert f" {index}" in told, told
        assert "Seq Scan" not in told, told
        return
    assert "SCAN" not in told, told
    if index in NAMED:
        assert f"INDEX {index} " in told, told
    else:
        assert "sqlite_autoindex_" in told or "PRIMARY KEY" in told, told


NAMED = {index.name for table in tables.metadata.tables.values() for index in table.indexes}


@pytest.mark.parametrize(("table", "key", "index"), LOOKUPS, ids=str)
def test_a_lookup_uses_its_index(store: Store, table: sa.Table, key: str, index: str) -> None:
    """Also on empty tables, whose plans PostgreSQL keeps."""
    columns = tuple(column.name for column in table.c)
    value: Any = {"BLOB": b"x", "TEXT": "x"}.get(str(table.c[key].type), 1)
    if store.dialect == "sqlite":
        for width in (1, CHUNK):
            assert_uses(
                store, plan(store, lookup_text("sqlite", table, columns, key, width=width), (value,) * width), index
            )
        return
    text = lookup_text("postgresql", table, columns, key, lock=True)
    assert_uses(store, plan(store, text, (packed.packer(table.c[key].type)([value]),)), index)


@pytest.mark.parametrize(
    ("statement", "values", "index"),
    [
        (seal.ROWS, (1, 2, 3), "audit_pkey"),
        (seal.LINKS, (1, 2), "audit_patient_audit"),
        (datakeys._SEALED, (1, 2, 3, 4, 5), "raw_received"),
        (datakeys._LABELLED, ("1:2",), "data_key_label"),
        (silence.WAITING, (0, 10), "request_feed_silent"),
        (silence.SLOTS, (1, 2), "feed_slot_of"),
        (tallying.REASONS, (1, 2), "raw_pkey"),
        (conditions.UNSEALED, (1, 2), "audit_pkey"),
        (conditions.FRESH, (1, 2), "quarantine_state"),
        (queries.DUE, (0, 1, 10), "request_ring"),
        (queries.PEEK, (0, 1, 10), "request_ring"),
        (queries.NEXT, (0, 1), "request_ring"),
        (queries.LEASE, (1, 2, 3, 4), "request_pkey"),
        (queries.SETTLE, ("active", None, 1, 1, 1, None, 1, 1), "request_pkey"),
        (queries.LOST, (1, 10), "communication_open"),
        (queries.OUTLIVED, (1, 2, 10), "request_ring"),
        (queries.SETTLE_LATE, (1,), "request_pkey"),
        (restoring.DOUBT, (1,), "request_pkey"),
        (releasing._RELEASE, (1, 2, "stopped"), "request_pkey"),
        (handling._HOLD, (1,), "request_pkey"),
        (handling._WITHDRAW, (1,), "request_pkey"),
        (ordering.OTHERS, (1, 2), "request_patient"),
        (tapping.AFTER, (1, 10), "audit_pkey"),
        (tapping.BEFORE, (1, 10), "audit_pkey"),
        (brakes.ON, (), "brake_on"),
        (brakes.SHARED, (), "brake_on"),
        (brakes.STOPPED, (0, 1, 2, 10), "request_stopped"),
        (pacing.SWAP, ("x", 1, 2), "pace_pkey"),
        (restoring.OPEN, (10,), "communication_open"),
        (PATIENTS, (10,), "patient_held"),
        (REPLIES, (10,), "inbound_open"),
        (DUE, (1, 1, 10), "writeback_due"),
        (FAILING, (1, 10), "writeback_failed"),
        (retention.WRITTEN_BACK, (1, 10), "writeback_settled"),
        (IN_FORCE, ("x", 1), "campaign_rule"),
        (HOURS, ("x", 1), "campaign_hour_key"),
        (ringing.WAITING, (1, "x", 10), "request_of_rule"),
        (forecasting.WALK, (1, "x", 10), "request_of_rule"),
        (forecasting.PEOPLE, ("x",), "request_of_rule"),
        (forecasting.HELD_OUT, ("x",), "request_held_out"),
        (looking.MET, ("x", 1), "request_of_rule"),
        (looking.WAITS, ("x",), "request_of_rule"),
        (extracts.KNOWN_ROWS, (1,), "table_row_source"),
        (known.MISSED, (1, 2), "table_row_source"),
        (known.MISSING, (1, 2, b"", 10), "table_row_source"),
        (retention.ROWS, (1, b"", 10), "table_row_source"),
        (tripping.FAILED, (1, "x"), "communication_open"),
        (tripping.COMPLAINED, (1, 1, "x"), "receipt_complained"),
        (tripping.OPTED_OUT, (1, 1, "x"), "consent_denied"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_statement_uses_its_index(store: Store, statement: Statement, values: tuple[Any, ...], index: str) -> None:
    """Sealing and purging walk ranges, never tables."""
    compiled = statement.on(store.dialect)
    given = values if compiled.arrange is None else compiled.arrange(values)
    assert_uses(store, plan(store, compiled.text, given), index)
