"""Receives messages: an outcome is returned only after everything it says is on disk, decided and audited (law 1)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway import telemetry
from gateway.model.audit import Action
from gateway.model.errors import CaregateError, Conflict, StoreUnavailable
from gateway.model.event import AckCode, Fault, Outcome, RawMessage, Reading, Result, Severity
from gateway.pipeline.applying import Applier
from gateway.pipeline.batch import Batch, Prepared, Seen, prepare
from gateway.pipeline.directory import Directory
from gateway.pipeline.rules import ActiveRules
from gateway.pipeline.site import Site
from gateway.ports import Reader
from gateway.store.engine import Store

Ring = Callable[[Sequence[int]], None]

_TRIES = 5
_PAUSE = 0.01  # seconds before the second try; doubled each time
_REFUSALS = frozenset({200, 201, 202, 203})  # table 0357: type, event, processing id, version
_OURS = Fault(code=207, rule="application internal error", severity=Severity.FATAL)


class Receiver:
    """Reads, maps, matches, plans and audits batches of raw messages in one transaction each."""

    def __init__(
        self,
        *,
        store: Store,
        site: Site,
        rules: ActiveRules,
        readers: Mapping[str, Reader],
        ring: Ring = lambda _ids: None,
    ) -> None:
        self._store = store
        self._site = site
        self._rules = rules
        self._readers = readers
        self._ring = ring
        self._source_ids = {name: entry.id for name, entry in site.sources.items()}

    def receive(self, batch: Sequence[RawMessage], *, baseline: bool = False) -> list[Outcome]:
        """Outcomes in the order of `batch`; each is committed, or FAILED with nothing stored (A-04).

        `baseline`: store state and plan nothing (go-live day). Never raises for a message's sake.
        """
        started = time.perf_counter()
        prepared = [self._prepare(message) for message in batch]
        outcomes = self._commit(prepared, baseline)
        if outcomes is None:
            outcomes = [self._alone(message, baseline, again=len(batch) > 1) for message in batch]
        _count(batch, outcomes, time.perf_counter() - started)
        return outcomes

    def _alone(self, message: RawMessage, baseline: bool, *, again: bool) -> Outcome:
        """One member of a batch that could not be committed, read as a whole: what cannot be read is quarantined now."""
        one = self._prepare(message, whole=True)
        committed = self._commit([one], baseline) if again or one.reading.ack is not AckCode.AA else None
        return committed[0] if committed else self._failed(one)

    def _prepare(self, message: RawMessage, *, whole: bool = False) -> Prepared:
        return prepare(self._store.keyring, message, self._read(message, whole=whole))

    def _read(self, message: RawMessage, *, whole: bool) -> Reading:
        """A reader that fails on a message fails on it every time: the message is quarantined, the feed goes on (A-08).

        `whole`: the part about the person too, which otherwise is read when it is found to be new.
        """
        try:
            reading = self._readers[message.source](message)
            return replace(reading, noticed=reading.faults) if whole else reading
        except Exception as error:  # noqa: BLE001  # whatever it says may quote the message
            telemetry.log().error("reader.crashed", source=message.source, error=type(error).__name__, exc_info=True)
            return Reading(noticed=(_OURS,), ack=AckCode.AR)

    def _commit(self, prepared: Sequence[Prepared], baseline: bool) -> list[Outcome] | None:
        """One transaction; None when it could not be committed and its members may fare better alone.

        Transient trouble is tried again; while the database stays away all members fail at once (A-04).
        """
        for attempt in range(_TRIES):
            try:
                return self._once(prepared, baseline)
            except StoreUnavailable as error:
                if not isinstance(error, Conflict):
                    time.sleep(_PAUSE * 2**attempt)
                if attempt == _TRIES - 1:
                    telemetry.log().error("receive.unavailable", error=type(error).__name__, count=len(prepared))
                    return None if isinstance(error, Conflict) else [self._failed(one) for one in prepared]
            except CaregateError as error:
                telemetry.log().error("receive.failed", error=type(error).__name__, count=len(prepared))
                return None
            except Exception as error:  # noqa: BLE001  # a fault of ours must not stop the feed's other messages
                telemetry.log().error("receive.crashed", error=type(error).__name__, count=len(prepared), exc_info=True)
                return None
        return None

    def _once(self, prepared: Sequence[Prepared], baseline: bool) -> list[Outcome]:
        rules = self._rules.current()
        with self._store.begin("receive") as uow:
            prepared = self._current(prepared)
            directory = Directory(uow, self._store.keyring, rules.ruleset.policy)
            batch = Batch(uow, self._store.keyring, directory, self._source_ids)
            batch.load(prepared)
            applier = Applier(batch, directory, self._site, rules, baseline=baseline)
            outcomes = [self._apply(batch, applier, one) for one in prepared]
            batch.flush()
            due = batch.rings(uow.now)
            uow.commit()
        if due:
            self._ring(due)
        return outcomes

    def _current(self, prepared: Sequence[Prepared]) -> Sequence[Prepared]:
        """Digests anew when the index key was rotated between reading and this unit; otherwise what was prepared."""
        keyring = self._store.keyring
        if all(one.generation == keyring.generation for one in prepared):
            return prepared
        return [prepare(keyring, one.message, one.reading) for one in prepared]

    def _apply(self, batch: Batch, applier: Applier, one: Prepared) -> Outcome:
        earlier = _repeat(batch, one)
        if earlier is not None:
            return _repeated(batch, one, earlier)
        if one.reading.ack is not AckCode.AA:
            return self._refuse(batch, one)
        return _take(batch, applier, one)

    def _refuse(self, batch: Batch, one: Prepared) -> Outcome:
        """Not readable, or of a kind the standard does not know: kept sealed, with the refusal it asks for."""
        reading = one.reading
        fault = reading.noticed[0]
        rejected = fault.code in _REFUSALS
        result = Result.REJECTED if rejected else Result.QUARANTINED
        ack = reading.ack if rejected else self._quarantine_ack(one)
        if again := _already_open(batch, one):
            batch.uow.audit([(Action.MESSAGE_REPEATED, again.id, {"source": one.message.source})])
            return _outcome(reading, result, ack, again.id, reason=fault.rule)
        raw = batch.uow.new_id()
        place = str(fault.place or "")
        batch.keep_raw(one, raw, ack.value, result.value)
        if not rejected:
            batch.quarantine(one, raw, fault.code, place, fault.rule)
        details = {
            "source": one.message.source,
            "type": reading.type,
            "ack": ack.value,
            "code": fault.code,
            "place": place,
        }
        batch.uow.audit([(Action.MESSAGE_QUARANTINED, result.value, fault.rule, details)], id=raw)
        return _outcome(reading, result, ack, raw, reason=fault.rule)

    def _quarantine_ack(self, one: Prepared) -> AckCode:
        """The refusal the standard asks for, or AA for feeds that would block behind it (configured per feed)."""
        configured = self._site.sources[one.message.source].quarantine_ack
        return AckCode.AA if configured == "AA" else one.reading.ack

    @staticmethod
    def _failed(one: Prepared) -> Outcome:
        return Outcome(
            result=Result.FAILED,
            ack=AckCode.AR,
            type=one.reading.type,
            control_id=one.reading.control_id,
            reason=_OURS.rule,
            faults=(_OURS,),
        )


def _count(batch: Sequence[RawMessage], outcomes: Sequence[Outcome], seconds: float) -> None:
    """Metrics, once per batch and source."""
    results: dict[str, Counter[Result]] = {}
    for message, outcome in zip(batch, outcomes, strict=True):
        results.setdefault(message.source, Counter())[outcome.result] += 1
    for source, counts in results.items():
        telemetry.count_messages(source, counts)
    telemetry.observe_receive(seconds, len(batch))


def _repeat(batch: Batch, one: Prepared) -> Seen | None:
    """The earlier copy this message repeats: same control key, same body, and that copy was taken (D-02, D-04)."""
    for control in one.control:
        for seen in batch.seen.get(control, ()):
            if seen.body in one.bodies and seen.result in (Result.ACCEPTED, Result.IGNORED):
                return seen
    return None


def _repeated(batch: Batch, one: Prepared, earlier: Seen) -> Outcome:
    """Nothing new is stored; the original acknowledgement is repeated (D-02)."""
    batch.uow.audit([(Action.MESSAGE_REPEATED, earlier.id, {"source": one.message.source})])
    reason = f"repeats message {earlier.id}"
    return _outcome(one.reading, Result.DUPLICATE, AckCode(earlier.ack), earlier.id, reason=reason)


def _already_open(batch: Batch, one: Prepared) -> Seen | None:
    """The copy of this very message that was refused and not mended: a blocked sender resends it for ever (A-08)."""
    for control in one.control:
        kept = batch.open_quarantine.get(control, ())
        for seen in batch.seen.get(control, ()):
            if seen.body in one.bodies and (seen.id in kept or seen.result == Result.REJECTED):
                return seen
    return None


def _take(batch: Batch, applier: Applier, one: Prepared) -> Outcome:
    """A readable message: applied, or recorded as ignored with its reason (A-06)."""
    reading = one.reading
    raw = batch.uow.new_id()
    reused = any(seen.body not in one.bodies for control in one.control for seen in batch.seen.get(control, ()))
    details: dict[str, Any] = {"source": one.message.source, "type": reading.type}
    if reused:
        details["control_id_reused"] = True  # D-03: processed as new, and flagged
    mended = _mended(batch, one)
    applied = applier.apply(one, raw)
    result = Result.IGNORED if reading.ignored else Result.ACCEPTED
    action = Action.MESSAGE_IGNORED if reading.ignored else Action.MESSAGE_RECEIVED
    head = (action, reading.ignored, details) if reading.ignored else (action, details)
    batch.keep_raw(one, raw, reading.ack.value, result.value)
    for entry in mended:
        batch.resolve_quarantine(entry)
        applied.entries.append((Action.MESSAGE_RELEASED, entry, "resolved by a good resend"))
    batch.uow.audit(
        [head, *applied.entries], id=raw, patients=applied.patients, ruleset=applier.rules.id if applied.rules else None
    )
    return _outcome(
        reading,
        result,
        reading.ack,
        raw,
        reason=reading.ignored or applied.reason,
        events=applied.events,
        rules=applied.rules,
        faults=applied.faults,
    )


def _mended(batch: Batch, one: Prepared) -> list[int]:
    """Quarantined first copies of this message, now settled (D-04).

    The same bytes read well settle their entry. Other bytes under the same control id do so only when the type is
    the same (or was unreadable) and the id was not in good use otherwise: senders that restart their counters
    would settle each other's entries.
    """
    found: list[int] = []
    for control in one.control:
        seen = batch.seen.get(control, [])
        entries = batch.open_quarantine.get(control, set())
        shared = any(not earlier.refused and earlier.body not in one.bodies for earlier in seen)
        for earlier in seen:
            same = earlier.body in one.bodies
            alike = not shared and earlier.type in ("", one.reading.type)
            if earlier.id in entries and (same or alike):
                entries.discard(earlier.id)
                found.append(earlier.id)
    return found


def _outcome(
    reading: Reading,
    result: Result,
    ack: AckCode,
    raw: int,
    *,
    reason: str | None = None,
    events: Sequence[str] = (),
    rules: Sequence[str] = (),
    faults: Sequence[Fault] = (),
) -> Outcome:
    return Outcome(
        result=result,
        ack=ack,
        message=raw,
        type=reading.type,
        control_id=reading.control_id,
        events=tuple(events),
        reason=reason,
        faults=(*reading.noticed, *(one for one in faults if one not in reading.noticed))
        if faults
        else reading.noticed,
        rules=tuple(rules),
    )
