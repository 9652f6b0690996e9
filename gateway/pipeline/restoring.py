"""A restored database sends nothing until a person says so, and before that it learns what happened since it was copied.

First the brake, then the erasures, then every send that may have left meanwhile becomes a doubt, which providers are asked
about. Each step can be stopped and taken again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from sqlalchemy import bindparam, func, select, update

from gateway import telemetry
from gateway.model.audit import Action
from gateway.model.errors import CommandError, DeliveryError
from gateway.model.request import CommunicationStatus
from gateway.model.verdict import Reason
from gateway.model.when import DAY, Millis
from gateway.pipeline import brakes
from gateway.pipeline.brakes import RESTORED, Scope, Stop
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.lookups import LookUps
from gateway.pipeline.rights.erasing import erase_tokens
from gateway.ports import Inbox, Retells
from gateway.store import erasures, heads, seal, tables, verify
from gateway.store.engine import Store
from gateway.store.erasures import Erased
from gateway.store.statement import Row, Statement, by_itself
from gateway.store.uow import UnitOfWork

_BATCH = 200
_EVERYTHING = Stop(scope=Scope.EVERYTHING)
_IN_VAIN = 3  # so often unanswered, a channel is asked no more: the others would only wait for its time-out too
_ASKED: Millis = 7 * DAY  # of attempts this old and younger the provider is asked
_c, _r = tables.communication.c, tables.request.c

OPEN = Statement(
    "communication.open",
    select(_c.id, _c.request, _c.patient).where(_c.status == "in-progress").order_by(_c.at).limit(bindparam("limit")),
    params=("limit",),
)
MAY_HAVE_LEFT = Statement(
    "request.may-have-left",
    select(_r.id, _r.patient)
    .where(
        _r.state.in_(("active", "on-hold")),
        func.coalesce(_r.reason, "") != Reason.OUTCOME_UNKNOWN.value,
        _r.due <= bindparam("now"),
        _r.id > bindparam("after"),
    )
    .order_by(_r.id)
    .limit(bindparam("limit")),
    params=("now", "after", "limit"),
)
DOUBT = Statement(
    "request.doubt",
    update(tables.request)
    .where(_r.id == bindparam("which"), by_itself(_r.state).in_(("active", "on-hold")))
    .values(state="on-hold", reason=Reason.OUTCOME_UNKNOWN.value, lease_until=None, fence=_r.fence + 1),
    params=("which",),
)
UNKNOWN = Statement(
    "communication.unknown",
    select(_c.id, _c.request, _c.channel, _c.at)
    .where(_c.status == "unknown", _c.at >= bindparam("since"))
    .order_by(_c.at, _c.id)
    .limit(bindparam("limit")),
    params=("since", "limit"),
)
PATIENTS = ("token", "key", "survivor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """What the outside heads prove to be gone: blocks after `size` up to `known`, sealed up to `until` (Millis)."""

    size: int
    known: int
    until: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was done after a restore; counts. `doubted`: attempts and sends that may have left since `since`.

    `arrived` and `absent`: attempts of which a provider said so; `retold`: replies and receipts since then that were heard
    again; `asked_in_vain`: channels that did not answer, or not for everything; `not_searched`: FHIR sources whose server will not
    be searched for what it told since.
    """

    since: Millis
    lost: Lost | None
    erased: int
    doubted: int
    arrived: int
    absent: int
    retold: int
    asked_in_vain: tuple[str, ...]
    not_searched: tuple[str, ...] = ()


def behind(store: Store, outside: Path | None) -> Lost | None:
    """How far the log is behind the signed heads outside; None: not at all, or nothing is told outside.

    CommandError: the heads are of another log than this database's, or one is not signed by us. Raises StoreError.
    """
    told = [] if outside is None else heads.read(outside)  # before the log is looked at: it only grows
    if any(not one.holds(store.keyring) for one in told):
        raise CommandError(f"{outside} has a head that none of our keys signed")
    with store.read() as reader:
        here = seal.head(reader)
        sizes = [one.size for one in told]
        known: dict[int, bytes] = dict(reader.lookup(tables.block, ("n", "previous"), "n", [one + 1 for one in sizes]))
    size = here.size if here else 0
    for one in told:
        mine = here.hash if here is not None and one.size == here.size else known.get(one.size + 1)
        if one.size <= size and mine is not None and bytes(mine) != one.hash:
            raise CommandError(f"the outside head of size {one.size} is of another log: this is not the same database")
    newest = max(told, key=lambda one: one.size, default=None)
    if newest is None or newest.size <= size:
        return None
    # the latest that the lost clock ever showed: it may have been set back since
    return Lost(size=size, known=newest.size, until=max(one.at for one in told if one.size > size))


