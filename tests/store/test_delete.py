"""What is deleted is deleted by key, counted, and audited in the same unit of work."""

from __future__ import annotations

import pytest

from gateway.model.errors import UnauditedError
from gateway.store import tables
from gateway.store.engine import Store

_COLUMNS = ("raw", "control_hmac", "code", "place", "rule", "state", "at", "decided")


def _store(store: Store, *numbers: int) -> None:
    with store.begin("test") as unit:
        unit.insert(tables.quarantine, _COLUMNS, [(number, b"", 101, "", "", "open", 1, None) for number in numbers])
        unit.audit([("content.read", "test")])
        unit.commit()


def _left(store: Store, *numbers: int) -> list[int]:
    with store.read() as reader:
        return sorted(row[0] for row in reader.lookup(tables.quarantine, ("raw",), "raw", numbers))


def test_rows_are_deleted_by_key_and_counted(store: Store) -> None:
    """What is not there does not count, nothing else goes."""
    _store(store, 1, 2, 3)
    with store.begin("test") as unit:
        assert unit.delete(tables.quarantine, "raw", [1, 3, 9]) == 2
        unit.audit([("content.forgotten", "message", 2)])
        unit.commit()
    assert _left(store, 1, 2, 3) == [2]


def test_to_delete_nothing_needs_no_audit(store: Store) -> None:
    """Nothing was changed."""
    with store.begin("test") as unit:
        assert unit.delete(tables.quarantine, "raw", []) == 0
        unit.commit()


def test_a_deletion_that_nobody_audits_is_undone(store: Store) -> None:
    """Law 2."""
    _store(store, 4)
    with pytest.raises(UnauditedError), store.begin("test") as unit:
        unit.delete(tables.quarantine, "raw", [4])
        unit.commit()
    assert _left(store, 4) == [4]
