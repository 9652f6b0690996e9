"""What left, or may have: each attempt that is not provably undone, with whose it was and what it revealed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import bindparam, or_, select

from gateway.model.audit import Action
from gateway.model.errors import CommandError, StoreError
from gateway.model.request import CommunicationStatus
from gateway.model.when import Millis
from gateway.pipeline import bundles
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.representing import named_in
from gateway.pipeline.rules import activation, files_of
from gateway.ruleset.index import RuleSet
from gateway.store import tables
from gateway.store.statement import Statement
from gateway.store.uow import Reader

LEFT = (CommunicationStatus.COMPLETED, CommunicationStatus.UNKNOWN, CommunicationStatus.IN_PROGRESS)
"""What nobody knows the end of counts as having left."""
COLUMNS = (
    "id", "request", "channel", "patient", "address", "topic", "purpose", "template", "status", "at", "protection", "label",
    "template_digest",
)  # fmt: skip
_c = tables.communication.c
BETWEEN = Statement(
    "communication.between",
    select(*(_c[name] for name in COLUMNS))
    .where(
        _c.status == bindparam("status"),
        _c.at >= bindparam("since"),
        _c.at < bindparam("until"),
        or_(_c.at > bindparam("since"), _c.id > bindparam("after")),
    )
    .order_by(_c.at, _c.id)
    .limit(bindparam("limit")),
    params=("status", "since", "until", "after", "limit"),
)
_BATCH = 500
_entries = msgspec.json.Decoder(list[list[Any]]).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One attempt that left or may have. `patient`: to whom; `owner`: whose visit it was about; tokens as they were then.

    `recipient`: the patient, or the representative it went to in their stead. `reveals`: the facts it told, by the rule set
    of that moment; None: that is not kept. `known`: whether it surely left.
    """

    id: int
    request: int
    rule: str
    channel: str
    patient: int
    owner: int
    recipient: int
    address: int
    topic: str
    purpose: str
    template: str
    template_digest: str
    at: Millis
    protection: str | None
    label: str | None
    facility: str | None
    reveals: tuple[str, ...] | None
    known: bool


class Sendings:
    """Reads attempts in one snapshot; rule sets are compiled once each."""

    def __init__(self, unit: Reader, gateway: Inspectable) -> None:
        self._unit = unit
        self._gateway = gateway
        self._rulesets: dict[int, RuleSet | None] = {}

    def about(self, tokens: Sequence[int]) -> list[Sending]:
        """All that was sent to these people, or was about a visit of theirs, whoever got it; oldest first."""
        unit = self._unit
        rows = unit.lookup(tables.communication, COLUMNS, "patient", tokens)
        visits = [one for (one,) in unit.lookup(tables.occurrence, ("id",), "patient", tokens)]
        requests = [one for (one,) in unit.lookup(tables.request, ("id",), "occurrence", visits)]
        rows += unit.lookup(tables.communication, COLUMNS, "request", requests)
        left = sorted({row for row in rows if row[8] in LEFT}, key=lambda row: (row[9], row[0]))
        return self._read(left)

    def between(self, since: Millis, until: Millis) -> Iterator[Sending]:
        """All that was attempted from `since` up to, not including, `until`."""
        for status in LEFT:
            at, after = since, -1
            while rows := self._unit.all(BETWEEN, (status, at, until, after, _BATCH)):
                yield from self._read(rows)
                at, after = rows[-1][9], rows[-1][0]

    def _read(self, rows: Sequence[tuple[Any, ...]]) -> list[Sending]:
        unit = self._unit
        ids = sorted({row[1] for row in rows})
        requests = {row[0]: row[1:] for row in unit.lookup(tables.request, ("id", "rule", "occurrence"), "id", ids)}
        visits = sorted({found[1] for found in requests.values() if found[1] is not None})
        owners = {
            row[0]: row[1:] for row in unit.lookup(tables.occurrence, ("id", "patient", "facility"), "id", visits)
        }
        cleared = self._cleared(ids)
        return [self._sending(row, requests, owners, *cleared.get(row[0], (None, None))) for row in rows]

    def _cleared(self, requests: Sequence[int]) -> dict[int, tuple[int, int | None]]:
        """By attempt the rule set under which it was cleared, and the representative it was for."""
        found: dict[int, tuple[int, int | None]] = {}
        for ruleset, entries in self._unit.lookup(tables.audit, ("ruleset", "entries"), "request", requests):
            if ruleset is not None:
                found.update(
                    (entry[1], (ruleset, named_in(entry)))
                    for entry in _entries(entries)
                    if entry[0] == Action.COMMUNICATION_CLEARED
                )
        return found

    def _sending(
        self,
        row: tuple[Any, ...],
        requests: Mapping[int, tuple[Any, ...]],
        owners: Mapping[int, tuple[Any, ...]],
        ruleset: int | None,
        representative: int | None,
    ) -> Sending:
        (
            identity,
            request,
            channel,
            patient,
            address,
            topic,
            purpose,
            template,
            status,
            at,
            protection,
            label,
            digest,
        ) = row
        rule, occurrence = requests.get(request, ("", None))
        owner, facility = owners.get(occurrence, (patient, None))
        return Sending(
            id=identity,
            request=request,
            rule=rule,
            channel=channel,
            patient=patient,
            owner=owner,
            recipient=patient if representative is None else representative,
            address=address,
            topic=topic,
            purpose=purpose,
            template=template,
            template_digest=digest,
            at=at,
            protection=protection,
            label=label,
            facility=facility,
            reveals=self._reveals(ruleset, rule),
            known=status == CommunicationStatus.COMPLETED,
        )

    def _reveals(self, identity: int | None, rule: str) -> tuple[str, ...] | None:
        """The facts a rule of that moment revealed; None where that rule set is not kept."""
        if identity is None or not rule:
            return None
        if identity not in self._rulesets:
            self._rulesets[identity] = self._ruleset(identity)
        ruleset = self._rulesets[identity]
        found = ruleset.named(rule) if ruleset is not None else None
        return None if found is None else tuple(sorted(found.reveals))

    def _ruleset(self, identity: int) -> RuleSet | None:
        current = self._gateway.rules.current()
        if current.id == identity:
            return current.ruleset
        try:
            row = activation(self._unit, identity)
            packed = bundles.pack(files_of(self._unit, row))
            return bundles.opened(packed, row.digest, current.ruleset.folder)[0]
        except (StoreError, CommandError):  # of before they were kept, or this version cannot read it
            return None


def digests_of(unit: Reader, addresses: Sequence[int]) -> dict[int, str]:
    """By address row its keyed digest in hexadecimal."""
    rows = unit.lookup(tables.address, ("id", "hmac"), "id", sorted(set(addresses)))
    return {identity: bytes(hmac).hex() for identity, hmac in rows}
