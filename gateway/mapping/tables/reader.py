"""The table reader: one row as bytes in, a Reading out, whatever the bytes are; pure, and it never raises on foreign input."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from gateway.mapping.feed import Feed
from gateway.mapping.pack import Pack
from gateway.mapping.tables.plan import RowPlan
from gateway.mapping.tables.values import Sheet
from gateway.model.errors import ConfigError, Unreadable
from gateway.model.event import AckCode, Fault, PatientEvent, RawMessage, Reading
from gateway.rowjson import Cell, parse
from gateway.yamlfile import like

_EMPTY: Final[Mapping[str, Cell]] = {}


class TableReader:
    """Reads and maps the rows of one feed under one pack; parameters as of `Hl7v2Reader`.

    Raises ConfigError when the pack has no mapping of the name that the feed's `mapping` is.
    """

    def __init__(self, pack: Pack, feed: Feed, *, facts: frozenset[str] | None = None) -> None:
        family = pack.rows.get(feed.mapping)
        if family is None:
            known = like(feed.mapping, pack.rows)
            raise ConfigError(f"source {feed.name}: there is no mapping `{feed.mapping}` in mappings/tables{known}")
        self._feed, self._name = feed, family.name
        self._zone = family.zone or feed.zone
        self._family, self._tables, self._facts = family, pack.tables, feed.keeps(facts)
        self._plan = RowPlan(family, pack.tables, self._facts)

    @property
    def meaning(self) -> str:
        """A digest of all that decides what a row means: another one, and rows that say nothing new may say something else."""
        told = {name: one for name, one in self._family.facts.items() if self._facts is None or name in self._facts}
        codes = {one.codes for one in told.values()} & set(self._tables)
        tables = sorted((name, sorted(self._tables[name].codes.items())) for name in codes if name is not None)
        whole = (
            replace(self._family, facts=told),
            self._zone,
            self._feed.default_authority,
            self._feed.organization,
            tables,
        )
        return hashlib.sha256(repr(whole).encode()).hexdigest()[:32]

    def __call__(self, message: RawMessage) -> Reading:
        """Read one row: understood, ignored for a reason, or refused with AE and the fault, which names a column and no value."""
        key = ""
        sheet = Sheet(_EMPTY, self._feed, self._zone, message.received)
        try:
            told = parse(message.body)
            key = told.key
            if told.row is None:
                events, ignored = self._plan.gone(sheet, key)
            else:
                sheet.row = told.row
                events, ignored = self._plan.read(sheet, key)
        except Unreadable as refusal:
            return self._reading(message, key, faults=(*sheet.faults, refusal.fault), ack=refusal.ack)
        return self._reading(message, key, events=events, ignored=ignored, faults=tuple(sheet.faults))

    def _reading(
        self,
        message: RawMessage,
        key: str,
        *,
        events: tuple[PatientEvent, ...] = (),
        ignored: str | None = None,
        faults: tuple[Fault, ...] = (),
        ack: AckCode = AckCode.AA,
    ) -> Reading:
        """A row told twice in one reading of its table is a duplicate; told the same at another time (it left, and is back) it is not."""
        return Reading(
            type=self._name,
            control_id=key,
            control_key=f"{self._name}|{key}" if key else None,
            body_key=b"%d\x00%b" % (message.received, message.body),
            events=events,
            ignored=ignored,
            noticed=faults,
            ack=ack,
        )
