"""Receives messages: an outcome is returned only after everything it says is on disk, decided and audited (law 1)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from gateway import telemetry
from gateway.model.audit import Action
from gateway.model.errors import CaregateError, Conflict, GuardError, StoreUnavailable
from gateway.model.event import AckCode, Fault, Format, Outcome, RawMessage, Reading, Result, Severity
from gateway.pipeline import campaigns, deferring, departing, repeating, versions
from gateway.pipeline.applying import Applier
from gateway.pipeline.batch import Batch, Seen
from gateway.pipeline.directory import Directory
from gateway.pipeline.parting import first_control_id, is_part
from gateway.pipeline.parting import take as take_part
from gateway.pipeline.preparing import Prepared, Readings, prepare
from gateway.pipeline.rules import Active, ActiveRules, Superseded
from gateway.pipeline.sequencing import Numbers
from gateway.pipeline.site import Site
from gateway.ports import Reader
from gateway.ruleset.index import RuleSet
from gateway.store.engine import Store

Ring = Callable[[Sequence[int]], None]
Readers = Callable[[RuleSet], Mapping[str, Reader]]
"""By source what reads its messages, for the facts that a rule set asks for; must be quick."""

Beside = Callable[[Batch, Sequence[Prepared], Sequence[Outcome]], None]
"""What else is written in the unit that commits these messages: all of a batch, or one of them alone when all failed together."""

_TRIES = 5
_PAUSE = 0.01  # seconds before the second try; doubled each time
_REFUSALS = frozenset({200, 201, 202, 203})  # table 0357: type, event, processing id, version
# Members by module constants: an attribute of an Enum class costs ten times as much (Python 3.11).
_AA, _ACCEPTED, _IGNORED, _RECEIVED = AckCode.AA, Result.ACCEPTED, Result.IGNORED, Action.MESSAGE_RECEIVED
_FHIR, _TABLE = Format.FHIR, Format.TABLE
_OURS = Fault(code=207, rule="application internal error", severity=Severity.FATAL)
_STUMBLED = Fault(
    code=207,
    rule="a fault of ours: it can be read and not be applied; replay it once that is mended",
    severity=Severity.FATAL,
)


class Receiver:
    """Reads, maps, matches, plans and audits batches of raw messages in one transaction each."""

    _batch: type[Batch] = Batch

    def __init__(
        self,
        *,
        store: Store,
        site: Site,
        rules: ActiveRules,
        readers: Readers,
        ring: Ring = lambda _ids: None,
    ) -> None:
        self._store = store
        self._site = site
        self._rules = rules
        self._readers = readers
        self._ring = ring
        self._source_ids = {name: entry.id for name, entry in site.sources.items()}

    def receive(
        self,
        batch: Sequence[RawMessage],
        *,
        baseline: bool = False,
        readings: Readings | None = None,
        beside: Beside | None = None,
    ) -> list[Outcome]:
        """Outcomes in the order of `batch`; each is committed, or FAILED with nothing stored (A-04).

        `baseline`: store state and plan nothing (go-live day). `readings`: of `batch`, where it was read already; they
        hold for the facts they were read for. `beside`: writes what else belongs to these messages into the unit they are
        committed in, a cursor say; its GuardError is raised, and nothing was stored. Else never raises for a message's sake.
        """
        started = time.perf_counter()
        rules = self._rules.current()
        read = readings.each if readings and readings.facts == rules.ruleset.facts_used else [None] * len(batch)
        prepared = [self._prepare(message, rules, known=one) for message, one in zip(batch, read, strict=True)]
        outcomes = self._commit(prepared, rules, baseline, beside=beside)
        if outcomes is None:
            outcomes = [self._alone(message, baseline, beside=beside) for message in batch]
        _count(batch, outcomes, time.perf_counter() - started)
        return outcomes

    def _alone(self, message: RawMessage, baseline: bool, *, beside: Beside | None = None) -> Outcome:
        """One member of a batch that could not be committed, read as a whole: what cannot be read is quarantined now.

        So is what we stumble over again although the database is there, or its feed would never get past it (A-08).
        """
        rules = self._rules.current()
        one = self._prepare(message, rules, whole=True)
        committed = self._commit([one], rules, baseline, whole=True, beside=beside)
        if committed is None:
            committed = self._commit([_stumbled(one)], rules, baseline, whole=True, beside=beside)
        return committed[0] if committed else self._failed(one)

    def _prepare(
        self, message: RawMessage, rules: Active, *, whole: bool = False, known: Reading | None = None
    ) -> Prepared:
        reading = known or self._read(message, rules, whole=whole)
        try:
            return prepare(self._store.keyring, message, reading)
        except Exception as error:  # noqa: BLE001  # whatever it says may quote the message
            return prepare(self._store.keyring, message, _crashed(message, error))

    def _read(self, message: RawMessage, rules: Active, *, whole: bool) -> Reading:
        """A reader that fails on a message fails on it every time: the message is quarantined, the feed goes on (A-08).

        `whole`: the part about the person too, which otherwise is read when it is found to be new.
        """
        try:
            reading = self._readers(rules.ruleset)[message.source](message)
            return replace(reading, noticed=reading.faults) if whole else reading
        except Exception as error:  # noqa: BLE001  # whatever it says may quote the message
            return _crashed(message, error)

    def _commit(
        self,
        prepared: Sequence[Prepared],
        rules: Active,
        baseline: bool,
        *,
        whole: bool = False,
        beside: Beside | None = None,
    ) -> list[Outcome] | None:
        """One transaction; None when it could not be committed for its members' sake: they may fare better alone.

        Transient trouble is tried again; while the database stays away all members fail at once (A-04).
        When other rules are in force by now, the messages are read anew for the facts these ask for.
        """
        superseded = False
        for attempt in range(_TRIES):
            try:
                if superseded:
                    rules = self._rules.renew()
                    prepared = [self._prepare(one.message, rules, whole=whole) for one in prepared]
                    superseded = False
                return self._once(prepared, rules, baseline, beside)
            except StoreUnavailable as error:
                superseded = isinstance(error, Superseded)
                if not isinstance(error, Conflict):
                    time.sleep(_PAUSE * 2**attempt)
                if attempt == _TRIES - 1:
                    telemetry.log().error("receive.unavailable", error=type(error).__name__, count=len(prepared))
                    several = isinstance(error, Conflict) and len(prepared) > 1
                    return None if several else [self._failed(one) for one in prepared]
            except GuardError:
                raise
            except CaregateError as error:
                telemetry.log().error("receive.failed", error=type(error).__name__, count=len(prepared))
                return None
            except Exception as error:  # noqa: BLE001  # a fault of ours must not stop the feed's other messages
                telemetry.log().error("receive.crashed", error=type(error).__name__, count=len(prepared), exc_info=True)
                return None
        return None

    def _once(
        self, prepared: Sequence[Prepared], rules: Active, baseline: bool, beside: Beside | None
    ) -> list[Outcome]:
        with self._store.begin("receive") as uow:
            self._rules.confirm(uow, rules)
            prepared = self._current(prepared)
            directory = Directory(uow, self._store.keyring, rules.ruleset.policy)
            batch = self._batch(uow, self._store.keyring, directory, self._source_ids)
            batch.load(prepared)
            applier = Applier(batch, directory, self._site, rules, baseline=baseline)
            outcomes = self._apply_all(batch, applier, prepared)
            if beside is not None:
                beside(batch, prepared, outcomes)
            batch.flush()
            campaigns.count_planned(uow, batch, rules.ruleset)
            due = batch.rings(uow.now)
            uow.commit()
        if batch.numbers is not None:
            _tell_refused(batch.numbers)
        if due:
            self._ring(due)
        return outcomes

    def _current(self, prepared: Sequence[Prepared]) -> Sequence[Prepared]:
        """Digests anew when the index key was rotated between reading and this unit; otherwise what was prepared."""
        keyring = self._store.keyring
        if all(one.generation == keyring.generation for one in prepared):
            return prepared
        return [prepare(keyring, one.message, one.reading) for one in prepared]

    def _apply_all(self, batch: Batch, applier: Applier, prepared: Sequence[Prepared]) -> list[Outcome]:
        return [self._apply(batch, applier, one) for one in prepared]

    def _apply(self, batch: Batch, applier: Applier, one: Prepared) -> Outcome:
        if one.reading.sequence is not None:
            return self._numbered(batch, applier, one, one.reading.sequence)
        return self._decide(batch, applier, one)

    def _numbered(self, batch: Batch, applier: Applier, one: Prepared, number: int) -> Outcome:
        """A message of a feed that numbers them (D-07): in turn, repeated, or mending what is kept; else refused (D-11)."""
        numbers, source, name = batch.numbers, batch.source_id(one.message.source), one.message.source
        assert numbers is not None, "it was loaded with the batch"
        if number <= 0:
            return numbers.restart(source, one.reading, name)
        known = repeating.repeat(batch, one) or repeating.mends(batch, one, again=numbers.is_last(source, number))
        if not known and not numbers.expects(source, number):
            return numbers.refuse(source, one.reading, name)
        outcome = self._decide(batch, applier, one)
        numbers.take(source, number)
        return replace(outcome, sequence=number)

    def _decide(self, batch: Batch, applier: Applier, one: Prepared) -> Outcome:
        heard = batch.heard(one)
        earlier = repeating.repeat(batch, one) if heard else None
        if earlier is not None:
            return _repeated(batch, one, earlier)
        if one.reading.fragment is not None and is_part(batch, one):
            return take_part(
                batch,
                one,
                mended=partial(repeating.mended, batch, one),
                kept=repeating.already_open(batch, one),
                read=partial(self._read, rules=applier.rules, whole=False),
                settle=partial(self._settle, batch, applier),
                refusal=self._quarantine_ack(one.message.source, AckCode.AE),
            )
        return self._settle(batch, applier, one)

    def _settle(
        self, batch: Batch, applier: Applier, one: Prepared, *, raw: int | None = None, joined: Sequence[int] = ()
    ) -> Outcome:
        """Take a message that can be read, keep one that cannot. `raw`, `joined`: its id and parts, of one that was joined."""
        if one.reading.ack is not AckCode.AA:
            return self._refuse(batch, one, raw=raw, joined=joined)
        if one.message.format is _FHIR:
            return self._resource(batch, applier, one)
        return _take(batch, applier, one, raw=raw, joined=joined)

    def _resource(self, batch: Batch, applier: Applier, one: Prepared) -> Outcome:
        """A FHIR resource, once everybody it refers to is known; who could not be had is for a person to see to."""
        source = self._site.sources[one.message.source]
        if departing.people(batch, one) or (
            one.reading.ignored and versions.earlier(batch, one)
        ):  # something is taken back
            one = replace(one, reading=replace(one.reading, ignored=None))
        patients = deferring.unknown(batch, one, source)
        if not patients:
            return _take(batch, applier, deferring.as_first_told(batch, one, source))
        baseline = applier.is_baseline(one)
        deferred = deferring.defer(batch, one, source, patients, baseline=baseline)
        return self._refuse(batch, deferring.refused(one)) if deferred is None else deferred

    def _refuse(self, batch: Batch, one: Prepared, *, raw: int | None = None, joined: Sequence[int] = ()) -> Outcome:
        """Not readable, or of a kind the standard does not know: kept sealed, with the refusal it asks for."""
        reading = one.reading
        fault = reading.noticed[0]
        rejected = fault.code in _REFUSALS
        result = Result.REJECTED if rejected else Result.QUARANTINED
        ack = reading.ack if rejected else self._quarantine_ack(one.message.source, reading.ack)
        if raw is None and (again := repeating.already_open(batch, one)):
            batch.uow.audit([(Action.MESSAGE_REPEATED, again.id, {"source": one.message.source})])
            return _outcome(reading, result, ack, again.id, reason=fault.rule)
        raw = raw or batch.uow.new_id()
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
        head = (Action.MESSAGE_QUARANTINED, result.value, fault.rule, details)
        batch.uow.audit([head, *_joined(joined)], id=raw)
        return _outcome(reading, result, ack, raw, reason=fault.rule)

    def _quarantine_ack(self, source: str, told: AckCode) -> AckCode:
        """The refusal the standard asks for, or AA for feeds that would block behind it (configured per feed)."""
        return AckCode.AA if self._site.sources[source].quarantine_ack == "AA" else told

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


def _crashed(message: RawMessage, error: Exception) -> Reading:
    """What cannot be made out of a message because of a fault of ours; to be called where that is being handled."""
    telemetry.log().error("reader.crashed", source=message.source, error=type(error).__name__, exc_info=True)
    return Reading(noticed=(_OURS,), ack=AckCode.AR)


def _stumbled(one: Prepared) -> Prepared:
    """What is left of a message that we cannot apply: enough to keep it, and to know it when it comes again."""
    reading = replace(
        one.reading, events=(), rest=None, ignored=None, fragment=None, noticed=(_STUMBLED,), ack=AckCode.AE
    )
    return replace(one, reading=reading, events=[], resource=(), rest=None)


def _tell_refused(numbers: Numbers) -> None:
    """What came out of turn, once per batch and feed: its sender stops, and somebody must look (D-11)."""
    for source, count in numbers.refused.items():
        telemetry.log().warning("receive.sequence-unexpected", source=source, count=count)


def _count(batch: Sequence[RawMessage], outcomes: Sequence[Outcome], seconds: float) -> None:
    """Metrics, once per batch and source."""
    results: dict[str, Counter[Result]] = {}
    for message, outcome in zip(batch, outcomes, strict=True):
        results.setdefault(message.source, Counter())[outcome.result] += 1
    for source, counts in results.items():
        telemetry.count_messages(source, counts)
    telemetry.observe_receive(seconds, len(batch))


def _repeated(batch: Batch, one: Prepared, earlier: Seen) -> Outcome:
    """Nothing new is stored; the original acknowledgement is repeated (D-02)."""
    batch.uow.audit([(Action.MESSAGE_REPEATED, earlier.id, {"source": one.message.source})])
    reason = f"repeats message {earlier.id}"
    outcome = _outcome(one.reading, Result.DUPLICATE, AckCode(earlier.ack), earlier.id, reason=reason)
    if one.reading.fragment is None:
        return outcome
    waits = earlier.result == Result.INCOMPLETE
    return replace(outcome, whole="" if waits else first_control_id(batch.uow, earlier.id))


def _joined(parts: Sequence[int]) -> list[tuple[Any, ...]]:
    return [(Action.MESSAGE_JOINED, *parts)] if parts else []


def _take(
    batch: Batch, applier: Applier, one: Prepared, *, raw: int | None = None, joined: Sequence[int] = ()
) -> Outcome:
    """A readable message: applied, or recorded as ignored with its reason (A-06)."""
    reading = one.reading
    raw = raw or batch.uow.new_id()
    heard = batch.heard(one)
    details: dict[str, Any] = {"source": one.message.source, "type": reading.type}
    if (
        heard
        and one.message.format is not _TABLE
        and any(seen.body not in one.bodies for control in one.control for seen in batch.seen.get(control, ()))
    ):
        details["control_id_reused"] = True  # D-03: processed as new, and flagged
    if applier.is_baseline(one):
        details["baseline"] = True
    mended = repeating.mended(batch, one) if heard else ()
    applied = applier.apply(one, raw)
    result = _IGNORED if reading.ignored else _ACCEPTED
    head = (Action.MESSAGE_IGNORED, reading.ignored, details) if reading.ignored else (_RECEIVED, details)
    batch.keep_raw(one, raw, reading.ack.value, result.value)
    for entry in mended:
        batch.resolve_quarantine(entry)
        applied.entries.append((Action.MESSAGE_RELEASED, entry, "resolved by a good resend"))
    batch.uow.audit(
        [head, *_joined(joined), *applied.entries],
        id=raw,
        patients=applied.patients,
        ruleset=applier.rules.id if applied.rules else None,
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
