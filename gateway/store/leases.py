"""A named lease has one holder at a time; its fencing number tells a late holder from the present one.

Polls, exports and sealing hold one. Leases are exempt from law 2 by name.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from gateway.model.when import Millis
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import UnitOfWork

_lease = tables.lease
_COLUMNS = ("name", "holder", "until", "fence")

_TAKE = Statement(
    "lease_take",
    sa.update(_lease)
    .where(_lease.c.name == sa.bindparam("which"), _lease.c.until <= sa.bindparam("now"))
    .values(holder=sa.bindparam("holder"), until=sa.bindparam("end"), fence=_lease.c.fence + 1),
    ("which", "now", "holder", "end"),
    exempt=True,
)
_RENEW = Statement(
    "lease_renew",
    sa.update(_lease)
    .where(_lease.c.name == sa.bindparam("which"), _lease.c.fence == sa.bindparam("mine"))
    .values(until=sa.bindparam("end")),
    ("which", "mine", "end"),
    exempt=True,
)
_FENCE = Statement("lease_fence", sa.select(_lease.c.fence).where(_lease.c.name == sa.bindparam("which")), ("which",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease that is held. `fence` is higher than that of every earlier holder; `until` is ms UTC."""

    name: str
    fence: int
    until: Millis


def take(unit: UnitOfWork, name: str, *, holder: str, span: Millis) -> Lease | None:
    """Take a free or expired lease for `span` ms; None while somebody holds it (also when that is `holder`).

    Compare-and-swap inside the caller's unit: it holds from the unit's commit on.
    """
    unit.insert_missing(_lease, _COLUMNS, [(name, "", 0, 0)])
    until = unit.now + span
    if unit.run(_TAKE, (name, unit.now, holder, until)) != 1:
        return None
    row = unit.one(_FENCE, (name,))
    assert row is not None, "it was just updated"
    return Lease(name=name, fence=int(row[0]), until=until)


def renew(unit: UnitOfWork, lease: Lease, *, span: Millis) -> Lease | None:
    """Hold it for `span` ms from now; None: somebody else has taken it since."""
    until = unit.now + span
    if unit.run(_RENEW, (lease.name, lease.fence, until)) != 1:
        return None
    return Lease(name=lease.name, fence=lease.fence, until=until)


def release(unit: UnitOfWork, lease: Lease) -> bool:
    """Let go of it; False: somebody else has it already. The fencing number stays."""
    return unit.run(_RENEW, (lease.name, lease.fence, 0)) == 1
