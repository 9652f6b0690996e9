"""The table that outcomes go to, and the statements about it: made from this one list, with question marks for every value (SN-38)."""

from __future__ import annotations

from connectors.sinks.events import facts_of
from connectors.snowflake.names import Name, quoted
from gateway.model.outcome import SinkRow
from gateway.model.when import to_datetime

COLUMNS = (
    ("ID", "VARCHAR(64) NOT NULL", "the same whenever it is told"),
    ("KIND", "VARCHAR(16) NOT NULL", "planned, held, withheld, withdrawn, sent, delivered, bounced, …"),
    ("AT_UTC", "TIMESTAMP_NTZ(3) NOT NULL", "when it became so, UTC"),
    ("PATIENT", "VARCHAR(32) NOT NULL", "a token that says nothing outside Caregate"),
    ("SOURCE", "VARCHAR(64) NOT NULL", "whose row or message led to it"),
    ("ROW_KEY", "VARCHAR", "that row's own key, where it has one"),
    ("RULE", "VARCHAR(128)", ""),
    ("VARIANT", "VARCHAR(128)", ""),
    ("STEP", "VARCHAR(64)", "the offset within the rule"),
    ("CHANNEL", "VARCHAR(16)", "email, sms, portal; * for all"),
    ("TOPIC", "VARCHAR(128)", "of the message, or of what somebody said; * for all"),
    ("REASON", "VARCHAR(64)", "why it waits, or did not leave"),
)
EVENTS = (
    ("EVENT", "VARCHAR(64)", "what happened, where KIND is event"),
    ("OCCURRENCE", "VARCHAR(32)", "what it is about, by a number that says nothing outside Caregate"),
    ("FACTS", "VARCHAR", "those named for this sink, a JSON object"),
)
"""Only written where a batch tells of events or facts: a table made before there were any serves all others."""


def _names(*, wide: bool) -> list[str]:
    return [quoted(name) for name, _, _ in (*COLUMNS, *(EVENTS if wide else ()))]


def staging(table: Name) -> Name:
    """Where a batch lies between its insert and its merge, told from others by its name."""
    return Name((*table.parts[:-1], f"{table.parts[-1]}_STAGING"))


def ddl(table: Name, role: str) -> str:
    """What the owner of the schema runs once; our role needs no more than it grants."""
    columns = ",\n".join(f"  {quoted(name)} {kind}{_comment(words)}" for name, kind, words in COLUMNS + EVENTS)
    schema, who = Name(table.parts[:-1]), quoted(role)
    return (
        f"CREATE TABLE IF NOT EXISTS {table.sql} (\n{columns},\n  PRIMARY KEY ({quoted('ID')})\n);\n"
        f"CREATE TRANSIENT TABLE IF NOT EXISTS {staging(table).sql} (\n  {quoted('BATCH')} VARCHAR(64) NOT NULL,\n{columns}\n);\n"
        f"GRANT USAGE ON DATABASE {quoted(table.parts[0])} TO ROLE {who};\n"
        f"GRANT USAGE ON SCHEMA {schema.sql} TO ROLE {who};\n"
        f"GRANT SELECT, INSERT ON TABLE {table.sql} TO ROLE {who};\n"
        f"GRANT SELECT, INSERT, DELETE ON TABLE {staging(table).sql} TO ROLE {who};\n"
    )


def insert(table: Name, *, wide: bool = False) -> str:
    """One row into the staging table; it binds the batch, then `values`."""
    names = [quoted("BATCH"), *_names(wide=wide)]
    marks = ", ".join("?" for _ in names)
    return f"INSERT INTO {staging(table).sql} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - names only


def merge(table: Name, *, wide: bool = False) -> str:
    """A batch, once by id, in one statement: all of it or nothing; what is there already stays as it was told first. Binds the batch."""
    every = _names(wide=wide)
    names, given = ", ".join(every), ", ".join(f"s.{name}" for name in every)
    return (
        f"MERGE INTO {table.sql} AS t USING "  # noqa: S608 - names only
        f"(SELECT {names} FROM {staging(table).sql} WHERE {quoted('BATCH')} = ?) AS s ON t.{quoted('ID')} = s.{quoted('ID')} "
        f"WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({given})"
    )


def clear(table: Name) -> str:
    """A batch that was merged, and any of long ago that a dead process left. Binds the batch, and a name between old and new."""
    return f"DELETE FROM {staging(table).sql} WHERE {quoted('BATCH')} = ? OR {quoted('BATCH')} < ?"  # noqa: S608 - names only


def values(row: SinkRow, *, wide: bool = False) -> tuple[str | None, ...]:
    """A row in the order of COLUMNS, where it is wide of EVENTS too, every value as text; what is empty is NULL."""
    at = to_datetime(row.at).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    told = (row.id, row.kind.value, at, row.patient, row.source, row.row_key)
    more = (row.rule, row.variant, row.step, row.channel, row.topic, row.reason)
    events = (row.event, row.occurrence, facts_of(row)) if wide else ()
    return tuple(one or None for one in (*told, *more, *events))


def _comment(words: str) -> str:
    return f" COMMENT '{words.replace(chr(39), chr(39) * 2)}'" if words else ""
