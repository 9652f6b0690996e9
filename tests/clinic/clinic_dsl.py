"""The clinic in the domain's words, over the real pipeline: what is said goes in as HL7 bytes, what leaves lies in mailboxes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import clinic_messages as hl7
from clinic_people import Person, made_up
from clinic_site import write_site
from dramatiq.broker import Broker
from sqlalchemy import func, select

from connectors.channels.recording import Answer, RecordingChannel
from gateway import worker
from gateway.app import Gateway, assemble
from gateway.app.assembly import deliverer_of, dispatcher_of
from gateway.model.agreement import Agreement
from gateway.model.consent import ChannelKind, ConsentKind
from gateway.model.errors import CommandError
from gateway.model.event import Outcome, RawMessage
from gateway.model.party import Identifier
from gateway.model.verdict import Reason
from gateway.model.when import DAY, HOUR, MINUTE, SECOND, Millis, to_datetime, to_millis
from gateway.pipeline import inspect
from gateway.pipeline.campaigns import ringing
from gateway.ports import Envelope, Handover, SetClock
from gateway.store import tables
from gateway.store.keyring import Keyring
from gateway.store.statement import Statement

_SPANS = {"d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND}
_NEXT = Statement(
    "test.next-ring", select(func.min(tables.request.c.ring_at)).where(tables.request.c.state == "active")
)
_WITHHELD = {"request.withheld", "request.withdrawn", "request.held", "communication.settled"}
_SETTLED = "communication.settled"
_REASONS = frozenset(Reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One e-mail as it arrived; `at` is the clinic's wall time."""

    at: str
    subject: str
    text: str
    html: str
    envelope: Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One request; `due` is the clinic's wall time."""

    id: int
    rule: str
    step: str
    state: str
    reason: str | None
    due: str
    attempts: int


class Postbox(RecordingChannel):
    """The recording channel, which also remembers when each message came."""

    def __init__(self, clock: SetClock) -> None:
        super().__init__(clock=clock)
        self.clock = clock
        self.times: list[Millis] = []
        self.before: Callable[[Envelope], None] | None = None

    def send(self, envelope: Envelope) -> Handover:
        """As the recording channel; `before` is called first, while the send is on its way."""
        if self.before is not None:
            self.before(envelope)
        count = len(self.envelopes)
        try:
            return super().send(envelope)
        finally:
            self.times += [self.clock.now()] * (len(self.envelopes) - count)


