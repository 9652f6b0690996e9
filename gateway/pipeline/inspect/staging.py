"""What a message means for the gates, staged in a unit of work that is never committed: a look changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from gateway.model.audit import Action
from gateway.model.consent import ChannelKind
from gateway.model.errors import CommandError, KeyringError
from gateway.model.event import AckCode, Format, RawMessage
from gateway.model.facts import FactValue
from gateway.model.when import Millis, Precision, When
from gateway.pipeline.across import Across
from gateway.pipeline.applying import Applier
from gateway.pipeline.batch import Batch
from gateway.pipeline.directory import Directory
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.scenes import Stage, StoredScene
from gateway.pipeline.inspect.unfired import changed_since, unmatched
from gateway.pipeline.inspect.words import words
from gateway.pipeline.joining import reread
from gateway.pipeline.parting import is_part
from gateway.pipeline.preparing import Prepared, prepare
from gateway.pipeline.rows import OccurrenceRow
from gateway.pipeline.rules import Active
from gateway.ports import Channel, Reader
from gateway.store import tables
from gateway.store.uow import UnitOfWork

_decode = msgspec.json.Decoder(list[list[Any]]).decode
_TOLD = (Action.EVENT_APPLIED, Action.EVENT_UNCHANGED, Action.EVENT_STALE)


@contextmanager
def staged_file(
    gateway: Inspectable,
    channels: Mapping[ChannelKind, Channel],
    rules: Active,
    message: RawMessage,
    reader: Reader,
    *,
    account: str,
    as_of: Millis | None = None,
) -> Iterator[Stage]:
    """What `receive` would make of a message now, by `receive`'s own code; undone afterwards. Raises StoreError."""
    prepared = prepare(gateway.store.keyring, message, reader(message))
    with gateway.store.begin(account) as uow:
        uow.now = as_of or uow.now  # never committed: nothing gets this time
        batch = _batch(gateway, uow, rules)
        batch.load([prepared])
        stage = _stage(gateway, channels, rules, batch, message, prepared, as_of)
        stage.notes += [f"received before, as message {one}" for one in _earlier(batch, prepared)]
        if is_part(batch, prepared):
            stage.notes.append("a part of a message: nothing comes of it before the others are there")
        elif prepared.reading.ack is AckCode.AA:
            _apply(stage, batch, prepared, uow.new_id())
        yield stage


def _apply(stage: Stage, batch: Batch, prepared: Prepared, raw: int) -> None:
    applier = Applier(batch, stage.directory, stage.site, stage.rules, baseline=False)
    applied = applier.apply(prepared, raw)
    patients = stage.directory.patients
    stage.known = tuple(token for token in dict.fromkeys(applied.patients) if not patients[token].new)
    stage.log = tuple(words(entry) for entry in applied.entries)
    batch.flush()  # so that look-ups see it
    for entry in applied.entries:
        row = _row_of(batch.occurrences.values(), entry)
        if row is not None:
            told = _occurred(prepared, row)
            stage.scenes.append(_scene(stage, row, entry, received=batch.uow.now, occurred=told, whole=True))


@contextmanager
def staged_message(
    gateway: Inspectable,
    channels: Mapping[ChannelKind, Channel],
    rules: Active,
    readers: Mapping[str, Reader],
    message: int,
    *,
    account: str,
    at_receipt: bool = False,
) -> Iterator[Stage]:
    """A stored message with what is known of its patient now, undone afterwards.

    `at_receipt`: with the clock, the ledger and what had left as they were when it was received. Only look-ups by key.
    Raises CommandError when there is no such message, or its patient was erased; StoreError.
    """
    with gateway.store.begin(account) as uow:
        found = uow.lookup(tables.raw, ("source", "received", "type"), "id", [message])
        if not found:
            raise CommandError(f"there is no message {message}; `caregate load` and `caregate trace` show message ids")
        source, received, kind = found[0]
        entries = [
            entry for (told,) in uow.lookup(tables.audit, ("entries",), "id", [message]) for entry in _decode(told)
        ]
        name = next((one for one, entry in gateway.site.sources.items() if entry.id == source), str(source))
        if at_receipt:
            uow.now = received
        opened = reread(uow, message) if name in readers else None
        prepared = None
        if opened is not None:
            body, charset = opened
            raw = RawMessage(
                source=name, format=gateway.feeds[name].format, body=body, received=received, charset=charset
            )
            prepared = prepare(gateway.store.keyring, raw, readers[name](raw))
        batch = _batch(gateway, uow, rules)
        format_ = gateway.feeds[name].format if name in gateway.feeds else Format.HL7V2
        blank = RawMessage(source=name, format=format_, body=b"", received=received)
        stage = _stage(gateway, channels, rules, batch, blank, prepared, received if at_receipt else None)
        same = changed_since(gateway, uow, received) is None  # the same words as `trace` has
        stage.log = tuple((unmatched(gateway, entry) if same else None) or words(entry) for entry in entries)
        stage.message, stage.type = message, kind
        stage.ignored = stage.ignored or next((e[1] for e in entries if e[0] == Action.MESSAGE_IGNORED), None)
        if opened is None:
            stage.notes.append("its bytes are gone: facts that nobody kept cannot be looked up")
        _recall(stage, batch, entries, prepared, message)
        yield stage


