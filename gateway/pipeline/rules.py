"""The rule set in force: loaded once, replaced as a whole, named in every audit row."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.audit import Action
from gateway.pipeline import queries
from gateway.render.templates import Templates
from gateway.ruleset.index import RuleSet
from gateway.store import tables
from gateway.store.engine import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Active:
    """A rule set and the row of its activation."""

    id: int
    ruleset: RuleSet
    templates: Templates


class ActiveRules:
    """Hands out the active rule set."""

    def __init__(self, active: Active) -> None:
        self._active = active

    def current(self) -> Active:
        """The rule set in force now."""
        return self._active


def in_force(store: Store, ruleset: RuleSet) -> Active:
    """The rule folder as it lies there, for looking: nothing is recorded. Raises StoreError."""
    with store.read() as unit:
        newest = unit.one(queries.IN_FORCE, (1,))
    return Active(
        id=int(newest[0]) if newest else 0, ruleset=ruleset, templates=Templates(ruleset.folder / "templates")
    )


def activate(store: Store, ruleset: RuleSet, *, account: str) -> Active:
    """Record that `account` (an operating-system account) put this digest in force; the one in force keeps its row.

    Going back to an earlier rule set is an activation like any other, with a row and an audit entry of its own.

    Raises StoreError.
    """
    templates = Templates(ruleset.folder / "templates")
    with store.begin(account) as uow:
        newest = uow.one(queries.IN_FORCE, (1,))
        if newest is not None and newest[1] == ruleset.digest:
            return Active(id=int(newest[0]), ruleset=ruleset, templates=templates)
        identity = uow.new_id()
        uow.insert(tables.ruleset, ("id", "digest", "activated", "by"), [(identity, ruleset.digest, uow.now, account)])
        uow.audit([(Action.RULESET_ACTIVATED, identity, ruleset.digest, sorted(ruleset.rules))], ruleset=identity)
        uow.commit()
    return Active(id=identity, ruleset=ruleset, templates=templates)
