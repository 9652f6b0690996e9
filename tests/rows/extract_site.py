"""A store, a rule and a receiver for rows of an audience; its reader understands `{mrn, name, status, email}` and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import copy, copytree
from typing import Any

from sqlalchemy import func, select

from gateway import rowjson
from gateway.model.errors import Unreadable
from gateway.model.event import (
    AckCode,
    EventKind,
    Fault,
    Format,
    Occurrence,
    OccurrenceKind,
    PatientEvent,
    Person,
    RawMessage,
    Reading,
    Told,
)
from gateway.model.facts import ROW_KEY
from gateway.model.party import ContactPoint, ContactSystem, ContactUse, Demographics, Identifier, Organization
from gateway.packs import shipped
from gateway.pipeline import rules
from gateway.pipeline.extracting import Guards, RowBook
from gateway.pipeline.receive import Receiver
from gateway.pipeline.site import Site, SourceEntry
from gateway.ports import ExtractMode, ExtractState, Row
from gateway.ruleset.load import read_files
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement

NAME = "cdp"
RULE = """\
rule: audience-education
owner: education@lakeside.example
why: People of the segment asked for it.
when:
  event: audience.entered
campaign: {audience: 60000}
send:
  purpose: TREAT
  remuneration: none
  topic: education
  channels: [email]
  template: audience_education
  at: {after: event.occurred, by: 2h}
  expires_after: 7d
  reveals: [patient.given_name]
"""


def write_rules(folder: Path) -> Path:
    """The shipped policy and one rule about an audience."""
    folder.mkdir()
    copy(shipped("rules") / "policy.yaml", folder)
    copytree(shipped("rules") / "templates" / "visit_aftercare", folder / "templates" / "audience_education")
    (folder / "audience-education.yaml").write_text(RULE)
    return folder


def read(message: RawMessage) -> Reading:
    """A member of an audience, or the end of one; and how they are reached, where `email` is told."""
    received = b"%d\x00%b" % (message.received, message.body)
    try:
        told = rowjson.parse(message.body)
        event = _event(told.key, told.row, message.received)
    except Unreadable as error:
        return Reading(type="audience", body_key=received, noticed=(error.fault,), ack=error.ack)
    return Reading(
        type="audience", control_id=told.key, control_key=f"audience|{told.key}", body_key=received, events=(event,)
    )


def _event(key: str, row: Mapping[str, Any] | None, received: int) -> PatientEvent:
    status = "inactive" if row is None or row.get("status") == "left" else "active"
    if row is not None and row.get("mrn") is None:
        raise Unreadable(Fault(code=101, rule="the row says nobody's number"), AckCode.AE)
    kind = EventKind.AUDIENCE_ENTERED if status == "active" else EventKind.AUDIENCE_LEFT
    numbers = [] if row is None else [one for one in (row.get("mrn"), row.get("other")) if one]
    at = received if row is None else int(row.get("at") or received)
    return PatientEvent(
        kind=kind,
        identifiers=tuple(Identifier("LAKESIDE", "MR", one) for one in numbers),
        person=_person(None if row is None else row.get("email")),
        occurred=at,
        recorded=at,
        production=True,
        occurrence=Occurrence(kind=OccurrenceKind.GROUP, key=f"audience|{key}", status=status),
        facts={"audience.status": status, ROW_KEY: key},
        existing=True,
    )


def _person(email: str | None) -> Person:
    if not email:
        return Person(b"", b"", lambda: Told(Demographics(), {}))
    point = ContactPoint(system=ContactSystem.EMAIL, value=email, use=ContactUse.HOME)
    return Person(email.encode(), b"", lambda: Told(Demographics(telecom=(("audience.email", (point,)),)), {}))


def admission(mrn: str, email: str | None = None, given: str = "Ann") -> RawMessage:
    """What makes a patient known: another feed's message, as its reader would read it."""
    body = json.dumps({"mrn": mrn, "email": email, "given": given}).encode()
    return RawMessage(source="ehr", format=Format.HL7V2, body=body, received=0)


def _read_ehr(message: RawMessage) -> Reading:
    told = json.loads(message.body)
    points = (
        [ContactPoint(system=ContactSystem.EMAIL, value=told["email"], use=ContactUse.HOME)] if told["email"] else []
    )
    demographics = Demographics(given_name=told["given"], telecom=(("PID-13", tuple(points)),))
    event = PatientEvent(
        kind=EventKind.PATIENT_UPDATED,
        identifiers=(Identifier("LAKESIDE", "MR", told["mrn"]),),
        person=Person(message.body, b"", lambda: Told(demographics, {})),
        occurred=1,
        recorded=1,
        production=True,
    )
    return Reading(type="ADT^A08", control_id=told["mrn"], control_key=None, events=(event,))