def _recall(
    stage: Stage, batch: Batch, entries: Sequence[Sequence[Any]], prepared: Prepared | None, message: int
) -> None:
    """Set the scenes of what the message was about, as they stand, with what the message itself told on top."""
    told = [entry for entry in entries if entry[0] in _TOLD and len(entry) > 2 and isinstance(entry[2], int)]
    rows = batch.uow.lookup(tables.occurrence, OccurrenceRow.COLUMNS, "id", sorted({entry[2] for entry in told}))
    try:
        batch.take([OccurrenceRow(*row) for row in rows])
    except KeyringError:  # Erased is one
        raise CommandError(f"what message {message} was about cannot be opened: its patient was erased") from None
    links = batch.uow.lookup(tables.audit_patient, ("patient",), "audit", [message])
    stage.known = tuple(sorted({*(token for (token,) in links), *stage.directory.patients}))
    for entry in told:
        row = _row_of(batch.occurrences.values(), entry)
        if row is None:
            stage.notes.append(f"occurrence {entry[2]} is not there any more")
            continue
        later = row.raw != message
        if later:
            again = (
                f"was told of again since, by message {row.raw}" if row.raw else "is over and its facts are forgotten"
            )
            stage.notes.append(f"occurrence {row.id} {again}")
        whole = prepared is not None and _retold(row, prepared, entry, later=later)
        occurred = None if prepared is None else _occurred(prepared, row)
        stage.scenes.append(_scene(stage, row, entry, received=stage.received, occurred=occurred, whole=whole))


def _retold(row: OccurrenceRow, prepared: Prepared, entry: Sequence[Any], *, later: bool) -> bool:
    """Put what the message told into its occurrence; whether the message could be read again.

    What is stored is newer or equal, unless a `later` message changed it: then what this one told goes first.
    """
    for one in prepared.events:
        if row.key in one.keys:
            facts, known = dict(one.event.facts), row.facts or {}
            applied = entry[0] == Action.EVENT_APPLIED
            row.facts = {**known, **facts} if later and applied else {**facts, **known}
            if later and applied and not one.event.kind.is_update:
                row.reached_by, row.occurred = str(entry[1]), one.event.occurred
            return True
    return False


def _row_of(rows: Iterable[OccurrenceRow], entry: Sequence[Any]) -> OccurrenceRow | None:
    """The occurrence an audit entry about an event names."""
    if entry[0] not in _TOLD or len(entry) < 3:
        return None
    return next((row for row in rows if row.id == entry[2]), None)


def _occurred(prepared: Prepared, row: OccurrenceRow) -> Millis | None:
    return next((one.event.occurred for one in prepared.events if row.key in one.keys), None)


def _scene(
    stage: Stage, row: OccurrenceRow, entry: Sequence[Any], *, received: Millis, occurred: Millis | None, whole: bool
) -> StoredScene:
    directory, uow = stage.directory, stage.directory.uow
    patient = directory.root(row.patient)
    told: dict[str, FactValue] = dict(row.facts or {})
    zone = stage.site.zone(stage.site.location(told, row.facility), row.source)
    told.update(directory.facts(patient, received, zone))
    told["event.occurred"] = When(row.occurred, zone, Precision.SECOND)
    return StoredScene(
        event=row.reached_by,
        standing=str(entry[0]),
        status=row.status,
        now=received,
        looked=uow.now,
        occurred=row.occurred if occurred is None else occurred,
        zone=zone,
        row=row,
        patient=patient,
        facts=told,
        whole=whole,
        stage=stage,
    )


def _batch(gateway: Inspectable, uow: UnitOfWork, rules: Active) -> Batch:
    directory = Directory(uow, gateway.store.keyring, rules.ruleset.policy)
    ids = {name: entry.id for name, entry in gateway.site.sources.items()}
    return Batch(uow, gateway.store.keyring, directory, ids)


def _earlier(batch: Batch, prepared: Prepared) -> list[int]:
    """Messages with the same control key and body that were taken (D-02)."""
    return [
        seen.id
        for control in prepared.control
        for seen in batch.seen.get(control, ())
        if seen.body in prepared.bodies and not seen.refused
    ]


def _stage(
    gateway: Inspectable,
    channels: Mapping[ChannelKind, Channel],
    rules: Active,
    batch: Batch,
    message: RawMessage,
    prepared: Prepared | None,
    as_of: Millis | None,
) -> Stage:
    reading = None if prepared is None else prepared.reading
    return Stage(
        source=message.source,
        message=None,
        type="" if reading is None else reading.type,
        received=message.received,
        body=reading is not None,
        production=prepared is None or not prepared.reading.events or bool(prepared.events),
        ignored=None if reading is None else reading.ignored,
        faults=() if reading is None else reading.noticed,
        site=gateway.site,
        channels=channels,
        rules=rules,
        directory=batch.directory,
        across=Across(batch, gateway.site, rules.ruleset),
        as_of=as_of,
    )


def account_look(gateway: Inspectable, stage: Stage, *, reason: str, account: str) -> None:
    """Audit that somebody was shown what is about the staged people; nothing may be shown before. Raises StoreError."""
    with gateway.store.begin(account) as uow:
        about = () if stage.message is None else (stage.message,)
        uow.audit([(Action.CONTENT_READ, "explain", *about, reason)], patients=stage.known)
        uow.commit()
