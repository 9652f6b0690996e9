"""What is told by its id only is read from its server, and settled after its outcome."""

from __future__ import annotations

import threading
import time

import pytest
from fhir_memory import Memory, fetcher
from fhir_there import Asked, Said, appointment, client, outcome, patient, there

from gateway.model.event import Format, Result


def ehr_of(asked: Asked) -> Said:
    kind, _, number = asked.path.removeprefix("/fhir/").partition("/")
    return Said(body=patient(number) if kind == "Patient" else appointment(number))


def test_a_patient_is_read_before_the_appointment_that_waits_for_it() -> None:
    """S-22: by `_elements`, each as one FHIR message, both settled."""
    memory = Memory()
    with there(ehr_of) as ehr, client(ehr.base) as server:
        memory.want([("Appointment/7", "3"), ("Patient/1", None)], "notified")
        assert fetcher(server, memory, lambda kind: ("name",) if kind == "Patient" else ()).once() == 2
    assert memory.names == ["Patient/1", "Appointment/7"]
    assert memory.fates == [("Patient/1", "received"), ("Appointment/7", "received")]
    assert ehr.asked[0].query == {"_elements": "id,meta,implicitRules,modifierExtension,name"}
    assert memory.messages[0].format is Format.FHIR
    assert b" " not in memory.messages[0].body


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_no_longer_there_is_a_deletion(status: int) -> None:
    """S-22."""
    memory = Memory()
    with there(lambda _: Said(status)) as ehr, client(ehr.base) as server:
        memory.want([("Appointment/7", None)], "notified")
        fetcher(server, memory).once()
    assert memory.names == ["-Appointment/7"]
    assert memory.fates == [("Appointment/7", "gone")]


@pytest.mark.parametrize(
    ("said", "fate"),
    [
        (Said(403, outcome("forbidden")), "refused"),
        (Said(400, outcome("invalid")), "unreadable"),
        (Said(200, b"<html>"), "unreadable"),
        (Said(200, patient("8")), "unreadable"),
        (Said(200, b'{"resourceType":"Patient","id":"7","active":true,"active":false}'), "unreadable"),
        (Said(200, patient("7", meta={"tag": [{"code": "SUBSETTED"}]})), "unreadable"),
    ],
)
def test_what_cannot_be_read_is_recorded_and_not_asked_again(said: Said, fate: str) -> None:
    """S-22: 403 is consent or scope; another resource than asked for is none; one of two meanings neither (S-37); K-10."""
    memory = Memory()
    with there(lambda _: said) as ehr, client(ehr.base) as server:
        memory.want([("Patient/7", None)], "notified")
        fetcher(server, memory).once()
    assert (memory.fates, memory.names) == ([("Patient/7", fate)], [])


@pytest.mark.parametrize(
    ("said", "seconds"), [(Said(503, None, {"Retry-After": "40"}), 40), (Said(500), 0.5), (Said(401), 60)]
)
def test_trouble_that_passes_is_waited_for(said: Said, seconds: float) -> None:
    """Q-08: as long as the server says; a token nobody believes says nothing about the resource."""
    memory = Memory()
    with there(lambda _: said) as ehr, client(ehr.base, {"bearer": {"token": "12345678"}}) as server:
        memory.want([("Patient/7", None)], "notified")
        fetcher(server, memory).once()
    assert memory.fates == []
    ((reference, at),) = memory.delayed
    assert reference == "Patient/7"
    assert seconds - 2 < at / 1000 - time.time() < seconds + 2


def test_what_could_not_be_stored_is_wanted_still() -> None:
    """Law 1: settled after the outcome, and only then."""
    memory = Memory(result=lambda _: Result.FAILED)
    with there(ehr_of) as ehr, client(ehr.base) as server:
        memory.want([("Patient/7", None)], "notified")
        fetcher(server, memory).once()
    assert memory.fates == []
    assert len(memory.delayed) == 1


def test_a_reference_that_is_none_is_never_asked_for() -> None:
    """S-33: whatever stands there."""
    memory = Memory()
    with there(ehr_of) as ehr, client(ehr.base) as server:
        memory.want([("https://evil.example/Patient/7", None), ("Patient/../admin", None)], "notified")
        fetcher(server, memory).once()
    assert ehr.asked == []
    assert {fate for _, fate in memory.fates} == {"unreadable"}


def test_many_are_fetched_at_once_until_it_is_told_to_stop() -> None:
    """Bounded concurrency; a full intake is waited for; what comes later is found too."""
    memory, stopping = Memory(full=3), threading.Event()
    with there(ehr_of) as ehr, client(ehr.base) as server:
        memory.want([(f"Patient/{number}", None) for number in range(30)], "notified")
        fetching = fetcher(server, memory)
        thread = threading.Thread(target=fetching.run, args=(stopping,))
        thread.start()
        _until(lambda: len(memory.fates) == 30)
        memory.want([("Patient/99", None)], "notified")
        fetching.wake()
        _until(lambda: len(memory.fates) == 31)
        stopping.set()
        fetching.wake()
        thread.join(5)
    assert not thread.is_alive()
    assert len(set(memory.names)) == 31


def _until(met: object) -> None:
    until = time.monotonic() + 10
    while not met():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.01)
