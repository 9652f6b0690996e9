"""A gateway with its API and staff pages on a real socket, a patient with unmistakable words, and keys for every role."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import ClassVar

import httpx
from sqlalchemy import select

from gateway.app import assemble
from gateway.model.access import Role
from gateway.model.comingback import Reply
from gateway.model.consent import ChannelKind
from gateway.model.event import Format, RawMessage, Result
from gateway.model.when import DAY
from gateway.packs import shipped
from gateway.pipeline import inspect, ledger
from gateway.pipeline.campaigns import digest_of
from gateway.pipeline.comingback import Settler
from gateway.pipeline.extracting import moving
from gateway.ports import ExtractMode, SetClock
from gateway.settings import loads
from gateway.store import tables
from gateway.store.keyring import Keyring
from gateway.store.statement import Statement

NOW = 1_772_463_600_000
"""2026-03-02T15:00Z."""
MRN, FAMILY, MAIL, PHONE, WORDS = "77314159", "Qwertlinger", "zq.canary@mail.example", "+13125550143", "Zyxomma please"
CANARY = (MRN, FAMILY, MAIL, PHONE, "Zyxomma")
PERSON = {"system": "LAKESIDE", "type": "MR", "value": MRN}
FORECAST = (
    '{"by_channel":{"email":1},"by_variant":{},"days":0,"holdout":0,"judged":1,"messages":1,"people":1,"refused":{},'
    '"rule":"r","sends":1,"waits":{},"withdrawn":{}}'
)
CONFIG = """\
environment: test
allowed_recipients: []
organizations:
  lakeside:
    name: Lakeside Health
    zone: America/Chicago
    sender_name: Lakeside Health
    sender_email: care@lakeside.example
    callback: '+1 312 555 0100'
locations:
  main: {{name: Lakeside Main, organization: lakeside, codes: [MAIN]}}
sources:
  ehr: {{kind: mllp, organization: lakeside, authority: LAKESIDE, port: 0}}
