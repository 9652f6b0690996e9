"""Addresses that are not written to any more, because they bounced for good or their owner complained; never shown themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select

from gateway.model.audit import Action
from gateway.model.errors import CommandError
from gateway.model.party import Identifier
from gateway.model.when import Millis
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.trace import family_of, find_patient
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader

_a = tables.address.c
_COLUMNS = ("id", "suppressed_at", "suppressed_why", "opted_out_at")
LISTED = Statement(
    "address.suppressed",
    select(*(_a[name] for name in _COLUMNS))
    .where(_a.suppressed_at.is_not(None), _a.id > bindparam("after"))
    .order_by(_a.id)
    .limit(bindparam("limit")),
    params=("after", "limit"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressedLine:
    """One address, by its row. `patients`: the tokens of those who have it; `opted_out`: when, that stands apart."""

    address: int
    since: Millis
    why: str
    opted_out: Millis | None
    patients: tuple[int, ...]


def suppressed(gateway: Inspectable, *, after: int = 0, limit: int = 100) -> list[SuppressedLine]:
    """The suppression list by row, from behind `after`."""
    with gateway.store.read() as unit:
        return _lines(unit, unit.all(LISTED, (after, limit)))


def suppressed_of(gateway: Inspectable, who: Identifier, *, reason: str, account: str) -> list[SuppressedLine]:
    """Those of a person's addresses that are suppressed; the look is audited. Raises Unknown."""
    with gateway.store.begin(account) as uow:
        family = family_of(uow, find_patient(uow, gateway, who))
        held = sorted({one for (one,) in uow.lookup(tables.contact_point, ("address",), "patient", family)})
        rows = [row for row in uow.lookup(tables.address, _COLUMNS, "id", held) if row[1] is not None]
        lines = _lines(uow, sorted(rows))
        uow.audit([(Action.CONTENT_READ, "suppression", reason)], patients=family)
        uow.commit()
    return lines


def restore_address(gateway: Inspectable, address: int, *, reason: str, account: str) -> None:
    """Write to an address again; an opt-out of it stands (SM-14). Audited with its reason. Raises CommandError."""
    with gateway.store.begin(account) as uow:
        whose = _owners(uow, [address]).get(address, ())
        uow.lookup(tables.patient, ("token",), "token", list(whose), lock=True)  # before the address, as deliver does
        rows = uow.lookup(tables.address, ("id", "suppressed_at"), "id", [address], lock=True)
        if not rows or rows[0][1] is None:
            raise CommandError(f"address {address} is not on the suppression list")
        uow.update(tables.address, ("id",), ("suppressed_at", "suppressed_why"), [(None, None, address)])
        uow.audit([(Action.ADDRESS_RESTORED, address, reason)], patients=whose)
        uow.commit()


def _lines(unit: Reader, rows: Sequence[Sequence[Any]]) -> list[SuppressedLine]:
    owners = _owners(unit, [row[0] for row in rows])
    return [
        SuppressedLine(address=one, since=since, why=why or "", opted_out=out, patients=owners.get(one, ()))
        for one, since, why, out in rows
    ]


def _owners(unit: Reader, addresses: Sequence[int]) -> dict[int, tuple[int, ...]]:
    found: dict[int, set[int]] = {}
    for address, patient in unit.lookup(tables.contact_point, ("address", "patient"), "address", list(addresses)):
        found.setdefault(address, set()).add(patient)
    return {address: tuple(sorted(tokens)) for address, tokens in found.items()}
