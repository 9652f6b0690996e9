"""Putting a rule set in force by hand: read once, judged whole, and only then the one change that all processes see."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path

from gateway.app.assembly import _open, account, keyring_of, signers
from gateway.model.errors import CommandError
from gateway.model.when import to_datetime
from gateway.pipeline import rules
from gateway.pipeline.approval import Signed, approval
from gateway.pipeline.bundles import compiled
from gateway.pipeline.rules import Activation
from gateway.ports import SystemClock
from gateway.ruleset.load import read_files
from gateway.settings import Settings
from gateway.store import tables
from gateway.store.engine import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """What was put in force: the id of its activation, its digest, and how many rules it has."""

    activation: int
    ruleset: str
    rules: int
    author: str | None = None
    approver: str | None = None


def digest_of(folder: Path) -> str:
    """The digest that names a rule folder as it lies there. Raises ConfigError."""
    return compiled(read_files(folder), folder)[0].digest


def activate(settings: Settings, folder: Path, *, report: str | None, signatures: Sequence[Signed]) -> InForce:
    """Put a folder in force, approved as the configuration asks. CommandError, ConfigError, StoreError."""
    files = read_files(folder)
    digest = compiled(files, folder)[0].digest
    people = signers(settings)
    if people is None and signatures:
        raise CommandError("the configuration asks for no signatures: say `approval: signature` and list `people`")
    today = to_datetime(SystemClock().now(), "UTC").date()
    approved = (
        None if people is None else approval(signatures, people, ruleset=digest, report=report or "", today=today)
    )
    with _store(settings) as store:
        made = rules.activate(
            store,
            files,
            folder,
            account=account(),
            how=rules.ACTIVATED,
            approval=approved,
            report=report,
            against=_reported(settings, store, digest, report),
        )
    who = (None, None) if approved is None else (approved.author, approved.approver)
    return InForce(activation=made.id, ruleset=digest, rules=len(made.ruleset.rules), author=who[0], approver=who[1])


def restore(settings: Settings, identity: int) -> InForce:
    """Put a former rule set in force again, under the approval it had. CommandError, StoreError."""
    with _store(settings) as store:
        people = signers(settings)
        with store.read() as unit:
            rules.check_approved(rules.activation(unit, identity), people)
        made = rules.restore(store, identity, settings.rules, account=account())
    return InForce(activation=made.id, ruleset=made.ruleset.digest, rules=len(made.ruleset.rules))


def history(settings: Settings, limit: int) -> list[Activation]:
    """What was in force, newest first. Raises StoreError."""
    with _store(settings) as store, store.read() as unit:
        return rules.activations(unit, limit)


def stored(settings: Settings, identity: int) -> tuple[Activation, dict[str, bytes]]:
    """One activation and its files by name. CommandError, StoreError."""
    with _store(settings) as store, store.read() as unit:
        row = rules.activation(unit, identity)
        return row, rules.files_of(unit, row)


def _reported(settings: Settings, store: Store, digest: str, report: str | None) -> str | None:
    """The digest of the rules that the report of these compares with; the first rules need none. CommandError."""
    with store.read() as unit:
        found = unit.lookup(tables.rule_report, ("ruleset", "against"), "digest", [report]) if report else []
        before = rules.activations(unit, 1)
    if report is None:
        if before and settings.file.report == "required":
            raise CommandError("look at a replay first (`report: required`): caregate replay, then --report DIGEST")
        return None
    if not found:
        raise CommandError("there is no such report: `caregate replay` prints the digest of the one it made")
    if found[0][0] != digest:
        raise CommandError("the report is of other rules: they were edited since; replay again")
    return str(found[0][1])


def _store(settings: Settings) -> AbstractContextManager[Store]:
    return closing(_open(settings, keyring_of(settings), SystemClock()))
