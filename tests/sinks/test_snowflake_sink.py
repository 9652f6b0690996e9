"""Outcomes in a table at Snowflake: once by id, whole batches, and nothing left in between (the real connector, fakesnow's server)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from connectors.sinks.snowflake import SnowflakeSink, layout
from connectors.snowflake.names import name_of
from gateway.model.errors import ConfigError, Refused, Unavailable
from gateway.model.outcome import OutcomeKind, SinkRow
from gateway.ports import SystemClock

Ask = Callable[[str], list[tuple[Any, ...]]]
TABLE = "SITE.CAREGATE.OUTCOMES"
SENT = SinkRow(
    id="7-sent", kind=OutcomeKind.SENT, at=1_772_460_000_123, patient="42", source="cdp", rule="news", channel="email",
    topic="wellness", row_key="it's \"Ann's\" ?; DROP TABLE",
)  # fmt: skip


def many(count: int) -> list[SinkRow]:
    """Different ones."""
    return [replace(SENT, id=f"{one}-sent") for one in range(count)]


def test_rows_arrive_as_they_were_told(sink: SnowflakeSink, ask: Ask) -> None:
    """SN-38, SN-39: values are bound, times are UTC, what is empty is NULL."""
    sink.write([SENT])
    ((id_, at, key, reason),) = ask(f"SELECT ID, AT_UTC, ROW_KEY, REASON FROM {TABLE}")
    assert (id_, at.isoformat(), key, reason) == ("7-sent", "2026-03-02T14:00:00.123000", SENT.row_key, None)


def test_events_and_facts_have_columns_which_nothing_else_needs(sink: SnowflakeSink, ask: Ask) -> None:
    """A table that was made before there were events serves until they are listed."""
    booked = {
        "kind": OutcomeKind.EVENT,
        "event": "appointment.booked",
        "occurrence": "5",
        "facts": {"offer.product": "x"},
    }
    sink.write([SENT, replace(SENT, id="8-1", **booked)])  # type: ignore[arg-type]
    found = ask(f"SELECT ID, EVENT, OCCURRENCE, FACTS FROM {TABLE} ORDER BY ID")
    assert found == [("7-sent", None, None, None), ("8-1", "appointment.booked", "5", '{"offer.product":"x"}')]
    for name in (TABLE, f"{TABLE}_STAGING"):
        ask(f"ALTER TABLE {name} DROP COLUMN FACTS")
    sink.write([replace(SENT, id="9-sent")])
    assert ask(f"SELECT COUNT(*) FROM {TABLE}") == [(3,)]


def test_what_is_told_twice_is_there_once_and_as_it_was_told_first(sink: SnowflakeSink, ask: Ask) -> None:
    """SN-39: idempotent by id, also where the second batch goes further and the row's key is forgotten by then."""
    sink.write(many(3))
    sink.write([replace(one, row_key="") for one in many(5)])
    assert ask(f"SELECT COUNT(*), COUNT(DISTINCT ID), COUNT(ROW_KEY) FROM {TABLE}") == [(5, 5, 3)]
    assert ask(f"SELECT COUNT(*) FROM {TABLE}_STAGING") == [(0,)]


def test_what_a_dead_process_left_in_between_is_no_row(sink: SnowflakeSink, ask: Ask) -> None:
    """It is never merged, and is swept away a day later; what another process stages at this moment is left alone."""
    columns = f"{TABLE}_STAGING (BATCH, ID, KIND, AT_UTC, PATIENT, SOURCE)"
    ask(f"INSERT INTO {columns} VALUES ('001700000000000-a', 'x', 'sent', '2026-01-01', '1', 'cdp')")
    ask(f"INSERT INTO {columns} VALUES ('009700000000000-b', 'y', 'sent', '2026-01-01', '1', 'cdp')")
    sink.write([SENT])
    assert ask(f"SELECT ID FROM {TABLE}") == [("7-sent",)]
    assert ask(f"SELECT ID FROM {TABLE}_STAGING") == [("y",)]


def test_a_batch_as_large_as_they_come(sink: SnowflakeSink, ask: Ask) -> None:
    """One statement for all of its rows, not one each."""
    sink.write(many(2_000))
    assert ask(f"SELECT COUNT(*) FROM {TABLE}") == [(2_000,)]


def test_a_table_that_is_not_there_waits_for_a_person(sink: SnowflakeSink, ask: Ask) -> None:
    """Refused, in words of ours, and taken once it is there again."""
    ask(f"DROP TABLE {TABLE}")
    with pytest.raises(Refused) as caught:
        sink.write([SENT])
    assert "DROP TABLE" not in str(caught.value)
    assert SENT.row_key not in str(caught.value)
    ask(sink.ddl().split(";\n")[0])
    sink.write([SENT])
    assert ask(f"SELECT COUNT(*) FROM {TABLE}") == [(1,)]


def test_a_warehouse_that_cannot_be_reached_is_told_later(emulator: dict[str, Any]) -> None:
    """Nothing listens there."""
    away = SnowflakeSink("back", {**emulator, "port": 1, "login_timeout": 1}, SystemClock())
    with pytest.raises(Unavailable):
        away.write([SENT])


def test_the_statements_that_make_it_grant_no_more_than_it_needs(sink: SnowflakeSink) -> None:
    """SN-01's other side: our own schema, and there neither update of what was told nor anything that makes or drops."""
    granted = [line for line in sink.ddl().splitlines() if line.startswith("GRANT")]
    assert 'GRANT SELECT, INSERT ON TABLE "SITE"."CAREGATE"."OUTCOMES" TO ROLE "CAREGATE";' in granted
    assert not any(word in line for line in granted for word in ("UPDATE", "ALL", "OWNERSHIP", "CREATE"))


@pytest.mark.parametrize(
    "wrong", [{"table": "OUTCOMES"}, {"private_key": "no key"}, {"host": "far", "protocol": "http"}]
)
def test_wrong_options_are_named_and_never_quoted(emulator: dict[str, Any], wrong: dict[str, str]) -> None:
    """ConfigError."""
    with pytest.raises(ConfigError) as caught:
        SnowflakeSink("back", {**emulator, **wrong}, SystemClock())
    assert "no key" not in str(caught.value)


def test_names_are_quoted_and_values_are_marks() -> None:
    """SN-38."""
    table = name_of('SITE.CAREGATE."out""comes"', parts=3)
    assert '"out""comes_STAGING"' in layout.insert(table)
    assert layout.insert(table).count("?") == 1 + len(layout.COLUMNS) == 1 + len(layout.values(SENT))
