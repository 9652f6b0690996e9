"""Subscriptions at a server: asked for, waited for, renewed, brought back, and nothing missed meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from fhir_memory import Memory
from fhir_there import Asked, Said, appointment, bundle, client, there
from pydantic import ValidationError

from connectors.sources.fhir.client.server import FhirServer
from connectors.sources.fhir.polling.changes import Changes
from connectors.sources.fhir.polling.handing import Handing
from connectors.sources.fhir.polling.messages import Maker
from connectors.sources.fhir.polling.watermarks import Seen
from connectors.sources.fhir.subscribing.options import SubscribeOptions, SubscriptionOptions
from connectors.sources.fhir.subscribing.registrar import Registrar
from connectors.sources.fhir.subscribing.resources import subscription_of
from connectors.sources.fhir.subscribing.standing import Standing
from connectors.sources.fhir.subscribing.watcher import Watcher
from connectors.sources.tally import Tally
from gateway.model.errors import CommandError, Unusable
from gateway.model.event import Release
from gateway.model.when import DAY
from gateway.ports import SetClock

NOW = 1_772_463_600_000
DATE = {"Date": "Mon, 02 Mar 2026 15:00:00 GMT"}
HOOK = "https://gateway.lakeside.example/fhir/ehr"
TOPIC = "http://ehr.lakeside.example/topic/visits|1.0"
VISITS: Mapping[str, Any] = {"criteria": "Appointment?status=booked"}
TOPICAL: Mapping[str, Any] = {"topic": TOPIC, "filters": ["Appointment?status:not=cancelled"]}


class Ehr:
    """Subscriptions are kept as they come; `status` is what the server makes of them."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.status = "requested"
        self.found: list[dict[str, Any]] = []
        self.date = DATE
        self.operations = False

    def __call__(self, asked: Asked) -> Said:
        path = asked.path.removeprefix("/fhir/")
        if not path.startswith("Subscription"):
            return Said(body=bundle(*self.found), headers=self.date)
        _, _, rest = path.partition("/")
        number, _, operation = rest.partition("/")
        if operation:
            return self._operation(operation, number) if self.operations else Said(404)
        if asked.method == "POST":
            number = str(len(self.kept) + 1)
        elif number not in self.kept:
            return Said(410)
        if asked.method == "DELETE":
            del self.kept[number]
            return Said(204, None, self.date)
        if asked.method in ("POST", "PUT"):
            self.kept[number] = {**json.loads(asked.body), "id": number}
            return Said(201 if asked.method == "POST" else 200, self.kept[number], self.date)
        return Said(body={**self.kept[number], "status": self.status}, headers=self.date)

    def _operation(self, operation: str, number: str) -> Said:
        if operation == "$status":
            told = {"resourceType": "SubscriptionStatus", "status": self.status, "type": "query-status"}
            return Said(body=bundle(told), headers=self.date)
        return Said(body=bundle(appointment("9"), type="history"), headers=self.date)


@contextmanager
def watched(
    ehr: Ehr, memory: Memory, told: Mapping[str, Any] = VISITS, clock: SetClock | None = None
) -> Iterator[tuple[Registrar, Watcher, list[Asked], FhirServer]]:
    """A subscription `visits` of source "ehr"."""
    clock = clock or SetClock(NOW)
    options = SubscribeOptions.model_validate({"endpoint": HOOK, "subscriptions": {"visits": told}})
    with there(ehr) as system, client(system.base, None, clock) as server:
        tally = Tally("ehr")
        registrar = Registrar(
            server,
            memory,
            options,
            release=Release.R4,
            secrets={"visits": ("X-Gateway-Key", "a-secret-of-one-purpose")},
            clock=clock,
            tally=tally,
        )
        changes = Changes(
            server=server,
            fetches=memory,
            handing=Handing(memory, server.stopping),
            make=Maker(source="ehr", clock=clock),
            seen=Seen(),
            elements=lambda _: (),
            tally=tally,
            alive=lambda: None,
        )
        yield registrar, Watcher(server, registrar, changes, memory, clock=clock, tally=tally), system.asked, server


def test_a_classic_subscription_is_asked_for_and_waited_for() -> None:
    """S-01, S-02, S-06: requested, a reason, no base in the criteria, our secret; 201 is not yet active."""
    ehr, memory = Ehr(), Memory()
    with watched(ehr, memory) as (registrar, watcher, asked, _):
        assert registrar.register("visits").status == "requested"
        watcher.round()
        assert registrar.standing("visits") is not None
        ehr.status = "active"
        watcher.round()
        standing = registrar.standing("visits")
    assert ehr.kept["1"] == {
        "resourceType": "Subscription",
        "id": "1",
        "status": "requested",
        "end": "2026-04-01T15:00:00.000Z",
        "reason": "Messages to patients about their care",
        "criteria": "Appointment?status=booked",
        "channel": {
            "type": "rest-hook",
            "endpoint": f"{HOOK}/visits",
            "payload": "application/fhir+json",
            "header": ["X-Gateway-Key: a-secret-of-one-purpose"],
        },
    }
    assert asked[0].headers["if-none-exist"] == "url=https%3A%2F%2Fgateway.lakeside.example%2Ffhir%2Fehr%2Fvisits"
    assert standing is not None
    assert (standing.status, standing.good, standing.lost) == ("active", NOW, None)


