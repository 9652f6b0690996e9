"""Forgetting looks where the old things are, not through everything that is kept."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.pipeline.retention import MESSAGES, REPLIES
from gateway.pipeline.rights.sendings import BETWEEN
from gateway.store import datakeys
from gateway.store.engine import Store
from gateway.store.statement import Statement


@pytest.mark.parametrize(
    ("statement", "params", "index"),
    [
        (MESSAGES, (0, 0, 1, 1), "raw_received"),
        (REPLIES, (1, 1), "inbound_kept"),
        (BETWEEN, ("completed", 0, 1, -1, 1), "communication_open"),
        (datakeys._RAW_KEYS, (), "data_key_label"),
        (datakeys._PURGED_KEYS, (), "data_key_label"),
    ],
    ids=["messages", "replies", "what left between two times", "keys to destroy", "keys to forget"],
)
def test_what_is_due_is_found_by_an_index(
    store: Store, statement: Statement, params: tuple[Any, ...], index: str
) -> None:
    """A round every hour must not read a table of millions: of messages, of the keys of all patients."""
    found = statement.on(store.dialect)
    values = params if found.arrange is None else found.arrange(params)
    session: Any = store.database.session()
    if store.dialect == "sqlite":
        rows = session._link.execute(f"EXPLAIN QUERY PLAN {found.text}", values).fetchall()
        told = "\n".join(str(row[3]) for row in rows)
    else:
        session.begin(write=True)  # in units of work nothing is scanned that has an index
        told = "\n".join(str(row[0]) for row in session._wire.fetch(f"EXPLAIN {found.text}", values))
        session.rollback()
    assert index in told, told
    assert "SCAN raw" not in told
    assert "SCAN inbound" not in told
    assert "SCAN data_key" not in told
