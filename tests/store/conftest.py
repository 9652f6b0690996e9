"""What the store's own tests share: rows to write and queries to see them by."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement

COUNT_SOURCES = Statement("count_sources", sa.select(sa.func.count()).select_from(tables.source))


@pytest.fixture
def note() -> Callable[..., int]:
    """Writes one audit row in a unit of its own; returns its id."""

    def _note(store: Store, *patients: int, text: str = "message.received") -> int:
        with store.begin("test") as unit:
            made = unit.audit([(text,)], patients=patients)
            unit.commit()
        return made

    return _note


def add_source(store: Store, name: str) -> int:
    """One audited unit that adds a source."""
    with store.begin("test") as unit:
        number = unit.new_id()
        unit.insert(tables.source, ("id", "name"), [(number, name)])
        unit.audit([("source.released", number)])
        unit.commit()
    return number


def sources(store: Store) -> int:
    """How many sources there are."""
    with store.read() as reader:
        row = reader.one(COUNT_SOURCES)
    assert row is not None
    return int(row[0])
