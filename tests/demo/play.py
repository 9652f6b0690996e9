"""Starts the gateway as `caregate run` does, plays the feed to it, and shows what the audit log holds after each step."""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec
from sqlalchemy import bindparam, func, or_, select

from connectors.sources.mllp.client import MllpClient
from gateway import settings, telemetry
from gateway.app import Gateway, account, assemble
from gateway.app.upkeep import verify_audit
from gateway.model.when import to_millis
from gateway.pipeline import inspect
from gateway.pipeline.dispatch import RING_AGAIN
from gateway.pipeline.inspect.words import words
from gateway.ports import SetClock
from gateway.store import tables
from gateway.store.statement import Statement
from tests.demo import site
from tests.demo.feed import CONSENTING, FINN, Feed, Sent, registrations, wall, week
from tests.demo.relay import Relay
from tests.demo.screen import Screen

_a, _r, _c = tables.audit.c, tables.request.c, tables.communication.c
NEWS = Statement(
    "demo.news", select(_a.id, _a.entries).where(_a.id > bindparam("after")).order_by(_a.id), params=("after",)
)
# to be rung, rung a moment ago and not yet answered, or being worked on
BUSY = Statement(
    "demo.busy",
    select(func.count())
    .select_from(tables.request)
    .where(_r.state == "active", or_(_r.ring_at <= bindparam("soon"), _r.lease_until.is_not(None))),
    params=("soon",),
)
OPEN = Statement("demo.open", select(func.count()).select_from(tables.communication).where(_c.status == "in-progress"))
QUIET = ("message.received", "patient.created", "patient.changed", "configuration.read", "ruleset.activated")
_PATIENCE = 30.0  # seconds until something that should happen has happened


def play(folder: Path) -> None:
    """Play the week; raises RuntimeError when something that must happen does not."""
    screen = Screen()
    screen.title("Caregate demo: a week at Lakeside Health, whose people are all made up")
    telemetry.configure(stream=io.StringIO())
    clock = SetClock(to_millis(wall(2, "09:00")))
    with Relay() as relay:
        gateway = assemble(settings.load(site.make(folder / "site", relay.port), environ={}), clock=clock)
        try:
            with _running(gateway) as port, MllpClient("127.0.0.1", port) as client:
                print(f"MLLP on 127.0.0.1:{port}, SMTP relay on 127.0.0.1:{relay.port}, SQLite, in-memory broker")
                Player(gateway, clock, client, relay, screen).week()
            _end(gateway, relay, screen)
        finally:
            gateway.close()


@contextmanager
def _running(gateway: Gateway) -> Iterator[int]:
    """All roles in a thread, as one process runs them; the MLLP port."""
    stop, up, ports = threading.Event(), threading.Event(), {}

    def ready(opened: dict[str, dict[str, int]]) -> None:
        ports.update(opened["ports"])
        up.set()

    thread = threading.Thread(target=gateway.run, kwargs={"ready": ready, "stop": stop}, name="demo-gateway")
    thread.start()
    try:
        while not up.wait(0.05):
            if not thread.is_alive():
                raise RuntimeError("the gateway did not start")
        yield ports["ehr"]
    finally:
        stop.set()
        thread.join()