def refuse_if_older(store: Store, outside: Path | None) -> None:
    """A database that is older than what was witnessed outside was restored behind our back. CommandError."""
    lost = behind(store, outside)
    if lost is not None:
        raise CommandError(
            f"the database is older than its signed heads outside (block {lost.size}, they know {lost.known}): was it restored? "
            "say `caregate restore --database-already-restored`"
        )


def begin(
    store: Store, outside: Path | None, *, digest: str, since: Millis, accept_loss: bool, account: str
) -> Lost | None:
    """Prove the log whole, then stop everything and say so in it; what is lost is said outside, signed.

    `digest`: of the backup's manifest, empty where there is none. CommandError: the log is not whole, or something is
    lost and nobody accepted that.
    """
    lost = behind(store, outside)
    report = verify.verify(store, None)
    if not report.ok:
        raise CommandError(f"the audit log in it is not whole: {report.verdict}")
    if lost is not None and not accept_loss:
        raise CommandError(
            f"the log in it ends with block {lost.size}, the signed heads outside know {lost.known}: what happened in between is "
            "lost; take a later backup, or say --accept-loss"
        )
    with store.begin(account) as uow:
        brake = brakes.put(uow, _EVERYTHING, why=RESTORED)
        # said again it counts from now; and never from before what the lost clock showed
        uow.update(tables.brake, ("id",), ("at",), [(max(uow.now, lost.until if lost else 0), brake.id)])
        told = () if lost is None else (lost.size, lost.known)
        uow.audit([(Action.BACKUP_RESTORED, digest, since, *told)])
        uow.commit()
    if lost is not None and outside is not None:
        heads.give_up(outside, store.keyring, lost.size, lost.known, store.clock.now())
    return lost


def reconcile(
    gateway: Inspectable, inbox: Inbox, outside: Path | None, lost: Lost | None, *, since: Millis, account: str
) -> Restored:
    """Everything after the brake: erasures, doubts, look-ups, what came back since, which `inbox` hears.

    CommandError: an erasure nobody of ours signed.
    """
    store = gateway.store
    erased = _erase_again(store, outside, account=account)
    doubted = _doubt_attempts(store, account) + _doubt_requests(store, lost, account)
    arrived, absent, silent = _ask(gateway, account)
    retold, deaf = _retold(gateway, inbox, since)
    return Restored(
        since=since,
        lost=lost,
        erased=erased,
        doubted=doubted,
        arrived=arrived,
        absent=absent,
        retold=retold,
        asked_in_vain=tuple(sorted({*silent, *deaf})),
    )


def release(gateway: Inspectable, *, reason: str, account: str) -> tuple[int, int]:
    """Lift what the restore stopped; how many sends are judged again, how many end as too late. CommandError: nothing is."""
    lifted = brakes.lift(gateway.store, lambda one: one.why == RESTORED, why=reason, account=account)
    if not lifted:
        with gateway.store.read() as unit:
            waits = unit.all(brakes.STOPPED, (-1, 0, 0, 1))
        if not waits:
            raise CommandError("no restore has stopped anything here")
    return brakes.release_stopped(gateway.store, gateway.site, account=account)


# -- erasures


def _erase_again(store: Store, outside: Path | None, *, account: str) -> int:
    """Destroy again the keys of everybody who was erased since: the outside file knows them, the copy does not."""
    told = [] if outside is None else erasures.read(erasures.beside(outside))
    if any(not one.holds(store.keyring) for one in told):
        raise CommandError(
            "the outside file names an erasure that none of our keys signed: nobody is erased on such a word"
        )
    return sum(_erase(store, list(some), account) for _, some in groupby(told, key=attrgetter("at")))


def _erase(store: Store, together: Sequence[Erased], account: str) -> int:
    """One erasure: a person with everybody merged into them; those the database knows and has not erased."""
    with store.database.shredding(), store.begin(account) as uow:
        tokens = sorted(one.patient for one in together)
        done = {one for (one,) in uow.lookup(tables.erasure, ("patient",), "patient", tokens)}
        rows = [row for row in uow.lookup(tables.patient, PATIENTS, "token", tokens, lock=True) if row[0] not in done]
        if rows:
            erase_tokens(uow, _survivor_first(rows), reason=RESTORED)
            uow.commit()
    return len(rows)


