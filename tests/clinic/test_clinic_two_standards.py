"""Two gateways that hear one visit from two feeds at the same moment plan it once."""

from __future__ import annotations

import threading

from clinic_dsl import Clinic, OpenClinic
from clinic_fhir import SERVER, Server

from gateway.model.event import Format, RawMessage


def test_two_gateways_that_hear_it_at_once_plan_it_once(open_clinic: OpenClinic) -> None:
    """The person is locked: whoever comes second sees what the first planned."""
    one = open_clinic(feeds=SERVER)
    server = Server(one)
    handles = [f"Ann{number}" for number in range(6)]
    for handle in handles:
        one.enrols(handle)
        server.tells(server.patient(handle))
    other = open_clinic(feeds=SERVER)
    now = one.clock.now()
    booked = [one.schedules("S12", it, start="2026-03-20 09:30", appointment=f"A-{it}") for it in handles]
    resources = [server.body(server.appointment(it, "2026-03-20 09:30", f"f-{it}")) for it in handles]
    hl7_ = [RawMessage(source="ehr", format=Format.HL7V2, body=body, received=now) for body in booked]
    fhir = [RawMessage(source="fhir", format=Format.FHIR, body=body, received=now) for body in reversed(resources)]
    barrier = threading.Barrier(2)

    def receives(clinic: Clinic, raw: list[RawMessage]) -> None:
        barrier.wait()
        for message in raw:
            clinic.gateway.receiver.receive([message])

    threads = [threading.Thread(target=receives, args=told) for told in ((one, hl7_), (other, fhir))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for handle in handles:
        states = sorted(it.state for it in one.requests(handle))
        assert states == ["active"] * 2 + ["on-hold"] * 2