class Player:
    """Sends, lets time pass, and tells what came of it."""

    def __init__(self, gateway: Gateway, clock: SetClock, client: MllpClient, relay: Relay, screen: Screen) -> None:
        self._gateway = gateway
        self._clock = clock
        self._client = client
        self._relay = relay
        self._screen = screen
        self._told = 0
        self._short: dict[str, str] = {}

    def week(self) -> None:
        """Everything, in order."""
        feed = Feed()
        self._registrations(feed)
        self._consents()
        for step in week(feed):
            self._clock.set(to_millis(step.at))
            if isinstance(step, Sent):
                self._send(step)
            else:
                self._screen.scene(step.at, step.story)
            self._settled()
            self._tell()

    def _registrations(self, feed: Feed) -> None:
        everybody = registrations(feed)
        for _, body in everybody:
            self._client.send(body)
        names = ", ".join(who.given for who, _ in everybody)
        self._screen.scene(wall(2, "09:00"), f"{len(everybody)} people are registered: {names}", "ADT^A28")
        self._screen.line(
            "found again by keyed digests of their identifiers; names and addresses are sealed, each under its own key"
        )
        self._skip()

    def _consents(self) -> None:
        rows = [_consent(who.number, "permit") for who in CONSENTING] + [_consent(FINN.number, "deny")]
        report = inspect.consent_import(self._gateway, rows, account=account())
        self._screen.scene(wall(2, "09:01"), "the consent forms are imported", "caregate consent import")
        self._screen.line(
            f"{report.added} entries in the ledger: seven say yes to e-mail about their care, Finn says no"
        )
        self._skip()

    def _send(self, step: Sent) -> None:
        reply = self._client.send(step.body).decode()
        kind = step.body.split(b"|", 9)[8].decode().rpartition("^")[0]
        self._screen.scene(step.at, step.story, kind)
        code, told = _acknowledged(reply)
        self._screen.ack(code, told)

    def _settled(self) -> None:
        """Wait until nothing is due and no attempt is open: the work of this moment is done."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            with self._gateway.store.read() as unit:
                busy = unit.all(BUSY, (unit.now + RING_AGAIN,))[0][0] + unit.all(OPEN)[0][0]
            if not busy:
                return
            time.sleep(0.01)
        raise RuntimeError("what was due did not get done")

    def _news(self) -> list[tuple[int, list[list[object]]]]:
        with self._gateway.store.read() as unit:
            rows = unit.all(NEWS, (self._told,))
        if rows:
            self._told = rows[-1][0]
        return [(identity, msgspec.json.decode(entries)) for identity, entries in rows]

    def _skip(self) -> None:
        self._news()

    def _tell(self) -> None:
        lines = [words(entry) for _, entries in self._news() for entry in entries if entry[0] not in QUIET]
        for line in lines:
            self._screen.line(self._readable(line))
        for message in self._relay.inbox.fresh():
            text = message.get_body(("plain",))
            self._screen.mail(str(message["To"]), str(message["Subject"]), text.get_content() if text else "")

    def _readable(self, text: str) -> str:
        """Long ids become short ones, and instants the clinic's wall time, for reading only."""
        text = re.sub(r"\d{12,}", lambda found: self._short.setdefault(found[0], f"#{len(self._short) + 1}"), text)
        return re.sub(r"(\d{4}-\d\d-\d\d \d\d:\d\d) UTC", _at_the_clinic, text)


def _end(gateway: Gateway, relay: Relay, screen: Screen) -> None:
    """The gateway has stopped and sealed what was left: prove it."""
    screen.title("caregate audit verify")
    report = verify_audit(gateway)
    print(report.verdict)
    if not report.ok or not report.rows:
        raise RuntimeError("the audit log is not whole, or was never sealed")
    print(f"{len(relay.inbox.messages)} e-mails left the house; the rows say why each did, and why others did not")


def _consent(number: str, decision: str) -> dict[str, str]:
    known = {"system": "LAKESIDE", "type": "MR", "identifier": number, "evidence": "form 12-B, version 2026-01"}
    return {**known, "decision": decision, "purpose": "TREAT", "channel": "email", "topic": ""}


def _acknowledged(reply: str) -> tuple[str, str]:
    """MSA-1, and of an ERR segment the place and the condition."""
    segments = {line[:3]: line.split("|") for line in reply.split("\r") if line}
    err = segments.get("ERR")
    if err is None:
        return segments["MSA"][1], ""
    place, condition = err[2] if len(err) > 2 else "", err[3] if len(err) > 3 else ""
    return segments["MSA"][1], f"{condition.split('^')[1] if '^' in condition else condition} ({place})"


def _at_the_clinic(found: re.Match[str]) -> str:
    moment = datetime.fromisoformat(f"{found[1]}+00:00").astimezone(wall(2, "09:00").tzinfo)
    return moment.strftime("%a %-d %b %H:%M")
