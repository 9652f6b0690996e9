"""A source exports by itself every so often, and by hand, through the same client and the same memory."""

from __future__ import annotations

import time

from bulk_there import Bulk
from fhir_memory import Memory
from fhir_there import appointment, patient, there

from connectors.sources.fhir.asking import Asking, AskingOptions
from connectors.sources.tally import Tally
from gateway.model.event import Release
from gateway.ports import SystemClock


def asking(base: str, memory: Memory, **export: object) -> Asking:
    told = {"client": {"rate": 1000, "bearer": {"token": "lakeside-token"}}, "export": {"poll": 0.05, **export}}
    options = AskingOptions.model_validate(told)
    made = Asking("ehr", base, options, SystemClock(), release=Release.R4, tally=Tally("ehr"))
    made.remember(memory, memory)
    return made


def test_a_source_exports_by_the_clock_and_by_hand() -> None:
    """K-16, K-17."""
    bulk, memory = Bulk({"Patient.1": [patient("1")], "Appointment.1": [appointment("7")]}), Memory()
    with there(bulk.answer) as found:
        bulk.there = found
        with asking(found.base, memory).exporting(memory, lambda _: None) as by_hand:
            assert by_hand.once().counts == {"accepted": 2}
        running = asking(found.base, memory, every="1h")
        running.start(memory)
        time.sleep(0.3)
        running.stop(5)
        assert bulk.kicked == 1
        memory.notes["export:last"] = "0"
        running = asking(found.base, memory, every="1h")
        running.start(memory)
        until = time.monotonic() + 10
        while bulk.deleted < 2 and time.monotonic() < until:
            time.sleep(0.02)
        running.stop(5)
    assert (bulk.kicked, bulk.deleted) == (2, 2)
    assert [one.baseline for one in memory.messages] == [True, True, False, False]