def _survivor_first(rows: Sequence[Row]) -> list[int]:
    """The tokens of one person, the one the others were merged into first."""
    return [token for token, _, survivor in sorted(rows, key=lambda row: (row[2] is not None, row[0]))]


# -- doubts


def _doubt_attempts(store: Store, account: str) -> int:
    """Attempts that were under way when the copy was made: nobody knows whether they left."""
    count = 0
    while True:
        with store.read() as unit:
            rows = unit.all(OPEN, (_BATCH,))
        if not rows:
            return count
        for attempt, request, patient in rows:
            with store.begin(account) as uow:
                _doubt(uow, request, patient, attempt)
                uow.commit()
        count += len(rows)


def _doubt_requests(store: Store, lost: Lost | None, account: str) -> int:
    """Sends that were due by now: they may have left after the copy was made, and it does not know of the attempt.

    Those that were held too: whoever held them may have let them go. By now, or by what the lost clock showed last.
    """
    after = count = 0
    while True:
        with store.read() as unit:
            rows = unit.all(MAY_HAVE_LEFT, (max(unit.now, lost.until if lost else 0), after, _BATCH))
        if not rows:
            return count
        with store.begin(account) as uow:
            uow.lookup(tables.patient, ("token",), "token", sorted({patient for _, patient in rows}), lock=True)
            for request, patient in rows:
                _doubt(uow, request, patient, None)
            uow.commit()
        after, count = rows[-1][0], count + len(rows)


def _doubt(uow: UnitOfWork, request: int, patient: int, attempt: int | None) -> None:
    entries: list[tuple[object, ...]] = []
    if attempt is not None:
        uow.lookup(tables.patient, ("token",), "token", [patient], lock=True)
        values = [(CommunicationStatus.UNKNOWN, Reason.OUTCOME_UNKNOWN, attempt)]
        uow.update(tables.communication, ("id",), ("status", "reason"), values)
        entries.append((Action.COMMUNICATION_SETTLED, attempt, CommunicationStatus.UNKNOWN, Reason.OUTCOME_UNKNOWN))
    if uow.run(DOUBT, (request,)):
        entries.append((Action.REQUEST_HELD, request, Reason.OUTCOME_UNKNOWN, "it may have left after the backup"))
    if entries:
        uow.audit(entries, request=request, patients=[patient])


# -- what the providers know


def _ask(gateway: Inspectable, account: str) -> tuple[int, int, set[str]]:
    """Ask each provider that can be asked about the attempts nobody knows the end of; arrived, absent, not answered.

    What never came still waits for a person (`LookUps.settle`): what is lost may hold another try of it, also where the
    heads outside tell of nothing lost, for the last seconds are sealed by nobody.
    """
    lookups = LookUps(gateway.store, gateway.channels, lambda: gateway.rules.current().ruleset.policy, account=account)
    arrived = absent = 0
    vain: dict[str, int] = {}
    with gateway.store.read() as unit:
        rows = unit.all(UNKNOWN, (unit.now - _ASKED, 100_000)) if lookups.any() else []
    for attempt, request, channel, at in rows:
        if vain.get(channel, 0) >= _IN_VAIN or not lookups.can_ask(channel):
            continue
        try:
            found = lookups.answer(attempt, channel, at)
        except DeliveryError:
            vain[channel] = vain.get(channel, 0) + 1
            continue
        lookups.settle(attempt, request, channel, at, found)
        arrived, absent = arrived + (found is not None), absent + (found is None)
    return arrived, absent, set(vain)


def _retold(gateway: Inspectable, inbox: Inbox, since: Millis) -> tuple[int, set[str]]:
    """What came back since the copy was made is heard again, opt-outs among it; how much, and who did not answer."""
    count, deaf = 0, set()
    for kind, channel in gateway.channels.items():
        if not isinstance(channel, Retells):
            continue
        try:
            count += channel.retell(since, inbox)
        except DeliveryError as error:
            telemetry.log().warning("restore.not-retold", channel=kind.value, error=type(error).__name__)
            deaf.add(kind.value)
    return count, deaf
