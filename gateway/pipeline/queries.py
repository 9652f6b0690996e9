"""Statements of the outbox that are more than a look-up by key."""

from __future__ import annotations

from sqlalchemy import and_, bindparam, delete, null, or_, select, update

from gateway.store.statement import Statement, by_itself
from gateway.store.tables import communication, contact_point, identifier, occurrence, request, ruleset

ACTIVATION = ("id", "digest", "activated", "by", "how", "replaced", "author", "approver", "report", "evidence")

_r, _c, _o = request.c, communication.c, occurrence.c

DUE = Statement(
    "request.due",
    select(_r.id)
    .where(_r.state == "active", _r.priority == bindparam("lane"), _r.ring_at <= bindparam("now"))
    .order_by(_r.ring_at)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True),
    params=("lane", "now", "limit"),
)

PEEK = Statement(
    "request.peek",
    select(_r.id)
    .where(_r.state == "active", _r.priority == bindparam("lane"), _r.ring_at <= bindparam("now"))
    .order_by(_r.ring_at)
    .limit(bindparam("limit")),
    params=("lane", "now", "limit"),
)

# When something of a lane rings next.
NEXT = Statement(
    "request.next-ring",
    select(_r.ring_at)
    .where(_r.state == "active", _r.priority == bindparam("lane"))
    .order_by(_r.ring_at)
    .limit(bindparam("limit")),
    params=("lane", "limit"),
)

# Compare-and-swap: whoever raises the fence holds the request until lease_until.
LEASE = Statement(
    "request.lease",
    update(request)
    .where(
        _r.id == bindparam("which"),
        by_itself(_r.state) == "active",
        _r.fence == bindparam("seen"),
        or_(_r.lease_until.is_(None), _r.lease_until <= bindparam("now")),
    )
    .values(lease_until=bindparam("until"), fence=_r.fence + 1),
    params=("until", "which", "seen", "now"),
    exempt=True,
)

# Attempts whose actor is gone: nobody knows whether they left.
LOST = Statement(
    "communication.lost",
    select(communication.c.id, communication.c.request, _r.patient)
    .select_from(communication.join(request, _r.id == communication.c.request))
    .where(communication.c.status == "in-progress", or_(_r.lease_until.is_(None), _r.lease_until <= bindparam("now")))
    .limit(bindparam("limit")),
    params=("now", "limit"),
)

# What waits for a person does not wait beyond its own sense.
OUTLIVED = Statement(
    "request.outlived",
    select(_r.id, _r.patient)
    .where(_r.state == "on-hold", or_(_r.expires <= bindparam("now"), _r.due <= bindparam("held_since")))
    .limit(bindparam("limit")),
    params=("now", "held_since", "limit"),
)

SETTLE = Statement(
    "request.settle",
    update(request)
    .where(and_(_r.id == bindparam("which"), _r.fence == bindparam("held")))
    .values(
        state=bindparam("to_state"),
        reason=bindparam("why"),
        due=bindparam("to_due"),
        ring_at=bindparam("to_ring"),
        attempts=bindparam("tried"),
        lease_until=bindparam("until"),
    ),
    params=("to_state", "why", "to_due", "to_ring", "tried", "until", "which", "held"),
)

# The attempt turned out to have left after its lease was given up.
SETTLE_LATE = Statement(
    "request.settle-late",
    update(request)
    .where(_r.id == bindparam("which"), by_itself(_r.state).in_(("active", "on-hold")), _r.lease_until.is_(None))
    .values(state="completed", reason=null()),
    params=("which",),
)

# The rule set that was activated last.
IN_FORCE = Statement(
    "ruleset.in-force",
    select(ruleset.c.id, ruleset.c.digest).order_by(ruleset.c.id.desc()).limit(bindparam("limit")),
    params=("limit",),
)

# What was in force, newest first.
ACTIVATIONS = Statement(
    "ruleset.activations",
    select(*(ruleset.c[name] for name in ACTIVATION)).order_by(ruleset.c.id.desc()).limit(bindparam("limit")),
    params=("limit",),
)

# Messages of one patient, or to one address, since a time; and the visits of one patient that are open.
SENT_TO_PATIENT, SENT_TO_ADDRESS = (
    Statement(
        f"communication.sent-to-{column.name}",
        select(_c.purpose, _c.topic, _c.channel, _c.at, _c.status).where(
            column == bindparam("whom"), _c.at >= bindparam("since")
        ),
        params=("whom", "since"),
    )
    for column in (_c.patient, _c.address)
)
OPEN_VISITS = Statement(
    "occurrence.open-visits",
    select(_o.id, _o.sealed_facts).where(
        _o.patient == bindparam("whom"), _o.kind == "Encounter", _o.status == "in-progress"
    ),
    params=("whom",),
)

# A number that turned out to be somebody else's, or nobody's (A47; AD-21).
FORGET_IDENTIFIER = Statement(
    "identifier.forget", delete(identifier).where(identifier.c.hmac == bindparam("digest")), params=("digest",)
)

# A contact point the sender no longer tells (N-03); its address row and the ledger about it stay.
FORGET_CONTACT = Statement(
    "contact_point.forget", delete(contact_point).where(contact_point.c.id == bindparam("which")), params=("which",)
)
