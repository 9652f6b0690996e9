"""A unit of work commits all or nothing, and never in silence."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from gateway.model.errors import Conflict, StoreError, UnauditedError
from gateway.ports import SetClock
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from tests.store.conftest import add_source, sources

HOLD = Statement(
    "hold",
    sa.update(tables.source).where(tables.source.c.id == sa.bindparam("which")).values(held=sa.bindparam("held")),
    ("held", "which"),
)
COUNTED = Statement(
    "counted",
    sa.update(tables.source)
    .where(tables.source.c.id == sa.bindparam("which"))
    .values(last_received=sa.bindparam("at")),
    ("which", "at"),
    exempt=True,
)
RING = Statement("ring", sa.update(tables.request).values(ring_at=sa.bindparam("at")), ("at",), exempt=True)


def test_what_is_committed_is_read_back(store: Store) -> None:
    """Every column type survives the way in and out, also without a value."""
    number = add_source(store, "adt")
    with store.read() as reader:
        rows = reader.lookup(tables.source, ("name", "held", "last_received"), "id", [number, number, 5])
    assert rows == [("adt", 0, None)]


def test_a_unit_that_changes_something_and_audits_nothing_is_refused(store: Store) -> None:
    """Law 2: no transaction in silence, whichever method wrote."""
    number = add_source(store, "adt")
    for write in (
        lambda unit: unit.insert(tables.source, ("id", "name"), [(1, "siu")]),
        lambda unit: unit.insert_missing(tables.source, ("id", "name"), [(1, "siu")]),
        lambda unit: unit.update(tables.source, ("id",), ("held",), [(1, number)]),
        lambda unit: unit.run(HOLD, (1, number)),
    ):
        with pytest.raises(UnauditedError, match="source"), store.begin("test") as unit:
            write(unit)
            unit.commit()
    with store.read() as reader:
        assert reader.lookup(tables.source, ("name", "held"), "id", [number, 1]) == [("adt", 0)]


def test_leases_rung_marks_and_feed_counters_need_no_audit(store: Store) -> None:
    """Law 2's exemptions are by table and column name."""
    number = add_source(store, "adt")
    with store.begin("test") as unit:
        unit.run(COUNTED, (number, 77))
        unit.run(RING, (78,))
        unit.update(tables.source, ("id",), ("last_received",), [(79, number)])
        unit.commit()
    with store.read() as reader:
        assert reader.lookup(tables.source, ("last_received",), "id", [number]) == [(79,)]


def test_nothing_else_can_be_declared_exempt() -> None:
    """The flag states an intent; the list of names decides."""
    with pytest.raises(StoreError, match="not exempt"):
        Statement("quiet", sa.update(tables.consent).values(permit=1), exempt=True)
    with pytest.raises(StoreError, match="not exempt"):
        Statement("quiet", sa.update(tables.request).values(ring_at=1, state="active"), exempt=True)
    with pytest.raises(StoreError, match="not exempt"):
        Statement("quiet", sa.delete(tables.audit), exempt=True)


def test_without_commit_nothing_happened(store: Store) -> None:
    """Leaving the block undoes, with and without an exception."""
    with store.begin("test") as unit:
        unit.insert(tables.source, ("id", "name"), [(1, "siu")])
        unit.audit([("x",)])
    with pytest.raises(ZeroDivisionError), store.begin("test") as unit:
        unit.insert(tables.source, ("id", "name"), [(1, "siu")])
        unit.audit([("x",)])
        raise ZeroDivisionError
    assert sources(store) == 0


def test_a_taken_key_is_a_conflict_and_names_no_value(store: Store) -> None:
    """It is retryable, and the text is safe to log."""
    add_source(store, "canary-name")
    with pytest.raises(Conflict) as caught, store.begin("test") as unit:
        unit.insert(tables.source, ("id", "name"), [(unit.new_id(), "canary-name")])
        unit.audit([("x",)])
        unit.commit()
    assert "source" in str(caught.value)
    assert "canary" not in str(caught.value)
    assert sources(store) == 1


