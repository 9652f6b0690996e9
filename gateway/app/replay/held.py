"""What waits for a person in a replay ends when its sense does, as the dispatcher ends it: nobody is there to lift it."""

from __future__ import annotations

from sqlalchemy import func, select, text

from gateway.model.when import Millis
from gateway.pipeline.dispatch import sweep_outlived
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from gateway.store.uow import Reader

_HELD = "state = 'on-hold'"
INDEXES = tuple(f"CREATE INDEX held_{one} ON request ({one}) WHERE {_HELD}" for one in ("expires", "due"))
"""Of the scratch database alone: here every end is looked for, not once a minute what has ended."""

_request = tables.request.c
_EXPIRES, _DUE = (
    Statement(f"replay.held-{column.name}", select(func.min(column)).where(text(_HELD)))
    for column in (_request.expires, _request.due)
)


def next_end(unit: Reader, hold_expires: Millis) -> Millis | None:
    """When the first of what is held ends, unless somebody lifts it; None: nothing is held."""
    ((expires,),), ((due,),) = unit.all(_EXPIRES), unit.all(_DUE)
    ends = (expires, None if due is None else due + hold_expires)
    return min((one for one in ends if one is not None), default=None)


def end_outlived(scratch: Store, hold_expires: Millis) -> None:
    """Withdraw what has outlived its sense by now."""
    while sweep_outlived(scratch, hold_expires):
        pass