class Audience:
    """A source of rows without a table: what it says is pushed in chunks, as a source would."""

    def __init__(self, store: Store, folder: Path, guards: Guards | None = None) -> None:
        if not folder.exists():
            write_rules(folder)
        self.store = store
        self.entry, ehr = _sources(store)
        place = Organization(
            id="lakeside", name="Lakeside", zone="UTC", sender_name="L", sender_email="l@lakeside.example", callback="1"
        )
        site = Site(
            organizations={"lakeside": place}, locations={}, sources={NAME: self.entry, "ehr": ehr}, production=True
        )
        active = rules.activate(store, read_files(folder), folder, account="os:test")
        self.site = site
        self.rings: list[int] = []
        self.receiver = Receiver(
            store=store,
            site=site,
            rules=rules.ActiveRules(active, store),
            readers=lambda _rules: {NAME: self.read, "ehr": _read_ehr},
            ring=self.rings.extend,
        )
        self.guards = guards or Guards()
        self.book = RowBook(store, self.entry, self.receiver, self.read, self.guards)

    def read(self, message: RawMessage) -> Reading:
        """Replaced by tests that want it to fail."""
        return read(message)

    def knows(self, *mrns: str, email: str | None = None) -> None:
        """These people are patients."""
        self.receiver.receive([admission(one, email) for one in mrns])

    def pulls(
        self,
        rows: Mapping[str, Mapping[str, Any] | None],
        *,
        mode: ExtractMode = ExtractMode.SNAPSHOT,
        chunk: int = 3,
        **begin: Any,
    ) -> ExtractState:
        """The whole table from the beginning to the end, or from where it stopped. None for a row: its source says it is gone."""
        told = [row(key, one) for key, one in rows.items()]
        state = self.book.open() or self.book.begin(mode, **begin)
        for at in range(int(state.cursor or 0), len(told), chunk):
            some = told[at : at + chunk]
            state = self.book.take(state, some, str(at + len(some)))
        return self.book.finish(state, rows=len(told))

    def rows(self) -> int:
        """How many are known."""
        return self._count(tables.table_row)

    def requests(self) -> dict[str, int]:
        """How many by state and reason."""
        r = tables.request.c
        with self.store.read() as unit:
            found = unit.all(Statement("t", select(r.state, r.reason, func.count()).group_by(r.state, r.reason)))
        return {" ".join(filter(None, (state, reason))): count for state, reason, count in found}

    def occurrences(self) -> list[str]:
        """The statuses of all."""
        with self.store.read() as unit:
            return sorted(one for (one,) in unit.all(Statement("t", select(tables.occurrence.c.status))))

    def patients(self) -> int:
        """How many."""
        return self._count(tables.patient)

    def messages(self) -> int:
        """How many were stored of its rows."""
        with self.store.read() as unit:
            return len(unit.lookup(tables.raw, ("id",), "source", [self.entry.id]))

    def _count(self, table: Any) -> int:
        with self.store.read() as unit:
            return int(unit.all(Statement("t", select(func.count()).select_from(table)))[0][0])


def row(key: str, told: Mapping[str, Any] | None, at: int | None = None) -> Row:
    """One row; None: its source says that it is gone."""
    return Row(key=key, body=b"" if told is None else rowjson.told(key, told), at=at)


def members(*mrns: str, **more: Any) -> dict[str, dict[str, Any]]:
    """Rows of an audience by key."""
    return {f"{one}|a": {"mrn": one, "status": "in", **more} for one in mrns}


def summed(state: ExtractState) -> int:
    """What became of rows, all together; must be all that were brought."""
    apart = {"rows", "known", "before", "left", "ended", "entered"}
    return sum(count for name, count in state.counts.items() if name not in apart)


def _sources(store: Store) -> Sequence[SourceEntry]:
    with store.begin("test") as uow:
        names = [NAME, "ehr"]
        known = dict(uow.lookup(tables.source, ("name", "id"), "name", names))
        fresh = [(uow.new_id(), one, 0, None) for one in names if one not in known]
        uow.insert(tables.source, ("id", "name", "held", "last_received"), fresh)
        uow.audit([("configuration.read",)])
        uow.commit()
        known.update((one[1], one[0]) for one in fresh)
    return [SourceEntry(id=known[one], name=one, zone="UTC", organization="lakeside") for one in names]
