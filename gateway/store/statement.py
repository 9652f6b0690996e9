"""Query texts come from SQLAlchemy Core and are compiled once per dialect; the hot path only hands tuples to a driver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import ARRAY, psycopg
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql import ClauseElement, visitors

from gateway.model.errors import StoreError

DialectName = Literal["sqlite", "postgresql"]
Row = tuple[Any, ...]
Rows = sa.Table | sa.Join
"""What is looked up: a table, or a join (its columns are named <table>_<column>)."""

EXEMPT_TABLES = frozenset(
    {
        "lease",
        "block",
        "checkpoint",
        "feed_slot",
        "feed_count",
        "feed_mark",
        "feed_queue",
        "pace",
        "campaign_hour",
        "said_once",
    }
)
"""Leases, sealing, feed counters, the pace of providers and of campaigns, and repeated writes: exempt from law 2 by name.

None of them decides about a person, and an audit row each would be longer than they are: a place with a provider is taken once a
message, whose clearance is audited; what an API write did is audited by the write itself.
"""

EXEMPT_COLUMNS = {
    "source": frozenset({"last_received", "first_received", "watched", "resumed"}),
    "request": frozenset({"ring_at", "lease_until", "fence"}),
    "communication": frozenset({"silent_at"}),
    "fetch": frozenset({"tries", "next_at", "lease_until", "fence"}),
    "writeback": frozenset({"tries", "next_at"}),
    "staff_session": frozenset({"seen"}),
    "campaign": frozenset({"planned", "sent", "begun", "asked"}),
    "sink": frozenset({"tries", "next_at", "failed", "failing_since", "said"}),
}
"""Feed counters, what a campaign met and sent and whom it asked again, rung marks, leases of sends and fetches, until when something must be heard, and when a session was seen last: the only columns of audited tables that may change unaudited."""


def by_itself(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """A column as no index has it: a row is looked up by its key, and only then is this asked of it.

    PostgreSQL keeps plans that it made while tables were empty, and then takes any index for as good as another: the
    lease of one request would read through all that are active.
    """
    return sa.func.coalesce(column, "")


@cache
def _dialect(name: DialectName) -> Dialect:
    if name == "sqlite":
        return sqlite.dialect(paramstyle="qmark")
    return psycopg.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


def is_exempt(table: str, columns: frozenset[str]) -> bool:
    """Whether changing these columns of this table needs no audit row (law 2)."""
    return table in EXEMPT_TABLES or columns <= EXEMPT_COLUMNS.get(table, frozenset())


@dataclass(frozen=True, slots=True)
class Compiled:
    """A driver's text, and how the caller's tuple becomes the driver's (`arrange` is None: as it is)."""

    text: str
    arrange: Callable[[Row], Row] | None


class Statement:
    """One named query; `params` names the constructs' bind parameters in the order of the caller's tuple.

    `writes` is the table it changes (None: it reads), `audited` whether law 2 asks for an audit row.
    `exempt=True` states the intent to do without one and is refused (StoreError) for anything but the
    tables and columns that are exempt by name.
    """

    __slots__ = ("_compiled", "audited", "construct", "name", "params", "writes")

    def __init__(
        self, name: str, construct: sa.Executable, params: Sequence[str] = (), *, exempt: bool = False
    ) -> None:
        self.name = name
        self.construct = construct
        self.params = tuple(params)
        self._compiled: dict[str, Compiled] = {}
        self.writes, columns = _target(construct)
        self.audited = self.writes is not None and not exempt and self.writes not in EXEMPT_TABLES
        if exempt and self.writes and not is_exempt(self.writes, columns):
            raise StoreError(f"statement {name} changes what is not exempt from auditing")

    def __repr__(self) -> str:
        return f"Statement({self.name})"

    def on(self, dialect: DialectName) -> Compiled:
        """The driver's text for a dialect, compiled at the first call. StoreError: params do not fit."""
        found = self._compiled.get(dialect)
        if found is None:
            found = self._compiled[dialect] = _compile(self, dialect)
        return found


def _target(construct: sa.Executable) -> tuple[str | None, frozenset[str]]:
    """The table a construct changes and the columns it sets; an insert or delete touches all of them."""
    if not isinstance(construct, sa.Insert | sa.Update | sa.Delete):
        return None, frozenset()
    table: Any = construct.table
    values = getattr(construct, "_values", None)
    if isinstance(construct, sa.Update) and values:
        return str(table.name), frozenset(str(getattr(column, "name", column)) for column in values)
    return str(table.name), frozenset(str(column.name) for column in table.c)


def _not_required(parameter: Any) -> None:
    parameter.required = False  # values come with the tuple, not at compile time


def _compile(statement: Statement, dialect: DialectName) -> Compiled:
    construct = statement.construct
    assert isinstance(construct, ClauseElement)
    visitors.traverse(construct, {}, {"bindparam": _not_required})
    compiled: Any = construct.compile(dialect=_dialect(dialect), compile_kwargs={"render_postcompile": True})
    return Compiled(str(compiled), _arrangement(statement, compiled))


