"""Whom a right is asked for: everybody who was merged into one person, and whoever they were before an erasure."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.model.errors import CommandError
from gateway.model.party import Identifier
from gateway.pipeline.directory import identifier_digests
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.trace import Unknown, family_of
from gateway.store import tables
from gateway.store.uow import Reader

Who = Identifier | int
"""An identifier as in PID-3, or the token by which every other command names a person."""


def family(unit: Reader, gateway: Inspectable, who: Who) -> list[int]:
    """The survivor and all who were merged into them. Raises Unknown, a CommandError."""
    return family_of(unit, root_of(unit, _token(unit, gateway, who)))


def families(unit: Reader, gateway: Inspectable, who: Who) -> list[int]:
    """As `family`, with whoever had this identifier when they were erased: what left of them is still to be told.

    Raises Unknown when there never was anybody.
    """
    erased = _erased(unit, gateway, who) if isinstance(who, Identifier) else []
    found: dict[int, None] = {}
    for token in erased:
        found.update(dict.fromkeys(family_of(unit, root_of(unit, token))))
    try:
        found.update(dict.fromkeys(family(unit, gateway, who)))
    except Unknown:
        if not found:
            raise
    return list(found)


def root_of(unit: Reader, token: int) -> int:
    """Whom a token stands for now (AD-32)."""
    rows = unit.lookup(tables.patient, ("survivor",), "token", [token])
    return token if not rows or rows[0][0] is None else int(rows[0][0])


def roots_of(unit: Reader, tokens: Sequence[int]) -> dict[int, int]:
    """As `root_of`, of many."""
    rows = unit.lookup(tables.patient, ("token", "survivor"), "token", sorted(set(tokens)))
    return {token: token if survivor is None else survivor for token, survivor in rows}


def _token(unit: Reader, gateway: Inspectable, who: Who) -> int:
    if isinstance(who, Identifier):
        digests = identifier_digests(gateway.store.keyring, who)
        found = unit.lookup(tables.identifier, ("patient",), "hmac", list(digests))
        if not found:
            raise Unknown("nobody here has that identifier under that assigning authority and type")
        return int(found[0][0])
    if not unit.lookup(tables.patient, ("token",), "token", [who]):
        raise CommandError(f"there is no patient {who}; `caregate trace` and `caregate holds list` show their numbers")
    return who


def _erased(unit: Reader, gateway: Inspectable, who: Identifier) -> list[int]:
    digests = list(identifier_digests(gateway.store.keyring, who))
    return sorted({int(token) for (token,) in unit.lookup(tables.erasure, ("patient",), "hmac", digests)})
