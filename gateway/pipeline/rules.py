"""The rule set in force: the newest row of the database, replaced as a whole, named in every audit row.

Every unit that plans or sends confirms that row inside its transaction, and an activation lets no such unit be open:
so nothing is decided by rules that were replaced before the unit began.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway import telemetry
from gateway.model.audit import Action
from gateway.model.errors import CommandError, Conflict, StoreError, StoreUnavailable
from gateway.model.when import Millis
from gateway.pipeline import approval as approvals
from gateway.pipeline import bundles, queries
from gateway.pipeline.approval import Approval, Signer
from gateway.render.templates import Templates
from gateway.ruleset.index import RuleSet
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.ids import keep_others_out
from gateway.store.uow import Reader, UnitOfWork

FOLDER, ACTIVATED, RESTORED = "folder", "activated", "restored"
"""How a rule set came into force: found in the folder at start, by `caregate rules activate`, by `restore`."""

_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Active:
    """A rule set and the row of its activation."""

    id: int
    ruleset: RuleSet
    templates: Templates


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """A row of `ruleset`: what was put in force, when, by which account, how, and who stands for it."""

    id: int
    digest: str
    activated: Millis
    by: str
    how: str | None
    replaced: str | None
    author: str | None
    approver: str | None
    report: str | None
    evidence: str | None


class Superseded(Conflict):
    """Another rule set was put in force since this unit's was taken: nothing was committed; `renew` and try again."""

    def __init__(self) -> None:
        super().__init__("another rule set is in force by now; nothing was committed")


class ActiveRules:
    """Hands out the rule set in force, the same to all threads.

    `people`: who must stand for a rule set (None: nobody need). `folder`: named in messages only.
    """

    def __init__(self, active: Active, store: Store | None = None, people: Mapping[str, Signer] | None = None) -> None:
        self._active = active
        self._store = store
        self._people = people
        self._lock = threading.Lock()

    def current(self) -> Active:
        """The rule set in force, as far as this process knows."""
        return self._active

    def confirm(self, unit: Reader, active: Active) -> None:
        """Make sure, inside a unit of work, that `active` is still in force. Raises Superseded, StoreError."""
        newest = unit.one(queries.IN_FORCE, (1,))
        if newest is not None and newest[0] != active.id:
            raise Superseded

    def renew(self) -> Active:
        """Take what is in force by now; read and compiled once, outside every unit of work. Raises StoreError."""
        with self._lock:
            if self._store is not None:
                self._active = newest(self._store, self._active.ruleset.folder, self._people, known=self._active)
            return self._active


def newest(
    store: Store, folder: Path, people: Mapping[str, Signer] | None = None, *, known: Active | None = None
) -> Active:
    """What the database says is in force. `known` is not compiled again when it is the same.

    StoreError: nothing is, it cannot be read, or (with `people`) it is not approved.
    """
    with store.read() as unit:
        rows = activations(unit, 1)
        if not rows:
            raise StoreError(
                "no rule set is in force yet: approve one and put it in force with `caregate rules activate`"
            )
        row = rows[0]
        check_approved(row, people)
        if known is not None and known.ruleset.digest == row.digest:
            return replace(known, id=row.id)
        blob = _bundle(unit, row)
    ruleset, templates = bundles.opened(blob, row.digest, folder)
    return Active(id=row.id, ruleset=ruleset, templates=templates)


def activations(unit: Reader, limit: int) -> list[Activation]:
    """What was put in force, newest first. Raises StoreError."""
    return [_activation(row) for row in unit.all(queries.ACTIVATIONS, (limit,))]


def activation(unit: Reader, identity: int) -> Activation:
    """One row. CommandError when there is none."""
    rows = unit.lookup(tables.ruleset, queries.ACTIVATION, "id", [identity])
    if not rows:
        raise CommandError(f"there is no activation {identity}; `caregate rules history` shows their ids")
    return _activation(rows[0])


def files_of(unit: Reader, row: Activation) -> dict[str, bytes]:
    """The files of a rule set that was in force, by name. Raises StoreError."""
    return bundles.unpack(_bundle(unit, row), row.digest)


def in_force(store: Store, ruleset: RuleSet) -> Active:
    """The rule folder as it lies there, for looking: nothing is recorded. Raises StoreError."""
    with store.read() as unit:
        found = unit.one(queries.IN_FORCE, (1,))
    templates = Templates(ruleset.folder / "templates", default_language=ruleset.policy.language)
    return Active(id=int(found[0]) if found else 0, ruleset=ruleset, templates=templates)