def test_empty_content_asks_for_no_payload() -> None:
    """S-05."""
    told = SubscriptionOptions.model_validate({**VISITS, "content": "empty"})
    made = subscription_of(told, Release.R4, endpoint=HOOK, secret=None, end=NOW)
    assert made["channel"] == {"type": "rest-hook", "endpoint": HOOK}


def test_a_topic_is_subscribed_to_as_the_backport_guide_writes_it() -> None:
    """S-10."""
    told = SubscriptionOptions.model_validate({**TOPICAL, "heartbeat": "60s"})
    made = subscription_of(told, Release.R4B, endpoint=HOOK, secret=("X-Gateway-Key", "secret"), end=NOW)
    guide = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
    assert made["meta"] == {"profile": [f"{guide}backport-subscription"]}
    assert made["criteria"] == TOPIC
    assert made["_criteria"]["extension"] == [
        {"url": f"{guide}backport-filter-criteria", "valueString": "Appointment?status:not=cancelled"}
    ]
    assert made["channel"]["_payload"]["extension"] == [
        {"url": f"{guide}backport-payload-content", "valueCode": "id-only"}
    ]
    assert {one["url"].removeprefix(guide): list(one.values())[1] for one in made["channel"]["extension"]} == {
        "backport-timeout": 30,
        "backport-max-count": 20,
        "backport-heartbeat-period": 60,
    }


@pytest.mark.parametrize("release", [Release.R4, Release.R4B, Release.R5])
@pytest.mark.parametrize("told", [VISITS, TOPICAL])
def test_what_is_asked_for_is_valid_fhir(release: Release, told: Mapping[str, Any]) -> None:
    """S-01, S-10, S-26: a second opinion; R4 is read with R4B's classes. R5 knows topics only."""
    if release is Release.R5 and told is VISITS:
        return
    if release is Release.R5:
        from fhir.resources.subscription import Subscription
    else:
        from fhir.resources.R4B.subscription import Subscription
    options = SubscriptionOptions.model_validate(told)
    made = subscription_of(options, release, endpoint=HOOK, secret=("X-Gateway-Key", "secret"), end=NOW)
    Subscription.model_validate(made)


def test_r5_tells_filters_apart() -> None:
    """S-26: name, modifier and value; parameter instead of header."""
    options = SubscriptionOptions.model_validate(TOPICAL)
    made = subscription_of(options, Release.R5, endpoint=HOOK, secret=("X-Gateway-Key", "secret"), end=NOW)
    assert made["filterBy"] == [
        {"resourceType": "Appointment", "filterParameter": "status", "value": "cancelled", "modifier": "not"}
    ]
    assert made["parameter"] == [{"name": "X-Gateway-Key", "value": "secret"}]


def test_a_secret_that_would_be_cut_is_not_sent() -> None:
    """S-06: Medplum cuts what stands behind a second colon."""
    with pytest.raises(CommandError, match="colon"):
        subscription_of(
            SubscriptionOptions.model_validate(VISITS), Release.R4, endpoint=HOOK, secret=("X", "a:b"), end=NOW
        )


def test_an_error_is_asked_anew_and_what_was_missed_is_searched_for() -> None:
    """S-03: requested again, less and less often; a search at every look while it is down, and a last one when it is back."""
    ehr, memory, clock = Ehr(), Memory(), SetClock(NOW)
    with watched(ehr, memory, clock=clock) as (registrar, watcher, asked, _):
        registrar.register("visits")
        ehr.status = "active"
        watcher.round()
        ehr.status, ehr.found = "error", [appointment("7")]
        watcher.round()
        watcher.round()
        standing = registrar.standing("visits")
        assert standing is not None
        assert (standing.lost, standing.failed) == (NOW, 1)
        assert memory.names == ["Appointment/7"]
        assert len([one for one in asked if one.method == "PUT"]) == 1
        clock.set(NOW + DAY)
        watcher.round()
        assert len([one for one in asked if one.method == "PUT"]) == 2
        ehr.status = "active"
        ehr.found.append(appointment("8"))
        watcher.round()
        standing = registrar.standing("visits")
    assert memory.names == ["Appointment/7", "Appointment/8"]
    assert standing is not None
    assert (standing.lost, standing.failed, standing.status) == (None, 0, "active")
    searches = [one.query for one in asked if one.path.endswith("/Appointment")]
    assert searches[0]["_lastUpdated"] == "ge2026-03-02T14:55:00.000Z"
    assert searches[0]["status"] == "booked"


