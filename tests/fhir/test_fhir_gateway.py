"""The whole gateway beside an EHR that is only ever asked: polled, its patients fetched, restarted, and never heard twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fhir_there import Asked, Said, There, appointment, bundle, patient, there
from sqlalchemy import literal, select

from gateway.app import Gateway, assemble
from gateway.packs import shipped
from gateway.ports import SystemClock
from gateway.settings import loads
from gateway.store import tables
from gateway.store.keyring import Keyring
from gateway.store.statement import Statement

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
sources:
  ehr:
    kind: fhir
    organization: lakeside
    base: {base}
    systems: {{'urn:lakeside:mrn': LAKESIDE}}
    client: {{rate: 1000, timeout: 5s}}
    fetch: {{every: 50ms}}
    poll: {{resources: [Appointment], every: 1s, baseline: {baseline}, deletes: no}}
keys: keys.json
rules: '{rules}'
api: {{port: 0, bind: 127.0.0.1}}
"""
COUNT = {
    table.name: Statement(f"test.{table.name}", select(literal(1)).select_from(table))
    for table in (tables.patient, tables.occurrence, tables.request)
}
CARDIOLOGY = [{"coding": [{"system": "http://snomed.info/sct", "code": "394579002"}]}]
MAIL = [{"system": "email", "value": "ada@mail.example"}]
MRN = [{"system": "urn:lakeside:mrn", "value": "50001", "type": {"coding": [{"code": "MR"}]}}]


def soon(days: int) -> str:
    return time.strftime("%Y-%m-%dT15:00:00Z", time.gmtime(time.time() + days * 86_400))


class Ehr:
    """One patient, and appointments that can be searched for."""

    def __init__(self) -> None:
        self.appointments: list[dict[str, Any]] = []

    def book(self, number: str) -> None:
        """From now on there is one more."""
        more = {"start": soon(20), "end": soon(20), "serviceType": CARDIOLOGY}
        self.appointments.append(appointment(number, at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **more))

    def __call__(self, asked: Asked) -> Said:
        path = asked.path.removeprefix("/fhir/")
        if path == "Appointment":
            return Said(body=bundle(*self.appointments))
        if path == "Patient/1":
            return Said(body=patient("1", identifier=MRN, birthDate="1958-03-14", telecom=MAIL))
        return next((Said(body=one) for one in self.appointments if path == f"Appointment/{one['id']}"), Said(404))


@contextmanager
def running(there: There, folder: Path, *, baseline: bool = False, config: str = CONFIG) -> Iterator[Gateway]:
    """The gateway, listening, until the end of the block."""
    text = config.format(base=there.base, baseline=str(baseline).lower(), rules=shipped("rules"))
    gateway = assemble(loads(text, folder / "caregate.yaml", environ={}), clock=SystemClock())
    ready, stop, failed = threading.Event(), threading.Event(), []

    def run() -> None:
        try:
            gateway.run(("listen",), ready=lambda _: ready.set(), stop=stop)
        except Exception as error:
            failed.append(error)
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(30)
        assert not failed
        yield gateway
    finally:
        stop.set()
        thread.join(30)
        gateway.close()


def count(gateway: Gateway, what: str) -> int:
    with gateway.store.read() as unit:
        return len(unit.all(COUNT[what]))


def until(met: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not met():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Keyring.create(tmp_path / "keys.json")
    return tmp_path


def test_an_appointment_whose_patient_nobody_knows_is_planned_once_both_are_read(folder: Path) -> None:
    """Law 1: the round brings the appointment, the patient is fetched, then it is decided; the next round changes nothing."""
    system = Ehr()
    system.book("7")
    with there(system) as ehr:
        with running(ehr, folder) as gateway:
            until(lambda: count(gateway, "request"))
            assert (count(gateway, "patient"), count(gateway, "occurrence")) == (1, 1)
            planned = count(gateway, "request")
            asked = len(ehr.of("Patient/1"))
            system.book("8")
            until(lambda: count(gateway, "request") > planned)
            assert count(gateway, "occurrence") == 2
            assert len(ehr.of("Patient/1")) == asked
        assert "name" in ehr.of("Patient/1")[0].query["_elements"].split(",")
        assert "comment" not in ehr.of("Appointment")[0].query["_elements"].split(",")
        with running(ehr, folder) as again:
            before = len(ehr.of("Appointment"))
            until(lambda: len(ehr.of("Appointment")) > before + 1)
            assert (count(again, "patient"), count(again, "occurrence")) == (1, 2)


def test_the_first_round_is_state_and_plans_nothing(folder: Path) -> None:
    """K-16: also of what waits for its patient; what is booked later is planned."""
    system = Ehr()
    system.book("7")
    with there(system) as ehr, running(ehr, folder, baseline=True) as gateway:
        until(lambda: count(gateway, "occurrence") == 1)
        assert count(gateway, "request") == 0
        system.book("8")
        until(lambda: count(gateway, "request"))
        assert count(gateway, "occurrence") == 2
