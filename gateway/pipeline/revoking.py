"""Tells others who must honour an opt-out too, and goes on until each has acknowledged it or a person must see to it.

An opt-out is in force here the moment it is recorded; this only spreads it. Every entry of the ledger counts, whatever
wrote it: the rows are made from the ledger itself, so that no way in can forget them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, exists, select

from gateway import telemetry
from gateway.model.audit import Action
from gateway.model.consent import ANY, ChannelKind, ConsentKind
from gateway.model.errors import DeliveryError, Erased, Refused
from gateway.model.party import ContactPoint, ContactSystem
from gateway.model.policy import Policy
from gateway.model.when import DAY, HOUR, MINUTE, Millis
from gateway.pipeline import representing
from gateway.pipeline.directory import Directory, contact_point_of
from gateway.pipeline.rules import ActiveRules
from gateway.pipeline.site import Site
from gateway.ports import Channel, SuppressesToo
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from gateway.store.uow import UnitOfWork

OPEN, ACKNOWLEDGED, FAILED = "open", "acknowledged", "failed"
SETTLED = "settled"  # by a person, once it had failed
MOOT = "moot"  # an address the target cannot write to: an opt-out from everything at an e-mail address, and a provider of texts
HONOURED_WITHIN: Millis = 10 * DAY
"""47 CFR 64.1200(a)(10) gives ten business days; counted here as any ten, which is stricter."""
_WRITES_TO: Mapping[ChannelKind, frozenset[ContactSystem]] = {
    ChannelKind.EMAIL: frozenset({ContactSystem.EMAIL}),
    ChannelKind.SMS: frozenset({ContactSystem.SMS, ContactSystem.PHONE}),
    ChannelKind.PORTAL: frozenset(),
}
_SLOWEST: Millis = 6 * HOUR
_BATCH = 50
_c, _r = tables.consent.c, tables.revocation.c
_KNOWN = exists().where(_r.consent == _c.id, _r.target == bindparam("target"))
UNTOLD = Statement(
    "consent.untold",
    select(_c.id, _c.recorded)
    .where(
        _c.id > bindparam("after"),
        _c.permit == 0,
        _c.address.is_not(None),
        _c.kind.in_([ConsentKind.MESSAGES.value, ConsentKind.TEXTS.value]),
        _c.purpose == ANY,
        _c.topic == ANY,
        _c.channel.in_([ANY, bindparam("channel")]),
        ~_KNOWN,
    )
    .order_by(_c.id)
    .limit(bindparam("n")),
    params=("after", "channel", "target", "n"),
)
DUE = Statement(
    "revocation.due",
    select(_r.id, _r.consent, _r.target, _r.legal_by, _r.tries)
    .where(_r.state == OPEN, _r.next_at <= bindparam("now"))
    .order_by(_r.next_at)
    .limit(bindparam("n")),
    params=("now", "n"),
)
_COLUMNS = ("id", "consent", "target", "state", "legal_by", "tries", "next_at", "acknowledged")


@dataclass(frozen=True, slots=True)
class _Due:
    """One push whose turn it is."""

    id: int
    consent: int
    target: str
    legal_by: Millis
    tries: int


class Revoking:
    """A round every half minute, in a thread of its own: the other side may take long to answer."""

    def __init__(
        self,
        store: Store,
        site: Site,
        rules: ActiveRules,
        channels: Mapping[ChannelKind, Channel],
        *,
        every: float = 30.0,
    ) -> None:
        self._store = store
        self._site = site
        self._rules = rules
        self._targets = {
            one.name: (kind, one) for kind, one in channels.items() if isinstance(one, SuppressesToo) and one.suppresses
        }
        self._every = every
        self._seen = dict.fromkeys(self._targets, 0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="caregate-revoking", daemon=True)

    def start(self) -> None:
        """Begin, if there is anybody to tell."""
        if self._targets:
            self._thread.start()

    def stop(self, timeout: float = 40.0) -> None:
        """Tell nothing more. `timeout` in seconds."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self.once()
            except Exception as error:  # noqa: BLE001  # the next round goes on, whatever it was
                telemetry.log().error("revoking.failed", error=type(error).__name__, exc_info=True)

    def once(self) -> int:
        """Note what is new in the ledger, then push what is due; how many were acknowledged. Raises StoreError."""
        for target, (kind, _) in self._targets.items():
            while self._note(target, kind) == _BATCH:
                pass
        with self._store.read() as unit:
            due = [_Due(*row) for row in unit.all(DUE, (unit.now, _BATCH))]
        return sum(self._push(one) for one in due if not self._stop.is_set())

    def _note(self, target: str, kind: ChannelKind) -> int:
        """Make the rows of opt-outs that a target was not told of. What commits late is looked for again for a while."""
        with self._store.begin("revoking") as uow:
            found = uow.all(UNTOLD, (self._seen[target], kind.value, target, _BATCH))
            rows = [
                (uow.new_id(), consent, target, OPEN, recorded + HONOURED_WITHIN, 0, uow.now, None)
                for consent, recorded in found
            ]
            if rows:
                uow.insert(tables.revocation, _COLUMNS, rows)
                uow.audit([(Action.REVOCATION_PUSHED, row[1], target, OPEN, row[4]) for row in rows])
                uow.commit()
            elif not self._seen[target]:
                self._seen[target] = 1  # everything there was is noted; from here on only the newest is looked at
            else:
                self._seen[target] = max(self._seen[target], uow.new_id() - _LATE)
        return len(rows)

    def _push(self, one: _Due) -> bool:
        to = self._address(one.consent, one.target)
        if to is None:
            self._settle(one, FAILED)
            return False
        kind, channel = self._targets[one.target]
        if to.system not in _WRITES_TO[kind]:
            self._settle(one, MOOT)
            return False
        assert isinstance(channel, SuppressesToo)
        try:
            self._hand(kind, channel, to)
        except Refused:
            self._settle(one, FAILED)
        except DeliveryError as error:  # to say it twice does no harm: what is unknown is said again
            telemetry.log().info("revoking.unanswered", target=one.target, error=type(error).__name__)
            self._settle(one, OPEN)
        else:
            self._settle(one, ACKNOWLEDGED)
            return True
        return False

    def _hand(self, kind: ChannelKind, channel: SuppressesToo, to: ContactPoint) -> None:
        if not self._site.agreed(kind, self._store.clock.now()):
            raise Refused("no agreement is in force")  # it may not be handed an address (45 CFR 164.308(b))
        channel.suppress(to)

    def _address(self, consent: int, target: str) -> ContactPoint | None:
        """The address an opt-out is about; None where nobody has it any more, or the target is not there."""
        if target not in self._targets:
            return None
        with self._store.begin("revoking") as uow:  # nothing is written: only a unit of work opens what is sealed
            ((address,),) = uow.lookup(tables.consent, ("address",), "id", [consent])
            owners = {one for (one,) in uow.lookup(tables.contact_point, ("patient",), "address", [address])}
            return _opened(uow, Directory(uow, self._store.keyring, self._policy()), sorted(owners), address)

    def _policy(self) -> Policy:
        return self._rules.current().ruleset.policy

    def _settle(self, one: _Due, state: str) -> None:
        with self._store.begin("revoking") as uow:
            if state == OPEN and uow.now >= one.legal_by:
                state = FAILED  # the law's time is over: a person must see to it
            again = uow.now + min(MINUTE << min(one.tries, 16), _SLOWEST)
            known = uow.now if state == ACKNOWLEDGED else None
            values = (state, one.tries + 1, again, known, one.id)
            uow.update(tables.revocation, ("id",), ("state", "tries", "next_at", "acknowledged"), [values])
            uow.audit([(Action.REVOCATION_PUSHED, one.consent, one.target, state)])
            uow.commit()


_LATE = (10 * MINUTE) << 22  # ids tell their time: a unit of work that began earlier may commit with a lower one


def _opened(uow: UnitOfWork, directory: Directory, owners: list[int], address: int) -> ContactPoint | None:
    for owner in owners:
        directory.load_tokens([owner], lock=False)
        try:
            if owner in directory.patients:
                contacts = directory.contacts(directory.patients[owner])
            else:
                contacts = representing.contacts(uow, directory, owner)
        except Erased:
            continue
        for one in contacts:
            if one.address == address:
                return contact_point_of(one)
    return None
