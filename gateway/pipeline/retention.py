"""Forgets on time: messages and replies after the replay window, facts after their occurrence, bodies after theirs; each audited.

Of a message its audit row stays, under the same id: `trace`, requests and occurrences name it by that. Its row in `raw`
is what recognises a repetition (D-01: at least 30 days) and finds the sealed bytes; after both it is of no use. What a
person has not decided yet stays (an open quarantine entry), and so does a part whose message is not whole yet.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from sqlalchemy import Table, and_, bindparam, exists, func, not_, or_, select, tuple_

from gateway.model.audit import Action
from gateway.model.event import OccurrenceKind
from gateway.model.request import CommunicationStatus
from gateway.model.when import DAY, Millis
from gateway.pipeline import fetching
from gateway.pipeline.packing import pack
from gateway.pipeline.rows import OccurrenceRow, PatientRow
from gateway.store import tables
from gateway.store.datakeys import open_keys
from gateway.store.engine import Store
from gateway.store.keyring import seal
from gateway.store.statement import Statement
from gateway.store.uow import UnitOfWork

DUPLICATES: Millis = 30 * DAY
"""How long a repetition is recognised at least (D-01)."""
_BATCH = 500
_FEW = 200  # messages forgotten at once: on SQLite nobody is received meanwhile (5 ms)
_OPEN = ("booked", "pending", "in-progress", "planned", "active")
_c, _o, _r, _w = tables.communication.c, tables.occurrence.c, tables.request.c, tables.raw.c
_i = tables.inbound.c
_undecided = select(tables.quarantine.c.raw).where(
    tables.quarantine.c.raw == _w.id, tables.quarantine.c.state == "open"
)
_awaited = select(tables.fragment.c.raw).where(tables.fragment.c.raw == _w.id, tables.fragment.c.ended.is_(None))

MESSAGES = Statement(
    "raw.over",
    select(_w.received, _w.id)
    .where(
        _w.received >= bindparam("received"),  # where the index begins; SQLite does not see it in the tuple
        tuple_(_w.received, _w.id) > tuple_(bindparam("received"), bindparam("id")),
        _w.received < bindparam("before"),
        not_(exists(_undecided)),
        not_(exists(_awaited)),
    )
    .order_by(_w.received, _w.id)
    .limit(bindparam("limit")),
    params=("received", "id", "before", "limit"),
)

BODIES = Statement(
    "communication.bodies",
    select(_c.id)
    .where(
        _c.id > bindparam("after"),
        _c.sealed_body.is_not(None),
        _c.at < bindparam("before"),
        _c.status != CommunicationStatus.IN_PROGRESS.value,
    )
    .order_by(_c.id)
    .limit(bindparam("limit")),
    params=("after", "before", "limit"),
)
# Most appointments are never told to be over: their time having passed is enough. What a message still waits for (a
# recall next year) is used, and so it is kept (law 5).
ENDED = Statement(
    "occurrence.ended",
    select(_o.id)
    .where(
        _o.id > bindparam("after"),
        _o.version < bindparam("before"),
        _o.raw != 0,
        or_(
            _o.status.not_in(_OPEN),
            and_(_o.kind == OccurrenceKind.APPOINTMENT.value, _o.start_utc < bindparam("started")),
        ),
        ~exists().where(_r.occurrence == _o.id, _r.state.in_(("active", "on-hold"))),
    )
    .order_by(_o.id)
    .limit(bindparam("limit")),
    params=("after", "before", "started", "limit"),
)


LINKS = Statement(
    "link.over",
    select(tables.link.c.id)
    .where(tables.link.c.expires < bindparam("before"))
    .order_by(tables.link.c.expires)
    .limit(bindparam("limit")),
    params=("before", "limit"),
)


REPLIES = Statement(
    "inbound.over",
    select(_i.id)
    .where(_i.sealed.is_not(None), _i.received < bindparam("before"))
    .order_by(_i.received)
    .limit(bindparam("limit")),
    params=("before", "limit"),
)
_t = tables.writeback.c
WRITTEN_BACK = Statement(
    "writeback.over",
    select(_t.id)
    .where(_t.settled < bindparam("before"), _t.state.in_(("told", "moot", "dropped")))
    .order_by(_t.settled)
    .limit(bindparam("limit")),
    params=("before", "limit"),
)
_e = tables.table_extract
_newest = _e.alias("newest")
EXTRACTS = (
    Statement(  # but for the last that was finished, and the last snapshot: the next begin from them (SN-03, SN-11)
        "table_extract.over",
        select(_e.c.id)
        .where(
            _e.c.ended < bindparam("before"),
            exists().where(
                _newest.c.source == _e.c.source,
                _newest.c.id > _e.c.id,
                _newest.c.state == "finished",
                or_(_newest.c.mode == "snapshot", _e.c.mode == "changes"),
            ),
        )
        .order_by(_e.c.id)
        .limit(bindparam("limit")),
        params=("before", "limit"),
    )
)
SOURCES = Statement(  # of tables, and when each was read last
    "table_extract.sources",
    select(_e.c.source, func.max(func.coalesce(_e.c.ended, _e.c.started))).group_by(_e.c.source),
)
_g = tables.table_row.c
ROWS = Statement(
    "table_row.of",
    select(_g.key)
    .where(_g.source == bindparam("of_source"), _g.key > bindparam("after"))
    .order_by(_g.key)
    .limit(bindparam("limit")),
    params=("of_source", "after", "limit"),
)
SESSIONS = Statement(
    "staff_session.over",
    select(tables.staff_session.c.id)
    .where(tables.staff_session.c.started < bindparam("before"))
    .limit(bindparam("limit")),
    params=("before", "limit"),
)


def purge_replies(store: Store, keep: Millis, *, stopping: Callable[[], bool] = lambda: False) -> int:
    """Forget what people wrote back longer than `keep` millis ago, decided or not: the key of its day goes then. Returns how many.

    That they wrote, when, what it meant and what was decided stays.
    """

    def forget(uow: UnitOfWork, found: list[int]) -> int:
        return uow.update(tables.inbound, ("id",), ("sealed",), [(None, one) for one in found])

    return _while_any(store, REPLIES, store.clock.now() - keep, "reply", forget, stopping)


def purge_sessions(store: Store, *, stopping: Callable[[], bool] = lambda: False) -> int:
    """Delete sessions of staff that began a month ago; audit rows of them stay. Returns how many."""
    return _delete(store, SESSIONS, tables.staff_session, "session", stopping)


def purge_extracts(store: Store, *, stopping: Callable[[], bool] = lambda: False) -> int:
    """Delete extracts of tables that ended three months ago, once a later one that says as much stands; audit rows stay. Returns how many."""

    def forget(uow: UnitOfWork, found: list[int]) -> int:
        return uow.delete(tables.table_extract, "id", found)

    return _while_any(store, EXTRACTS, store.clock.now() - 3 * DUPLICATES, "extract", forget, stopping)


def purge_tables(store: Store, sources: Collection[int], *, stopping: Callable[[], bool] = lambda: False) -> int:
    """Delete what is known of the rows of tables that are none of `sources` (ids) any more, three months after they were read last.

    Audit rows stay. Returns how many rows.
    """
    before = store.clock.now() - 3 * DUPLICATES
    with store.read() as unit:
        over = [one for one, last in unit.all(SOURCES) if one not in sources and last < before]
    return sum(_forget_table(store, one, stopping) for one in over)


def _forget_table(store: Store, source: int, stopping: Callable[[], bool]) -> int:
    done, after = 0, b""
    while not stopping():
        with store.read() as unit:
            found = [bytes(key) for (key,) in unit.all(ROWS, (source, after, _BATCH))]
            extracts = unit.lookup(tables.table_extract, ("id",), "source", [source])
        with store.begin("retention") as uow:
            if found:
                done, after = done + uow.delete(tables.table_row, "key", found), found[-1]
            else:  # last, for they say when it was read
                uow.delete(tables.table_extract, "id", [one for (one,) in extracts])
            uow.audit([(Action.CONTENT_FORGOTTEN, "table row" if found else "table", len(found))])
            uow.commit()
        if not found:
            break
    return done


def purge_fetches(store: Store, *, stopping: Callable[[], bool] = lambda: False) -> int:
    """Delete what was fetched, or never will be, a month ago; audit rows of it stay. Returns how many."""
    return _delete(store, fetching.OVER, tables.fetch, "fetch", stopping)


def purge_writebacks(store: Store, *, stopping: Callable[[], bool] = lambda: False) -> int:
    """Delete what servers were told, and what they need not be told, a month after; audit rows of it stay. Returns how many."""
    return _delete(store, WRITTEN_BACK, tables.writeback, "writeback", stopping)


def purge_links(store: Store, *, stopping: Callable[[], bool] = lambda: False) -> int:
    """Delete links that expired a month ago, and the log-ins they led to; audit rows of them stay. Returns how many."""

    def forget(uow: UnitOfWork, found: list[int]) -> int:
        uow.delete(tables.login, "link", found)
        return uow.delete(tables.link, "id", found)

    return _while_any(store, LINKS, store.clock.now() - DUPLICATES, "link", forget, stopping)


def purge_messages(store: Store, keep: Millis, *, stopping: Callable[[], bool] = lambda: False) -> int:
    """Delete what is stored of messages received longer than `keep` millis ago, DUPLICATES at least. Returns how many.

    With them go their decided quarantine entries, and the list of what a joined message consists of. `stopping` is
    asked before each step; it may pause, so that those who receive get a turn.
    """
    before = store.clock.now() - max(keep, DUPLICATES)
    done, after = 0, (0, 0)
    while not stopping():
        with store.read() as unit:
            found = unit.all(MESSAGES, (*after, before, _FEW))
        if not found:
            break
        after = (found[-1][0], found[-1][1])
        with store.begin("retention") as uow:
            done += _forget_messages(uow, [identity for _, identity in found])
            uow.commit()
    return done


def _forget_messages(uow: UnitOfWork, found: list[int]) -> int:
    """Nothing undecided or awaited becomes old again, so that what was found without a lock is still to be forgotten."""
    for table in (tables.fragment, tables.quarantine):
        uow.delete(table, "raw", found)
    count = uow.delete(tables.raw, "id", found)
    uow.audit([(Action.CONTENT_FORGOTTEN, "message", count)])
    return count


def purge_bodies(store: Store, keep: Millis, *, stopping: Callable[[], bool] = lambda: False) -> int:
    """Forget the sealed text of what was sent longer than `keep` millis ago. Returns how many."""
    before = store.clock.now() - keep
    return _in_batches(store, BODIES, (before,), _forget_bodies, stopping)


def purge_facts(store: Store, keep: Millis, *, stopping: Callable[[], bool] = lambda: False) -> int:
    """Forget the facts of occurrences that are over and were not heard of for `keep` millis. Returns how many."""
    before = store.clock.now() - keep
    return _in_batches(store, ENDED, (before, before), partial(_forget_facts, before), stopping)


def _delete(store: Store, over: Statement, table: Table, what: str, stopping: Callable[[], bool]) -> int:
    """Delete rows that were over a month ago."""

    def forget(uow: UnitOfWork, found: list[int]) -> int:
        return uow.delete(table, "id", found)

    return _while_any(store, over, store.clock.now() - DUPLICATES, what, forget, stopping)


def _while_any(
    store: Store,
    statement: Statement,
    before: Millis,
    what: str,
    forget: Callable[[UnitOfWork, list[int]], int],
    stopping: Callable[[], bool],
) -> int:
    """Forget batch after batch of what an index finds, until it finds nothing more."""
    done = 0
    while not stopping():
        with store.read() as unit:
            found = [identity for (identity,) in unit.all(statement, (before, _BATCH))]
        if not found:
            break
        with store.begin("retention") as uow:
            done += forget(uow, found)
            uow.audit([(Action.CONTENT_FORGOTTEN, what, len(found))])
            uow.commit()
    return done


def _in_batches(
    store: Store,
    statement: Statement,
    params: tuple[Millis, ...],
    forget: Callable[[UnitOfWork, list[int]], int],
    stopping: Callable[[], bool],
) -> int:
    """Look through a whole table without the write lock, and take it only to change what was found."""
    done, after = 0, 0
    while not stopping():
        with store.read() as unit:
            found = [identity for (identity,) in unit.all(statement, (after, *params, _BATCH))]
        if not found:
            break
        after = found[-1]
        with store.begin("retention") as uow:
            if forgotten := forget(uow, found):
                uow.commit()
        done += forgotten
    return done


def _forget_bodies(uow: UnitOfWork, found: list[int]) -> int:
    """An attempt that was settled changes no more."""
    patients = {one for (one,) in uow.lookup(tables.communication, ("patient",), "id", found)}
    uow.update(tables.communication, ("id",), ("sealed_body",), [(None, identity) for identity in found])
    uow.audit([(Action.CONTENT_FORGOTTEN, "communication", len(found))], patients=sorted(patients))
    return len(found)


def _forget_facts(before: Millis, uow: UnitOfWork, found: list[int]) -> int:
    """The patients are locked first, as receive does; what was heard of meanwhile is kept."""
    owners = sorted({one for (one,) in uow.lookup(tables.occurrence, ("patient",), "id", found)})
    uow.lookup(tables.patient, ("token",), "token", owners, lock=True)
    rows = [OccurrenceRow(*one) for one in uow.lookup(tables.occurrence, OccurrenceRow.COLUMNS, "id", found)]
    rows = [row for row in rows if row.version < before and row.patient in owners]
    if rows:
        uow.update(tables.occurrence, ("id",), ("sealed_facts", "raw"), _emptied(uow, rows))
        patients = sorted({row.patient for row in rows})
        uow.audit([(Action.CONTENT_FORGOTTEN, "occurrence", len(rows))], patients=patients)
    return len(rows)


def _emptied(uow: UnitOfWork, rows: list[OccurrenceRow]) -> list[tuple[bytes, int, int]]:
    patients = [
        PatientRow(*one) for one in uow.lookup(tables.patient, PatientRow.COLUMNS, "token", [r.patient for r in rows])
    ]
    keys = open_keys(uow, [one.key for one in patients])
    plain = {one.token: keys[one.key] for one in patients}
    emptied = pack({})
    return [
        (seal(key, emptied, b"occurrence.sealed_facts:%d" % row.id) if key else b"", 0, row.id)
        for row in rows
        for key in (plain[row.patient],)
    ]