database: '{database}'
keys: keys.json
rules: '{rules}'
api: {{port: 0, {api}}}
"""
PATIENT = (
    "PID|1||{mrn}^^^LAKESIDE^MR||{family}^Ada||19580314|F|||1 Elm^^Chicago^IL^60601||"
    "^NET^Internet^{mail}~^PRS^CP^^1^312^5550143|||||"
)


def booked(control="1", start="20260312150000-0600", visit="9001"):
    """A visit in ten days; the code of its location is one no table has where `visit` says so."""
    person = PATIENT.format(mrn=MRN, family=FAMILY, mail=MAIL)
    return (
        f"MSH|^~\\&|EHR|LAKESIDE|CAREGATE|LAKESIDE|20260302090500-0600||SIU^S12^SIU_S12|{control}|P|2.5.1\r"
        f"SCH|{visit}^EHR|{visit}^EHR||||||OFFICE|30|MIN|^^30^{start}|||||||||||||Booked\r"
        f"{person}\rRGS|1|A\rAIS|1|A|FM|{start}\rAIL|1|A|MAIN|||{start}\r"
    ).encode()


class StaffSite:
    """One gateway; `serve()` runs its API."""

    def __init__(self, folder, database="sqlite:///caregate.db", api="bind: 127.0.0.1", clock=None, rules=None):
        self.folder, self.clock = folder, clock or SetClock(NOW)
        if not (folder / "keys.json").exists():
            Keyring.create(folder / "keys.json")
        text = CONFIG.format(rules=rules or shipped("rules"), database=database, api=api)
        self.settings = loads(text, folder / "caregate.yaml", environ={})
        self.gateway = assemble(self.settings, clock=self.clock)
        self.keys = {}

    @contextmanager
    def serving(self):
        """The address of its API while it runs."""
        opened, ready, stop, failed = {}, threading.Event(), threading.Event(), []

        def run():
            try:
                self.gateway.run(["api"], ready=lambda told: (opened.update(told), ready.set()), stop=stop)
            except Exception as error:
                failed.append(error)
                ready.set()

        running = threading.Thread(target=run)
        running.start()
        try:
            assert ready.wait(20)
            if failed:
                raise failed[0]
            yield f"http{'s' if self.settings.api.tls else ''}://127.0.0.1:{opened['api']}"
        finally:
            stop.set()
            running.join(30)

    def key(self, *roles, name=None, lasts=None):
        """The secret of a key with these roles, made when first asked for."""
        name = name or "-".join(roles)
        if name not in self.keys:
            _, self.keys[name] = inspect.access_add(
                self.gateway.store, name=name, roles=list(roles), lasts=lasts, account="os:test"
            )
        return self.keys[name]

    def receive(self, body):
        """One message, taken in."""
        raw = RawMessage(source="ehr", format=Format.HL7V2, body=body, received=self.clock.now())
        outcome = self.gateway.receiver.receive([raw])[0]
        assert outcome.result in (Result.ACCEPTED, Result.IGNORED), outcome
        return outcome

    def hear(self, text, event="SM1"):
        """The patient writes back; the reply's id."""
        inbox = Settler(store=self.gateway.store, site=self.gateway.site, rules=self.gateway.rules)
        inbox.reply(
            Reply(channel=ChannelKind.SMS, event=event, at=self.clock.now(), sender=PHONE, to="+13125550100", text=text)
        )
        return self.rows(tables.inbound.c.id)[-1][0]

    def untold(self):
        """An opt-out that others could not be told of; its number."""
        with self.gateway.store.begin("test") as uow:
            made = uow.new_id()
            columns = ("id", "consent", "target", "state", "legal_by", "next_at")
            uow.insert(tables.revocation, columns, [(made, made, "cdp", "failed", uow.now - 1, 0)])
            uow.audit([("test",)])
            uow.commit()
        return made

    def stopped_extract(self):
        """A table that a guard did not believe."""
        source = self.gateway.site.sources["ehr"]
        with self.gateway.store.begin("test") as uow:
            begun = {"cursor": "", "expected": 900, "baseline": False, "before": 20, "meaning": ""}
            moving.stop(uow, source, moving.begin(uow, source, ExtractMode.SNAPSHOT, **begun), "grown")
            uow.commit()

    def campaign(self, rule):
        """Approved for one person, and with a newer dry run that nobody decided on; the number of that."""
        told = {
            "rule": rule,
            "digest": digest_of(self.gateway.rules.current(), rule),
            "people": 1,
            "forecast": FORECAST,
        }
        with self.gateway.store.begin("test") as uow:
            for state in ("approved", "forecast"):
                row = {**told, "id": uow.new_id(), "state": state, "at": uow.now, "by": "anna"}
                uow.insert(tables.campaign, tuple(row), [tuple(row.values())])
            uow.audit([("test",)])
            uow.commit()
        return row["id"]

    def unread(self):
        """A message that lies in the portal since three days and was to be read yesterday; its number."""
        told = {"channel": "portal", "attempt": 1, "patient": 1, "address": 1, "topic": "t", "purpose": "TREAT"}
        told |= {"template": "t", "template_digest": "t", "body_hmac": b"", "status": "completed"}
        (request,) = self.rows(tables.request.c.id)[:1][0]
        with self.gateway.store.begin("test") as uow:
            told |= {"id": uow.new_id(), "request": request, "at": uow.now - 3 * DAY, "read_by": uow.now - DAY}
            uow.insert(tables.communication, tuple(told), [tuple(told.values())])
            uow.audit([("test",)])
            uow.commit()
        return told["id"]

    def suppress(self):
        """Every address bounced; their ids."""
        ids = sorted(one for (one,) in self.rows(tables.address.c.id))
        with self.gateway.store.begin("test") as uow:
            for one in ids:
                ledger.suppress(uow, address=one, why="bounced")
            uow.commit()
        return ids

    def rows(self, *columns):
        """Every row of these columns."""
        with self.gateway.store.read() as unit:
            return list(unit.all(Statement("test.staff", select(*columns))))

    def audit(self):
        """(actor, entries as text) of every audit row, oldest first."""
        columns = (tables.audit.c.id, tables.audit.c.actor, tables.audit.c.entries)
        return [(actor, entries) for _, actor, entries in sorted(self.rows(*columns))]

    def hold(self):
        """Everything planned waits for a person; the ids of the requests."""
        ids = sorted(one for (one,) in self.rows(tables.request.c.id))
        with self.gateway.store.begin("test") as uow:
            uow.update(tables.request, ("id",), ("state", "reason"), [("on-hold", "held-by-hand", one) for one in ids])
            uow.audit([("request.held", one, "held-by-hand") for one in ids])
            uow.commit()
        return ids


class Caller:
    """Somebody with a key, over a real socket."""

    made: ClassVar[list[Caller]] = []

    def __init__(self, address, secret=None, **headers):
        self.made.append(self)  # closed when the test ends
        told = {"Authorization": f"Bearer {secret}"} if secret else {}
        self._client = httpx.Client(
            base_url=f"{address}/api/v1",
            headers={**told, "X-Reason": "ticket 88", **headers},
            timeout=20,
            trust_env=False,
        )

    def __getattr__(self, name):
        return getattr(self._client, name)


ROLES = tuple(Role)
