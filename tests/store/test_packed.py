"""Bulk values reach PostgreSQL unchanged, whatever they are."""

from __future__ import annotations

import random
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import StoreError
from gateway.store import packed, tables
from gateway.store.engine import Store

RAW = ("id", "source", "control_hmac", "body_hmac", "received", "feed_key", "sealed", "type", "ack", "result")


@pytest.mark.parametrize("count", [1, 2, 1500])
def test_every_kind_of_value_survives_a_bulk_insert(store: Store, count: int) -> None:
    """Extremes, empty ones, quotes, any Unicode, nulls among them."""
    chance = random.Random(7)
    texts = ["", "é\u20ac\U0001f600", "'\"\\{}NULL,", "\t\n\r", "a" * 9_000]

    def row(number: int) -> tuple[Any, ...]:
        blob = chance.randbytes(chance.choice([0, 1, 16]))
        sealed = None if number % 3 == 0 else blob * chance.choice([1, 9_000])
        return (number, -(2**63), blob, b"\0", 2**63 - 1, 0, sealed, chance.choice(texts), "AA", chance.choice(texts))

    rows = [row(number) for number in range(count)]
    with store.begin("test") as unit:
        unit.insert(tables.raw, RAW, rows)
        unit.audit([("x",)])
        unit.commit()
    with store.read() as reader:
        assert sorted(reader.lookup(tables.raw, RAW, "id", [row[0] for row in rows])) == rows


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=40))
def test_packed_integers_have_the_length_they_say(values: list[int | None]) -> None:
    """20 bytes of header; per element 4, and 8 more unless null."""
    known = sum(value is not None for value in values)
    assert len(packed.bigints(values)) == 20 + 4 * len(values) + 8 * known


def test_a_column_type_nobody_packs_is_refused() -> None:
    """Tables use four types; a fifth needs a packer first."""
    with pytest.raises(StoreError, match="Float"):
        packed.packer(sa.Float())