def activate(
    store: Store,
    files: Mapping[str, bytes],
    folder: Path,
    *,
    account: str,
    how: str = FOLDER,
    approval: Approval | None = None,
    report: str | None = None,
    against: str | None = None,
) -> Active:
    """Record that `account` (an operating-system account) put these files in force; what is in force keeps its row.

    By FOLDER alone, a rule set that was put back by `restore` is not undone by the folder it replaced.
    `report`: digest of the replay that was looked at; `against`: what it compared with, which must still be in force.
    Raises ConfigError, CommandError (nothing is changed), StoreError.
    """
    ruleset, templates = bundles.compiled(files, folder)
    packed = bundles.pack(files)
    if how == FOLDER and (same := _stands(store, ruleset.digest)):
        return Active(id=same, ruleset=ruleset, templates=templates)
    approval_row: tuple[str | None, str | None, str | None, str | None] = (None, None, report, None)
    if approval is not None:
        evidence = approvals.dumps(approval.evidence)
        approval_row = (approval.author, approval.approver, report, evidence)

    def put(uow: UnitOfWork) -> int | None:
        rows = activations(uow, 1)
        last = rows[0] if rows else None
        if last is not None and how == FOLDER and last.how == RESTORED and last.replaced == ruleset.digest:
            return None
        if against is not None and (last is None or last.digest != against):
            raise CommandError("the report compares with rules that are no longer in force; replay again")
        uow.delete(tables.rule_bundle, "digest", [ruleset.digest])  # whatever was made of it meanwhile
        uow.insert(tables.rule_bundle, ("digest", "files"), [(ruleset.digest, packed)])
        return _put(uow, ruleset.digest, sorted(ruleset.rules), how, last, approval_row)

    identity = _alone(store, account, put)
    if identity is None:
        return newest(store, folder)
    return Active(id=identity, ruleset=ruleset, templates=templates)


def _stands(store: Store, digest: str) -> int:
    """The id of the newest activation when it is of this very rule set and its files can be read again; else 0."""
    with store.read() as unit:
        rows = activations(unit, 1)
        if not rows or rows[0].digest != digest:
            return 0
        try:
            files_of(unit, rows[0])
        except StoreError:
            return 0
        return rows[0].id


def restore(store: Store, identity: int, folder: Path, *, account: str) -> Active:
    """Put a rule set that was in force before in force again, with the approval it had. CommandError, StoreError."""
    with store.read() as unit:
        old = activation(unit, identity)
        blob = _bundle(unit, old)
    ruleset, templates = bundles.opened(blob, old.digest, folder)

    def put(uow: UnitOfWork) -> int:
        told = (old.author, old.approver, old.report, old.evidence)
        return _put(uow, old.digest, sorted(ruleset.rules), RESTORED, activations(uow, 1)[0], told)

    made = _alone(store, account, put)
    assert made is not None
    return Active(id=made, ruleset=ruleset, templates=templates)


def _put(
    uow: UnitOfWork,
    digest: str,
    names: list[str],
    how: str,
    last: Activation | None,
    stand: tuple[str | None, str | None, str | None, str | None],
) -> int:
    # the newest counts by its id: no clock of another host that is ahead of ours may make it an older one
    identity = max(uow.new_id(), 0 if last is None else last.id + 1)
    before = None if last is None else last.digest
    row = (identity, digest, uow.now, uow.actor, how, before, *stand)
    uow.insert(tables.ruleset, queries.ACTIVATION, [row])
    author, approver, report, _ = stand
    details = {"how": how, "author": author, "approver": approver, "report": report}
    told = {name: value for name, value in details.items() if value is not None}
    if last is not None and last.approver is not None and approver is None:
        told["approval"] = "none"  # the configuration asks for none any more: whoever audits must see it
        telemetry.log().warning("rules.unapproved", activation=identity)
    uow.audit([(Action.RULESET_ACTIVATED, identity, digest, names, told)], ruleset=identity)
    return identity


def _alone(store: Store, account: str, put: Callable[[UnitOfWork], int | None]) -> int | None:
    """Run `put` while no other unit is open anywhere, once more when two do so at the same time."""
    for left in reversed(range(_TRIES)):
        try:
            with store.begin(account) as uow:
                keep_others_out(uow.session, uow.writer)
                identity = put(uow)
                uow.commit()
                return identity
        except StoreUnavailable:
            if not left:
                raise
    raise AssertionError("the last try returned or raised")


def _activation(row: tuple[Any, ...]) -> Activation:
    return Activation(**dict(zip(queries.ACTIVATION, row, strict=True)))


def _bundle(unit: Reader, row: Activation) -> bytes:
    found = unit.lookup(tables.rule_bundle, ("files",), "digest", [row.digest])
    if not found:
        raise StoreError(
            f"the files of rule set {row.digest[:12]} are not in the database: it was in force before they were kept there"
        )
    return bytes(found[0][0])


def check_approved(row: Activation, people: Mapping[str, Signer] | None) -> None:
    """StoreError when `people` must stand for a rule set and its evidence does not prove that they do."""
    if people is None:
        return
    try:
        signatures = approvals.loads(row.evidence) if row.evidence else ()
        why = approvals.still_holds(signatures, people, ruleset=row.digest, report=row.report or "")
    except CommandError:
        why = "its evidence is damaged"
    if why is not None:
        raise StoreError(f"rule set {row.digest[:12]} is in force but not approved: {why}")