def test_insert_missing_skips_what_exists(store: Store) -> None:
    """Also within one batch."""
    add_source(store, "adt")
    with store.begin("test") as unit:
        unit.insert_missing(tables.source, ("id", "name"), [(unit.new_id(), name) for name in ("adt", "siu", "siu")])
        unit.audit([("x",)])
        unit.commit()
    assert sources(store) == 2


@pytest.mark.parametrize("count", [1, 31, 32, 33, 70])
def test_a_bulk_of_any_size_is_inserted_whole(store: Store, count: int) -> None:
    """However many rows one statement takes: each is there once, and what exists is skipped wherever it stands."""
    names = [f"s{at}" for at in range(count)]
    add_source(store, names[-1])
    with store.begin("test") as unit:
        unit.insert_missing(tables.source, ("id", "name"), [(unit.new_id(), name) for name in names])
        unit.insert(tables.source, ("id", "name", "held"), [(unit.new_id(), f"more {name}", 1) for name in names])
        unit.audit([("x",)])
        unit.commit()
    with store.read() as reader:
        found = reader.lookup(tables.source, ("name", "held"), "name", [*names, *(f"more {name}" for name in names)])
    assert sorted(found) == sorted([*((name, 0) for name in names), *((f"more {name}", 1) for name in names)])


def test_one_taken_key_of_a_bulk_is_a_conflict(store: Store) -> None:
    """None of the others is inserted."""
    add_source(store, "s40")
    with pytest.raises(Conflict) as caught, store.begin("test") as unit:
        unit.insert(tables.source, ("id", "name"), [(unit.new_id(), f"s{at}") for at in range(70)])
        unit.audit([("x",)])
        unit.commit()
    assert "s40" not in str(caught.value)
    assert sources(store) == 1


def test_a_wrong_type_is_refused_without_quoting_it(store: Store) -> None:
    """STRICT tables on SQLite, typed columns on PostgreSQL."""
    with pytest.raises((StoreError, AttributeError)) as caught, store.begin("test") as unit:
        unit.run(HOLD, ("canary-name", 1))
        unit.insert(tables.lease, ("name", "holder", "until", "fence"), [("x", "y", "canary-name", 1)])
        unit.commit()
    assert "canary" not in str(caught.value)


def test_update_touches_rows_by_their_whole_key(store: Store) -> None:
    """New values first, then the key; returns how many rows fitted."""
    one, two = add_source(store, "adt"), add_source(store, "siu")
    with store.begin("test") as unit:
        touched = unit.update(
            tables.source,
            ("id", "held"),
            ("held", "last_received"),
            [(1, None, one, 0), (1, 9, two, 0), (1, 9, two, 5)],
        )
        unit.audit([("x",)])
        unit.commit()
    assert touched == 2
    with store.read() as reader:
        rows = reader.lookup(tables.source, ("name", "held", "last_received"), "id", [one, two])
    assert sorted(rows) == [("adt", 1, None), ("siu", 1, 9)]


@pytest.mark.parametrize("count", [1, 15, 16, 17, 40])
def test_a_lookup_of_any_size_finds_each_row_once(store: Store, count: int) -> None:
    """Whatever the chunking, values given twice included; locking changes nothing in what is found."""
    with store.begin("test") as unit:
        unit.insert(tables.source, ("id", "name"), [(at, f"s{at}") for at in range(1, 41)])
        unit.audit([("x",)])
        unit.commit()
    with store.begin("test") as unit:
        wanted = [*range(1, count + 1), 1, 99]
        rows = unit.lookup(tables.source, ("id", "name"), "id", wanted, lock=True)
    assert sorted(rows) == [(at, f"s{at}") for at in range(1, count + 1)]