def test_what_never_becomes_active_is_searched_for_meanwhile() -> None:
    """S-02: 201 is not "working"; a server whose handshake cannot reach us leaves it at "requested" for ever."""
    ehr, memory = Ehr(), Memory()
    with watched(ehr, memory) as (registrar, watcher, _, _server):
        registrar.register("visits")
        ehr.found = [appointment("7")]
        watcher.round()
        assert memory.names == []  # it may take a moment
        watcher.round()
        assert memory.names == ["Appointment/7"]
        ehr.found.append(appointment("8"))
        ehr.status = "active"
        watcher.round()
        standing = registrar.standing("visits")
    assert memory.names == ["Appointment/7", "Appointment/8"]
    assert standing is not None
    assert (standing.lost, standing.failed) == (None, 0)


@pytest.mark.parametrize("state", ["off", "gone"])
def test_what_is_off_or_gone_is_made_anew(state: str) -> None:
    """S-03: and what it had missed is not forgotten with it."""
    ehr, memory = Ehr(), Memory()
    with watched(ehr, memory) as (registrar, watcher, _, _server):
        registrar.register("visits")
        ehr.status = "active"
        watcher.round()
        ehr.found = [appointment("7")]
        if state == "off":
            ehr.status = "off"
        else:
            ehr.kept.clear()
        watcher.round()
        standing = registrar.standing("visits")
    assert len(ehr.kept) == 1
    assert memory.names == ["Appointment/7"]
    assert standing is not None
    assert standing.lost == NOW


def test_it_is_renewed_before_its_end() -> None:
    """S-04: when two thirds of its time have passed."""
    ehr, memory, clock = Ehr(), Memory(), SetClock(NOW)
    with watched(ehr, memory, clock=clock) as (registrar, watcher, asked, _):
        registrar.register("visits")
        ehr.status = "active"
        for days, times in ((10, 0), (21, 1), (22, 1)):
            clock.set(NOW + days * DAY)
            watcher.round()
            assert len([one for one in asked if one.method == "PUT"]) == times
    assert ehr.kept["1"]["end"] == "2026-04-22T15:00:00.000Z"


def test_a_topic_is_looked_at_by_its_status_operation() -> None:
    """S-17, S-24."""
    ehr, memory = Ehr(), Memory()
    ehr.operations, ehr.status = True, "active"
    with watched(ehr, memory, TOPICAL) as (registrar, watcher, asked, _):
        registrar.register("visits")
        watcher.status("1")
        assert [one.path.removeprefix("/fhir/") for one in asked] == ["Subscription", "Subscription/1/$status"]
        ehr.operations = False
        watcher.status("visits")
    assert asked[-1].path.endswith("Subscription/1")


def test_missing_events_are_asked_for_by_number() -> None:
    """S-19: both ends included; a server without the operation says so."""
    ehr, memory = Ehr(), Memory()
    ehr.operations = True
    with watched(ehr, memory, TOPICAL) as (registrar, watcher, asked, _):
        registrar.register("visits")
        told = watcher.events("1", 7, 8)
        assert told is not None
        assert json.loads(told[0])["type"] == "history"
        assert asked[-1].query == {"eventsSinceNumber": "7", "eventsUntilNumber": "8"}
        ehr.operations = False
        assert watcher.events("visits", 7, 8) is None
        ehr.found = [appointment("7")]
        watcher.search("1", NOW)
        watcher.search("", None)
        assert asked[-1].query["_lastUpdated"] == "ge2026-03-02T14:55:00.000Z"  # from its beginning
        with pytest.raises(Unusable):
            watcher.search("another", NOW)
    assert memory.names == ["Appointment/7"]


def test_a_subscription_is_taken_back() -> None:
    """Nothing looks after it any more; one that is not there is no error."""
    ehr, memory = Ehr(), Memory()
    with watched(ehr, memory) as (registrar, watcher, asked, _):
        registrar.register("visits")
        assert registrar.unregister("visits")
        assert not registrar.unregister("visits")
        before = len(asked)
        watcher.round()
        assert len(asked) == before
    assert ehr.kept == {}


def test_subscribing_twice_asks_for_the_one_there_is() -> None:
    """So a changed secret reaches the server; one that is gone is made anew."""
    ehr, memory = Ehr(), Memory()
    with watched(ehr, memory) as (registrar, _, _asked, _server):
        assert registrar.register("visits").id == registrar.register("visits").id
        ehr.kept.clear()
        registrar.register("visits")
    assert len(ehr.kept) == 1


def test_an_unreadable_note_is_none() -> None:
    """It is asked for anew."""
    memory = Memory(notes={"subscription:visits": "{"})
    with watched(Ehr(), memory) as (registrar, *_):
        assert registrar.standing("visits") is None
        registrar.keep("visits", Standing(id="1"))
        assert registrar.standing("visits") == Standing(id="1")


@pytest.mark.parametrize(
    "told",
    [
        {},
        {**VISITS, **TOPICAL},
        {"topic": TOPIC},
        {**VISITS, "content": "id-only"},
        {"criteria": "https://ehr.example/Appointment?status=booked"},
        {"criteria": "/Appointment"},
    ],
)
def test_a_subscription_that_makes_no_sense_is_refused(told: Mapping[str, Any]) -> None:
    """Before anything is asked of a server."""
    with pytest.raises(ValidationError):
        SubscriptionOptions.model_validate(told)
