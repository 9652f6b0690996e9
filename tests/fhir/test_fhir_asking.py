"""One source's questions as a whole: it starts, fetches, polls, watches its subscriptions, and stops without losing anything."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fhir_memory import Memory
from fhir_there import Asked, Said, appointment, bundle, patient, smart, there

from connectors.sources.fhir.asking import Asking, AskingOptions
from connectors.sources.tally import Tally
from gateway.model.errors import Busy, CommandError, Unusable
from gateway.model.event import Release
from gateway.ports import Subscriptions, SystemClock


def ehr_of(asked: Asked) -> Said:
    path = asked.path.removeprefix("/fhir/")
    if path == "Subscription/1":
        return Said(body={"resourceType": "Subscription", "id": "1", "status": "active"})
    if path == "Subscription":
        return Said(201, None, {"Location": "http://anything/Subscription/1/_history/1"})
    kind, _, number = path.partition("/")
    if number:
        return Said(body=patient(number) if kind == "Patient" else appointment(number))
    return Said(body=bundle(appointment("7")))


@contextmanager
def asking(base: str, memory: Memory, **options: Any) -> Iterator[Asking]:
    found = Asking(
        "ehr",
        base,
        AskingOptions.model_validate({"client": {"rate": 1000, "timeout": "5s"}, **options}),
        SystemClock(),
        release=Release.R4,
        tally=Tally("ehr"),
    )
    found.remember(memory, memory)
    try:
        yield found
    finally:
        found.stop(5)


def until(met: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not met():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_source_fetches_polls_and_watches_until_it_stops() -> None:
    """All of it in threads of its own, with the fewest elements; a round that went well counts as having heard the server."""
    memory, heard = Memory(), []
    subscribe = {"endpoint": "https://gateway.lakeside.example/fhir/ehr", "every": "1s"}
    subscribe["subscriptions"] = {"visits": {"criteria": "Appointment?status=booked"}}  # type: ignore[assignment]
    with (
        there(ehr_of) as ehr,
        asking(ehr.base, memory, poll={"resources": ["Appointment"]}, subscribe=subscribe) as one,
    ):
        one.only(lambda kind: ("name",) if kind == "Patient" else ())
        with pytest.raises(Busy):
            _ = one.repair
        listing: Subscriptions = one.subscriptions()
        assert [each.status for each in listing.list()] == ["none"]
        assert listing.look("visits").status == "none"
        assert listing.subscribe("visits").id == "1"
        memory.want([("Patient/1", None)], "notified")
        one.start(memory, lambda: heard.append(1))
        one.wake()
        until(lambda: memory.fates and heard and "Appointment/7" in memory.names)
        until(lambda: '"active"' in memory.notes["subscription:visits"])
        assert listing.look("visits").status == "active"
        one.repair.search("visits", None)
        with pytest.raises(CommandError, match="visits"):
            listing.list(["others"])
        assert listing.unsubscribe("visits")
    assert ehr.of("Patient/1")[0].query["_elements"].endswith("name")
    assert memory.fates == [("Patient/1", "received")]
    assert one.key_set is None


def test_a_subscription_somebody_else_made_is_about_what_is_polled() -> None:
    """S-05, S-19: else nobody could know."""
    memory = Memory()
    with there(ehr_of) as ehr, asking(ehr.base, memory, poll={"resources": {"Appointment": "status=booked"}}) as one:
        one.start(memory)
        one.repair.search("made-by-hand", 0)
        assert ehr.of("Appointment")[-1].query["status"] == "booked"
        one.repair.search("", 0)
        one.repair.status("made-by-hand")
        with pytest.raises(CommandError, match="none"):
            one.subscriptions().list()
    with there(ehr_of) as ehr, asking(ehr.base, memory) as one:
        one.start(memory)
        with pytest.raises(Unusable, match="subscribe"):
            one.repair.search("made-by-hand", 0)


def test_it_has_a_key_set_where_it_signs() -> None:
    """O-06."""
    with asking("http://127.0.0.1:1/fhir", Memory(), client=smart()) as one:
        assert one.key_set is not None
        assert one.server.keys


def test_stopping_does_not_wait_for_a_server_that_never_answers() -> None:
    """At most as long as it is told to; what was wanted stays wanted."""
    memory = Memory()

    def silent(_: Asked) -> Said:
        time.sleep(2)
        return Said(500)

    with there(silent) as ehr, asking(ehr.base, memory) as one:
        memory.want([("Patient/1", None)], "notified")
        one.start(memory)
        until(lambda: ehr.asked)
        begun = time.monotonic()
        one.stop(0.2)
        assert time.monotonic() - begun < 1.5
    assert memory.fates == []


@pytest.mark.parametrize(
    ("search", "hides"),
    [
        ("", False),
        ("service-type=57", False),
        ("status=booked", True),
        ("status=booked,cancelled,noshow,entered-in-error", False),
        ("status:not=proposed", False),
        ("status:not=cancelled", True),
    ],
)
def test_a_search_that_would_miss_a_cancellation_is_told_at_the_start(search: str, *, hides: bool) -> None:
    """Q-11: what is cancelled leaves the search, and the reminder goes out."""
    memory = Memory()
    told = {
        "endpoint": "https://gateway.lakeside.example/fhir/ehr",
        "subscriptions": {"visits": {"criteria": "Patient"}},
    }
    with (
        there(ehr_of) as ehr,
        asking(ehr.base, memory, poll={"resources": {"Appointment": search}}, subscribe=told) as one,
    ):
        one.start(memory)
        assert one._tally.counts["fhir.search-narrowed"] == hides


def test_a_time_with_its_offset_is_asked_for_as_it_is_written() -> None:
    """Q-10: from caregate.yaml to the server, whatever asks."""
    at = "ge2026-03-02T14:00:00+05:00"
    memory = Memory()
    told = {"endpoint": "https://gateway.lakeside.example/fhir/ehr"}
    told["subscriptions"] = {"visits": {"criteria": f"Appointment?date={at}"}}  # type: ignore[assignment]
    with (
        there(ehr_of) as ehr,
        asking(ehr.base, memory, poll={"resources": {"Appointment": f"date={at}"}}, subscribe=told) as one,
    ):
        one.start(memory)
        until(lambda: ehr.of("Appointment"))
        assert ehr.of("Appointment")[0].query["date"] == at
        one.subscriptions().subscribe("visits")
        asked = json.loads(next(one for one in ehr.of("Subscription") if one.method == "POST").body)
        assert asked["criteria"] == "Appointment?date=ge2026-03-02T14:00:00%2B05:00"
        one.repair.search("visits", 0)
        assert {one.query["date"] for one in ehr.of("Appointment")} == {at}