def _arrangement(statement: Statement, compiled: Any) -> Callable[[Row], Row] | None:
    order: list[str] = list(compiled.positiontup or ())
    if tuple(order) == statement.params:
        return None
    values: dict[str, Any] = compiled.construct_params()
    constants = [name for name in dict.fromkeys(order) if name not in statement.params]
    nobody_gave = [name for name in constants if values[name] is None and not _is_constant(compiled, name)]
    if nobody_gave or not set(statement.params) <= set(order):
        raise StoreError(f"statement {statement.name}: its parameters are not the ones it names")
    fixed = tuple(values[name] for name in constants)
    place = {name: at for at, name in enumerate((*statement.params, *constants))}
    return _picker([place[name] for name in order], fixed)


def _is_constant(compiled: Any, name: str) -> bool:
    """Whether a parameter is the construct's own (a stated None), not a named one that nobody gave."""
    return name not in compiled.binds or bool(compiled.binds[name].unique)


def _picker(indexes: Sequence[int], fixed: Row) -> Callable[[Row], Row]:
    if len(indexes) == 1:
        only = indexes[0]
        return lambda params: ((params + fixed)[only],)
    if not indexes:
        return lambda _: ()
    pick = itemgetter(*indexes)
    return lambda params: pick(params + fixed)


# -- the few shapes the unit of work is made of; tables are few, so every shape stays cached


def _lexical(table: sa.Table, columns: tuple[str, ...]) -> sa.TableClause:
    """The table with just these columns in just this order, so that rows need no rearranging."""
    return sa.table(table.name, *(sa.column(name, table.c[name].type) for name in columns))


def _unnested(table: sa.Table, names: Sequence[tuple[str, str]]) -> Any:
    """PostgreSQL: unnest($1::bigint[], …) AS v(…); `names` are (alias, column whose type it has)."""
    arrays = (sa.cast(sa.bindparam(alias), ARRAY(table.c[name].type)) for alias, name in names)
    columns = (sa.column(alias, table.c[name].type) for alias, name in names)
    return sa.func.unnest(*arrays).table_valued(*columns).render_derived(name="v")


@cache
def insert_text(
    dialect: DialectName, table: sa.Table, columns: tuple[str, ...], *, missing: bool = False, height: int = 1
) -> str:
    """INSERT of rows (SQLite: `height` rows a call; PostgreSQL: one packed array a column); `missing`: skip what exists."""
    target = _lexical(table, columns)
    construct: Any
    if dialect == "sqlite":
        values: list[dict[str, Any]] = [
            {name: sa.bindparam(f"{name}_{at}") for name in columns} for at in range(height)
        ]
        construct = sqlite_insert(target).values(values)
    else:
        rows = _unnested(table, [(name, name) for name in columns])
        construct = postgresql_insert(target).from_select(list(columns), sa.select(rows))
    if missing:
        construct = construct.on_conflict_do_nothing()
    return str(construct.compile(dialect=_dialect(dialect)))


@cache
def update_text(dialect: DialectName, table: sa.Table, key: tuple[str, ...], columns: tuple[str, ...]) -> str:
    """UPDATE by key; parameters are the new values, then the key values."""
    names = [(f"v{at}", name) for at, name in enumerate(columns)] + [(f"k{at}", name) for at, name in enumerate(key)]
    rows = _unnested(table, names).c if dialect == "postgresql" else None
    given = {
        alias: sa.bindparam(alias, type_=table.c[name].type) if rows is None else rows[alias] for alias, name in names
    }
    update = sa.update(table).ordered_values(*((table.c[name], given[alias]) for alias, name in names[: len(columns)]))
    for alias, name in names[len(columns) :]:
        update = update.where(table.c[name] == given[alias])
    return str(update.compile(dialect=_dialect(dialect)))


@cache
def delete_text(dialect: DialectName, table: sa.Table, key: str) -> str:
    """DELETE by one key column (SQLite: one value a call; PostgreSQL: = ANY($1))."""
    column, value = table.c[key], sa.bindparam("value", type_=table.c[key].type)
    wanted = value if dialect == "sqlite" else sa.any_(sa.cast(sa.bindparam("values"), ARRAY(column.type)))
    return str(sa.delete(table).where(column == wanted).compile(dialect=_dialect(dialect)))


TOGETHER = 32
"""SQLite: rows inserted by one statement, which opens each index once for all of them; the rest of a bulk goes row by row."""
CHUNK = 64
"""SQLite: the most keys looked up by one statement; fewer are filled up to the next power of two, few texts for all."""


@cache
def lookup_text(
    dialect: DialectName, table: Rows, columns: tuple[str, ...], key: str, *, lock: bool = False, width: int = 1
) -> str:
    """SELECT by one key column (SQLite: IN of `width` values; PostgreSQL: = ANY($1)).

    `lock` locks the rows of the first column's table, in the order of the key; of a join, in that of the first column.
    """
    column = table.c[key]
    select = sa.select(*(table.c[name] for name in columns)).select_from(table)
    if dialect == "sqlite":
        values = [sa.bindparam(f"value_{at}", type_=column.type) for at in range(width)]
        select = select.where(column == values[0] if width == 1 else column.in_(values))
    else:
        select = select.where(column == sa.any_(sa.cast(sa.bindparam("values"), ARRAY(column.type))))
        if lock:
            first = column if isinstance(table, sa.Table) else table.c[columns[0]]
            select = select.order_by(first).with_for_update(of=None if isinstance(table, sa.Table) else first)
    return str(select.compile(dialect=_dialect(dialect)))