class Clinic:
    """A gateway with a feed that speaks when told, a clock that moves when told, and mailboxes to look into."""

    def __init__(self, folder: Path, url: str, keyring: Keyring, clock: SetClock, *, seed: str, **site: Any) -> None:
        self.folder, self.url, self.keyring, self.clock, self.seed = folder, url, keyring, clock, seed
        self.people: dict[str, Person] = {}
        self.post = Postbox(clock)
        self.rung: list[int] = []
        self._site: dict[str, Any] = {"broker": "memory://", **site}
        self._numbers: dict[str, int] = {}
        self._appointments: dict[str, list[str]] = {}
        self._visits: dict[str, list[str]] = {}
        self._starts: dict[str, dict[str, str]] = {}
        self.spoken: list[bytes] = []
        self.gateway: Gateway
        self.broker: Broker | None = None
        self._hangs_up: list[Callable[[], None]] = []
        self._opens()

    def _opens(self) -> None:
        settings = write_site(self.folder, database=self.url, **self._site)
        self.gateway = assemble(settings, clock=self.clock, keyring=self.keyring)
        self.gateway.channels[ChannelKind.EMAIL] = self.post  # type: ignore[index]  # a test's own channel
        for kind in ChannelKind:  # nobody is handed anything here
            self.gateway.site.agreements.setdefault(kind, Agreement(party="", because="a test"))  # type: ignore[attr-defined]
        self.gateway.doorbell.connect(self.rung.extend)
        self.deliverer = deliverer_of(self.gateway)
        self.dispatcher = dispatcher_of(self.gateway, self.rung.extend)

    def rings_through(self, url: str) -> None:
        """From now on doorbells go through a real broker and are answered by Dramatiq's own threads."""
        self.broker = worker.broker_for(url)
        bells = worker.declare(self.broker, self.deliverer.deliver, time_limit=90 * SECOND)
        self.gateway.doorbell.connect(bells.ring)
        self.dispatcher = dispatcher_of(self.gateway, bells.ring)
        self._hangs_up.append(partial(worker.close, self.broker))

    def works(self) -> None:
        """The workers begin."""
        assert self.broker is not None
        self._hangs_up.append(partial(worker.stop, worker.start(self.broker, 2)))

    def restarts(self, **site: Any) -> None:
        """Close the gateway and open it again, perhaps with another configuration or rule folder."""
        self.closes()
        self._site |= site
        self._opens()

    def closes(self) -> None:
        """Give everything back."""
        while self._hangs_up:
            self._hangs_up.pop()()
        self.gateway.close()

    # -- people

    def person(self, handle: str, **told: Any) -> Person:
        """The person of that name, made up when first asked for; `told` fixes single strings."""
        if handle not in self.people:
            self.people[handle] = made_up(handle, self.seed, **told)
        elif told:
            self.people[handle] = replace(self.people[handle], **told)
        return self.people[handle]

    def enrols(self, handle: str, **told: Any) -> Person:
        """Register somebody (A28) who says yes to treatment mail."""
        person = self.person(handle, **told)
        self.adds(handle)
        self.consents(handle, to="email")
        return person

    def identifier(self, handle: str) -> Identifier:
        """The medical record number by which people look somebody up."""
        return Identifier(system=hl7.AUTHORITY, type="MR", value=self.person(handle).mrn)

    def token(self, handle: str) -> int:
        """The token that stands for somebody now."""
        with self.gateway.store.begin("test") as uow:
            return inspect.trace.find_patient(uow, self.gateway, self.identifier(handle))

    # -- what the feed says

    def _next(self, what: str) -> int:
        self._numbers[what] = self._numbers.get(what, 0) + 1
        return self._numbers[what]

    def _control(self) -> str:
        return f"M{self._next('message'):05d}"

    def hears(self, message: bytes, *, source: str = "ehr", baseline: bool = False) -> Outcome:
        """One message arrives; what it rings at once is delivered."""
        return self.hears_together(message, source=source, baseline=baseline)[0]

    def hears_together(self, *messages: bytes, source: str = "ehr", baseline: bool = False) -> list[Outcome]:
        """Several messages arrive as one batch."""
        self.clock.set(self.clock.now() + SECOND)
        self.spoken += messages
        format_ = self.gateway.feeds[source].format
        raw = [RawMessage(source=source, format=format_, body=one, received=self.clock.now()) for one in messages]
        outcomes = self.gateway.receiver.receive(raw, baseline=baseline)
        self.answers_doorbells()
        return outcomes

    def schedules(
        self,
        trigger: str,
        *handles: str,
        start: str,
        appointment: str,
        status: str = "Booked",
        service: str = "PCP",
        place: str = "MAIN",
        pid: hl7.Fields | None = None,
        control: str | None = None,
        at: Millis | None = None,
        msh: hl7.Fields | None = None,
        sch: hl7.Fields | None = None,
        visit: Sequence[str] = (),
        extra: Sequence[str] = (),
    ) -> bytes:
        """A scheduling message as bytes; `visit` replaces the PV1 that follows each PID."""
        people = [hl7.pid(self.person(one), pid) for one in handles]
        if visit:
            people = ["\r".join([one, *visit]) for one in people]
        return hl7.siu(
            trigger,
            people,
            control=control or self._control(),
            at=at if at is not None else self.clock.now() + SECOND,
            appointment=appointment,
            start=start if re.fullmatch(r"\d*", start) else hl7.local(start),
            status=status,
            service=service,
            place=place,
            msh_=msh,
            sch=sch,
            extra=extra,
        )

    def books(self, handle: str, on: str, *, trigger: str = "S12", appointment: str | None = None, source: str = "ehr",
              baseline: bool = False, **more: Any) -> Outcome:  # fmt: skip
        """S12: an appointment at a wall time, such as "2026-03-20 09:30"."""
        name = appointment or f"A{self._next('appointment'):03d}"
        known = self._appointments.setdefault(handle, [])
        if name not in known:
            known.append(name)
        self._starts.setdefault(handle, {})[name] = on
        return self.hears(
            self.schedules(trigger, handle, start=on, appointment=name, **more),
            source=source,
            baseline=baseline,
        )

    def reschedules(self, handle: str, to: str, **more: Any) -> Outcome:
        """S13: the last appointment at another time."""
        return self._again("S13", handle, to, **more)

    def modifies(self, handle: str, **more: Any) -> Outcome:
        """S14: the last appointment, something other than its time."""
        return self._again("S14", handle, None, **more)

    def cancels(self, handle: str, **more: Any) -> Outcome:
        """S15."""
        return self._again("S15", handle, None, **{"status": "Cancelled", **more})

    def discontinues(self, handle: str, **more: Any) -> Outcome:
        """S16."""
        return self._again("S16", handle, None, **{"status": "Dc", **more})

    def deletes(self, handle: str, **more: Any) -> Outcome:
        """S17: it was entered in error."""
        return self._again("S17", handle, None, **{"status": "Deleted", **more})

    def misses(self, handle: str, **more: Any) -> Outcome:
        """S26: nobody came."""
        return self._again("S26", handle, None, **{"status": "Noshow", **more})

    def _again(self, trigger: str, handle: str, to: str | None, **more: Any) -> Outcome:
        name = str(more.pop("appointment", None) or self._appointments[handle][-1])
        start = to or self._starts.get(handle, {}).get(name) or "2026-03-20 09:30"
        return self.books(handle, start, trigger=trigger, appointment=name, **more)

    def visit(
        self,
        trigger: str,
        handle: str,
        *,
        pid: hl7.Fields | None = None,
        pv1: hl7.Fields | None = None,
        control: str | None = None,
        at: Millis | None = None,
        **more: Any,
    ) -> bytes:
        """An ADT message as bytes."""
        return hl7.adt(
            trigger,
            hl7.pid(self.person(handle), pid),
            control=control or self._control(),
            at=at if at is not None else self.clock.now() + SECOND,
            pv1=pv1,
            **more,
        )

    def admits(self, handle: str, **more: Any) -> Outcome:
        """A01: an inpatient visit begins."""
        return self._begins("A01", handle, "I", **more)

    def registers(self, handle: str, **more: Any) -> Outcome:
        """A04: somebody arrives as an outpatient."""
        return self._begins("A04", handle, "O", **more)

    def _begins(self, trigger: str, handle: str, kind: str, **more: Any) -> Outcome:
        self._visits.setdefault(handle, []).append(f"V{self._next('visit'):03d}")
        now = hl7.stamp(self.clock.now())
        return self._visited(trigger, handle, {2: kind, 44: now}, **more)

    def discharges(self, handle: str, *, disposition: str = "01", **more: Any) -> Outcome:
        """A03: the last visit ends; UB-04 disposition, home unless told."""
        now = hl7.stamp(self.clock.now())
        return self._visited("A03", handle, {2: "I", 36: disposition, 45: now}, **more)

    def updates(self, handle: str, **more: Any) -> Outcome:
        """A08: something about the last visit or the person."""
        return self._visited("A08", handle, {2: "I"}, **more)

    def cancels_admission(self, handle: str, **more: Any) -> Outcome:
        """A11."""
        return self._visited("A11", handle, {2: "I"}, **more)

    def cancels_discharge(self, handle: str, **more: Any) -> Outcome:
        """A13."""
        return self._visited("A13", handle, {2: "I"}, **more)

    def _visited(self, trigger: str, handle: str, told: Mapping[int, str], *, pv1: hl7.Fields | None = None,
                 visit: str | None = None, source: str = "ehr", **more: Any) -> Outcome:  # fmt: skip
        number = visit or self._visits.setdefault(handle, [f"V{self._next('visit'):03d}"])[-1]
        fields = {3: "MAIN", 10: "MED", 19: f"{number}^^^LAKESIDE", **told, **(pv1 or {})}
        return self.hears(self.visit(trigger, handle, pv1=fields, **more), source=source)

    def adds(self, handle: str, **more: Any) -> Outcome:
        """A28: a person, no visit."""
        return self.hears(self.visit("A28", handle, **more))

    def changes(self, handle: str, **more: Any) -> Outcome:
        """A31: something about the person."""
        return self.hears(self.visit("A31", handle, **more))

    def dies(self, handle: str) -> Outcome:
        """A31 with PID-30 = Y."""
        return self.changes(handle, pid={30: "Y"})

    def lives(self, handle: str) -> Outcome:
        """A31 that takes a death back: PID-30 = N and PID-29 deleted."""
        return self.changes(handle, pid={29: '""', 30: "N"})

    def merges(self, loser: str, *, into: str, **more: Any) -> Outcome:
        """A40: `loser`'s record number dies into that of `into`."""
        mrg = f"MRG|{self.person(loser).mrn}^^^{hl7.AUTHORITY}^MR"
        return self.hears(self.visit("A40", into, extra=[mrg], **more))

    # -- what people say

    def consents(self, handle: str, *, to: str = "email", purpose: str = "TREAT", topic: str = "*", permit: bool = True,
                 evidence: str = "form 12, 2026-01") -> list[int]:  # fmt: skip
        """A yes (or no) in the ledger."""
        self.clock.set(self.clock.now() + SECOND)
        said = partial(
            inspect.consent_add, self.gateway, self.identifier(handle), permit=permit, purpose=purpose, channel=to,
            topic=topic, evidence=evidence, account="os:clerk",
        )  # fmt: skip
        made = said()
        # by text message two yeses are needed, and the second is to the number (CN-08)
        if permit and to == "sms":
            with suppress(CommandError):  # of whom no number is known
                made += said(kind=ConsentKind.TEXTS)
        return made

    def is_represented(self, handle: str, by: str, *, topics: str = "*", role: str = "parent") -> int:
        """Somebody is recorded who receives in a child's stead; `by` is their e-mail address."""
        self.clock.set(self.clock.now() + SECOND)
        return inspect.representatives.add(
            self.gateway, self.identifier(handle), name="A Guardian", addresses=[by], role=role, topics=topics,
            evidence="form 9", account="os:clerk",
        )  # fmt: skip

    def opts_out(self, handle: str, *, of: str = "email") -> list[int]:
        """No to everything on a channel: binds the address too."""
        return self.consents(handle, to=of, purpose="*", permit=False, evidence="call 77")

    # -- time

    def passes(self, span: str) -> None:
        """Time goes by ("6d", "36h"): whatever falls due is dispatched and delivered at its moment."""
        self._runs_to(self.clock.now() + int(span[:-1]) * _SPANS[span[-1]])

    def until(self, wall: str) -> None:
        """Time goes by until a wall time of the clinic."""
        target = self.when(wall)
        assert target >= self.clock.now(), "time does not go back"
        self._runs_to(target)

    def when(self, wall: str) -> Millis:
        """The instant of the clinic's wall time."""
        return to_millis(datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(hl7.ZONE)))

    def wall(self, at: Millis) -> str:
        """The clinic's wall time of an instant."""
        return to_datetime(at, hl7.ZONE).strftime("%Y-%m-%d %H:%M")

    def _runs_to(self, target: Millis) -> None:
        while (due := self._next_ring()) is not None and due <= target:
            self.clock.set(max(self.clock.now(), due))
            self.looks()
        self.clock.set(target)
        self.looks()

    def _next_ring(self) -> Millis | None:
        with self.gateway.store.read() as unit:
            found = unit.one(_NEXT)
        return None if found is None else found[0]

    def looks(self) -> None:
        """One round of whoever asks again and of the dispatcher, and every doorbell answered."""
        ringing.ask_again(self.gateway.store)
        self.dispatcher.once()
        self.answers_doorbells()

    def answers_doorbells(self) -> None:
        """Deliver whatever was rung."""
        if len(self._hangs_up) > 1 and self.broker is not None:
            assert worker.drained(self.broker, timeout=20 * SECOND), "the workers did not answer"
        while self.rung:
            self.deliverer.deliver(self.rung.pop(0))

    # -- what came of it

    def mailbox(self, handle: str) -> list[Mail]:
        """What arrived at somebody's address, in order."""
        return [
            mail for mail in self.mails() if mail.envelope.to.value.casefold() == self.person(handle).email.casefold()
        ]

    def mails(self) -> list[Mail]:
        """What arrived anywhere."""
        return [
            Mail(at=self.wall(at), subject=one.subject, text=one.text, html=one.html or "", envelope=one)
            for at, one in zip(self.post.times, self.post.envelopes, strict=True)
        ]

    def arrivals(self, handle: str) -> list[str]:
        """When mail arrived for somebody, as wall times."""
        return [mail.at for mail in self.mailbox(handle)]

    def requests(self, handle: str) -> list[Planned]:
        """Every request of somebody, soonest due first."""
        token = self.token(handle)
        columns = ("id", "rule", "step", "state", "reason", "due", "attempts")
        with self.gateway.store.read() as unit:
            rows = unit.lookup(tables.request, columns, "patient", [token])
        rows.sort(key=lambda row: (row[5], row[0]))
        return [
            Planned(id=i, rule=rule, step=step, state=state, reason=reason, due=self.wall(due), attempts=tried)
            for i, rule, step, state, reason, due, tried in rows
        ]

    def planned(self, handle: str) -> list[str]:
        """When something is planned to leave for somebody: wall times of the active requests."""
        return [one.due for one in self.requests(handle) if one.state == "active"]

    def waiting(self, handle: str) -> list[str]:
        """Why something waits for a person: reasons of the requests on hold."""
        return [str(one.reason) for one in self.requests(handle) if one.state == "on-hold"]

    def ended(self, handle: str) -> list[str]:
        """Why something will not leave: reasons of the revoked requests."""
        return [str(one.reason) for one in self.requests(handle) if one.state == "revoked"]

    def reasons(self, handle: str) -> list[str]:
        """Every reason the audit log gives for not sending to somebody now, in time order, repeats left out."""
        found = (
            # of an attempt its status stands before the reason, and `stopped` is a word of both
            next((str(one) for one in entry[3 if entry[0] == _SETTLED else 2 :] if one in _REASONS), None)
            for entry in self.entries(handle)
            if entry[0] in _WITHHELD
        )
        return list(dict.fromkeys(reason for reason in found if reason))

    def entries(self, handle: str) -> list[list[object]]:
        """Audit entries linked to somebody, in time order."""
        token = self.token(handle)
        with self.gateway.store.read() as unit:
            tokens = inspect.trace.family_of(unit, token)
            links = unit.lookup(tables.audit_patient, ("audit",), "patient", tokens)
            ids = sorted({audit for (audit,) in links})
            rows = sorted(unit.lookup(tables.audit, ("id", "entries"), "id", ids))
        return [entry for _, entries in rows for entry in json.loads(entries)]

    def story(self, handle: str) -> list[str]:
        """What `caregate trace --patient` tells."""
        one = self.identifier(handle)
        lines = inspect.trace_patient(
            self.gateway, system=one.system, type=one.type, value=one.value, reason="complaint 5", account="os:officer"
        )
        return [line.words for line in lines]

    def holds(self, handle: str) -> set[str]:
        """Reasons for which a person must look at somebody first."""
        token = self.token(handle)
        with self.gateway.store.read() as unit:
            rows = unit.lookup(tables.patient, ("hold",), "token", [token])
        return set(filter(None, rows[0][0].split(",")))

    def count(self, table: str) -> int:
        """How many rows a table has."""
        with self.gateway.store.read() as unit:
            found = unit.one(
                Statement(f"test.count-{table}", select(func.count()).select_from(tables.metadata.tables[table]))
            )
        assert found is not None
        return int(found[0])


OpenClinic = Callable[..., Clinic]

__all__ = ["Answer", "Clinic", "Mail", "OpenClinic", "Planned", "Postbox"]