def test_an_empty_batch_is_nothing_at_all(store: Store) -> None:
    """No statement, no audit needed."""
    with store.begin("test") as unit:
        unit.insert(tables.source, ("id", "name"), [])
        assert unit.update(tables.source, ("id",), ("held",), []) == 0
        assert unit.lookup(tables.source, ("id",), "id", []) == []
        unit.commit()


def test_units_do_not_nest_and_a_finished_one_is_over(store: Store) -> None:
    """A statement outside its transaction would commit by itself, unaudited."""
    with store.begin("test") as unit:
        with pytest.raises(StoreError, match="nest"), store.begin("test"):
            pass
        unit.commit()
        with pytest.raises(StoreError, match="over"):
            unit.run(COUNTED, (1, 2))
        with pytest.raises(StoreError, match="over"):
            unit.commit()
    with pytest.raises(StoreError, match="over"):
        unit.lookup(tables.source, ("id",), "id", [1])
    assert sources(store) == 0


def test_a_reader_sees_one_snapshot(store: Store) -> None:
    """What is committed meanwhile, even by its own thread, does not change what it reads."""
    with store.read() as reader:
        assert reader.lookup(tables.source, ("id",), "name", ["adt"]) == []
        add_source(store, "adt")
        assert reader.lookup(tables.source, ("id",), "name", ["adt"]) == []
    assert sources(store) == 1


def test_the_clock_is_read_once(store: Store, clock: SetClock) -> None:
    """Law 4: all of a unit happened at one instant."""
    with store.begin("test") as unit:
        before = unit.now
        clock.set(before + 5_000)
        assert unit.now == before


def test_two_threads_write_without_losing_anything(store: Store) -> None:
    """One writer at a time on SQLite, row locks on PostgreSQL; every unit commits."""
    number = add_source(store, "adt")
    failures: list[BaseException] = []

    def count() -> None:
        try:
            for _ in range(20):
                with store.begin("test") as unit:
                    ((seen,),) = unit.lookup(tables.source, ("held",), "id", [number], lock=True)
                    unit.run(HOLD, (seen + 1, number))
                    unit.audit([("x",)])
                    unit.commit()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with store.read() as reader:
        assert reader.lookup(tables.source, ("held",), "id", [number]) == [(80,)]


def test_statements_with_constants_lists_and_nulls_run_on_both(store: Store) -> None:
    """What a construct holds by itself is bound by us, in the driver's order."""
    one, two = add_source(store, "adt"), add_source(store, "siu")
    source = tables.source
    change = Statement(
        "change",
        sa.update(source)
        .where(source.c.id == sa.bindparam("which"), source.c.name.in_(["adt", "siu"]), source.c.held == 0)
        .values(last_received=None, held=sa.bindparam("held")),
        ("which", "held"),
    )
    query = Statement(
        "query",
        sa.select(source.c.id)
        .where(source.c.name.in_(["adt", "siu"]), source.c.held >= sa.bindparam("least"))
        .order_by(source.c.id)
        .limit(sa.bindparam("n"))
        .with_for_update(skip_locked=True),
        ("least", "n"),
    )
    with store.begin("test") as unit:
        assert unit.run(change, (one, 1)) == 1
        unit.audit([("x",)])
        unit.commit()
    with store.begin("test") as unit:
        assert unit.all(query, (0, 5)) == [(one,), (two,)]
        assert unit.all(query, (1, 5)) == [(one,)]
        assert unit.one(query, (2, 5)) is None


def test_a_statement_whose_parameters_do_not_fit_is_refused() -> None:
    """At the first use, by name."""
    source = tables.source
    missing = Statement("missing", sa.select(source.c.id).where(source.c.name == sa.bindparam("name")), ())
    extra = Statement("extra", sa.select(source.c.id).where(source.c.name == sa.bindparam("name")), ("name", "held"))
    for statement in (missing, extra):
        with pytest.raises(StoreError, match=statement.name):
            statement.on("sqlite")
