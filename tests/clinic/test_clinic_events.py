"""Who is listed for it is told what happened, with the facts named and no others: once, after the commit, and of nothing that is protected."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from clinic_dsl import Clinic, OpenClinic
from clinic_ehr import KilledError
from test_clinic_gates import _VISIT
from test_clinic_writeback import receives

sys.path.append(str(Path(__file__).parent.parent / "sinks"))  # whoever reads events
sys.path.append(str(Path(__file__).parent.parent / "queues"))  # its brokers
sys.path.append(str(Path(__file__).parent.parent / "mllp"))  # their certificates

from rabbit_parts import Queues
from told_events import Bus, Consumer, Exchange, Stream, data, short

from gateway.model.comingback import ReceiptStatus
from gateway.model.consent import ConsentKind
from gateway.model.outcome import SinkRow
from gateway.model.verdict import Reason
from gateway.pipeline import inspect
from gateway.pipeline.directory import Directory
from gateway.pipeline.outcomes import Publishing
from gateway.pipeline.packing import unpack
from gateway.ports import Sink
from gateway.store import tables
from tests.queues.redis_there import Valkey, valkey

FIRST = "2026-03-20 09:30"
SINK = """\
sinks:
  back:
    kind: parquet
    sources: {sources}
    path: outcomes
    agreement: {{party: Hub Inc, signed: 2025-01-01, expires: 2030-12-31}}
    {more}
"""
ALL = "kinds: [event, planned, held, withheld, withdrawn, sent, delivered, opted-out, opted-in]\n    "
EVENTS = "kinds: [event]\n    "


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """Streams of all tests here."""
    with valkey(tmp_path_factory.mktemp("valkey")) as made:
        yield made


@pytest.fixture
def bus(request: pytest.FixtureRequest) -> Iterator[Bus]:
    """A stream, unless a test says that it is an exchange of RabbitMQ."""
    if getattr(request, "param", "redis-stream") == "redis-stream":
        with closing(Stream(request.getfixturevalue("server"))) as stream:
            yield stream
        return
    url = request.getfixturevalue("amqp_url")
    with closing(Queues(url)) as queues, closing(Exchange(url, queues)) as exchange:
        yield exchange


class Hub:
    """Somebody who hears what happened, from a broker."""

    def __init__(self, open_clinic: OpenClinic, bus: Bus, more: str, *, sources: str = "ehr") -> None:
        self.bus = bus
        self.clinic: Clinic = open_clinic(more=SINK.format(sources=sources, more=more))
        self.rounds = self.another(bus.sink())
        self.clinic.enrols("Ann")

    def another(self, sink: Sink) -> Publishing:
        """The rounds of one process."""
        gateway = self.clinic.gateway
        return Publishing(gateway.store, gateway.site, gateway.site.sinks["back"], sink, gateway.rules.current)

    def hears(self, after: str = "1m") -> list[tuple[str, dict[str, object]]]:
        """A round, and all that was ever told: types and facts."""
        self.clinic.passes(after)
        self.rounds.once()
        return [(short(one), data(one).get("facts", {})) for one in Consumer().all(self.bus)]


@pytest.mark.parametrize("bus", ["redis-stream", "amqp"], indirect=True)
def test_a_third_party_reads_the_whole_run_of_a_visit(open_clinic: OpenClinic, bus: Bus) -> None:
    """Booked, moved, reminded, delivered, opted out, cancelled: every event is CloudEvents 1.0 and fits its schema, one by id."""
    hub = Hub(open_clinic, bus, ALL + "facts: [appointment.start, appointment.service]")
    clinic = hub.clinic
    clinic.books("Ann", FIRST)
    told = {"appointment.start": "2026-03-20T09:30:00-05:00", "appointment.service": "primary-care"}
    assert hub.hears() == [
        ("event.appointment.booked", told), ("request.planned", told), ("request.planned", told),
    ]  # fmt: skip
    clinic.reschedules("Ann", "2026-03-21 10:30")
    told["appointment.start"] = "2026-03-21T10:30:00-05:00"
    assert ("event.appointment.rescheduled", told) in hub.hears()
    clinic.until("2026-03-14 12:00")
    receives(clinic, ReceiptStatus.DELIVERED)
    hub.hears()
    clinic.opts_out("Ann")
    hub.hears()
    clinic.cancels("Ann")
    hub.hears()
    events = Consumer().all(hub.bus)
    types = [short(one) for one in events]
    assert {"communication.sent", "communication.delivered", "consent.opted-out", "event.appointment.cancelled"} <= set(
        types
    )
    assert {"request.withdrawn", "request.withheld"} & set(types)
    assert len({(one.get_source(), one.get_id()) for one in events}) == len(set(hub.bus.bodies()))
    assert {one.get_subject() for one in events} == {str(clinic.token("Ann"))}
    assert len({data(one)["occurrence"] for one in events}) == 1
    assert {str(data(one).get("facts")) for one in events if short(one) == "consent.opted-out"} == {"None"}


def test_events_are_told_only_where_they_are_listed(open_clinic: OpenClinic, bus: Bus) -> None:
    """A sink that lists no kinds is told what it was told before there were events."""
    hub = Hub(open_clinic, bus, "")
    hub.clinic.books("Ann", FIRST)
    assert [kind for kind, _ in hub.hears()] == ["request.planned", "request.planned"]


def test_a_repeated_message_and_what_was_there_before_us_are_no_events(open_clinic: OpenClinic, bus: Bus) -> None:
    """D-02, K-16, A-01: nothing new happened; what then happens to it is told."""
    hub = Hub(open_clinic, bus, EVENTS)
    clinic = hub.clinic
    clinic.books("Ann", FIRST, baseline=True)
    clinic.hears(clinic.spoken[-1])
    clinic.modifies("Ann")
    assert hub.hears() == []
    clinic.cancels("Ann")
    clinic.hears(clinic.spoken[-1])
    assert hub.hears() == [("event.appointment.cancelled", {})]


def test_only_of_the_sources_that_are_listed(open_clinic: OpenClinic, bus: Bus) -> None:
    """And a fact named for a sink is kept of the messages of its sources, and of no others (law 5)."""
    hub = Hub(open_clinic, bus, EVENTS + "facts: appointment.duration")
    clinic, long = hub.clinic, {9: "30", 10: "MIN"}
    clinic.books("Ann", FIRST, sch=long)
    clinic.books("Ann", "2026-03-25 09:30", source="partner", sch=long)
    assert hub.hears() == [("event.appointment.booked", {"appointment.duration": 30})]
    assert sorted(len(one) for one in kept(clinic, "appointment.duration")) == [0, 1]


def test_what_nobody_is_given_is_not_kept(open_clinic: OpenClinic, bus: Bus) -> None:
    """Law 5: without the sink's `facts` the message is not even read for it."""
    hub = Hub(open_clinic, bus, EVENTS)
    hub.clinic.books("Ann", FIRST, sch={9: "30", 10: "MIN"})
    assert hub.hears() == [("event.appointment.booked", {})]
    assert kept(hub.clinic, "appointment.duration") == [()]


def kept(clinic: Clinic, fact: str) -> list[tuple[object, ...]]:
    """Of each occurrence the fact's value, where it is kept."""
    gateway, token = clinic.gateway, clinic.token("Ann")
    with gateway.store.begin("test") as uow:
        directory = Directory(uow, gateway.store.keyring, gateway.rules.current().ruleset.policy)
        directory.load_tokens([token], lock=False)
        rows = uow.lookup(tables.occurrence, ("id", "sealed_facts"), "patient", [token])
        found = [unpack(directory.open_facts(directory.patients[token], sealed, one)) for one, sealed in rows]
    return [(one[fact],) if fact in one else () for one in found]


@pytest.mark.parametrize("service", ["SUD", "NOBODY-KNOWS"])
def test_of_a_protected_service_nothing_is_told(open_clinic: OpenClinic, bus: Bus, service: str) -> None:
    """42 CFR 2.13, PV-08: no event and no fact; a code that nobody mapped may be one."""
    hub = Hub(open_clinic, bus, ALL + "facts: [appointment.start, appointment.service]")
    hub.clinic.books("Ann", FIRST, service=service)
    assert [(kind, facts) for kind, facts in hub.hears() if facts or kind.startswith("event")] == []


def test_nothing_is_told_of_a_place_that_tells_it_by_its_name(open_clinic: OpenClinic, bus: Bus) -> None:
    """PV-08: its very name."""
    hub = Hub(open_clinic, bus, EVENTS + "facts: appointment.location")
    hub.clinic.books("Ann", FIRST, place="HOPE")
    assert hub.hears() == []


@pytest.mark.parametrize("reason", sorted(_VISIT))
def test_what_is_restricted_is_told_to_nobody(open_clinic: OpenClinic, bus: Bus, reason: Reason) -> None:
    """PV-01, PV-02, PV-04: as it waits for a person here, it does not leave."""
    hub = Hub(open_clinic, bus, ALL + "facts: appointment.start")
    hub.clinic.books("Ann", FIRST, visit=_VISIT[reason])
    assert [(kind, facts) for kind, facts in hub.hears() if facts or kind.startswith("event")] == []


def test_nothing_is_told_of_who_was_promised_a_restriction(open_clinic: OpenClinic, bus: Bus) -> None:
    """45 CFR 164.522(a), until it is taken back."""
    hub = Hub(open_clinic, bus, EVENTS)
    clinic = hub.clinic
    asked = {"purpose": "*", "evidence": "form 1", "account": "os:clerk", "kind": ConsentKind.RESTRICTION}
    inspect.consent_add(clinic.gateway, clinic.identifier("Ann"), permit=False, **asked)
    clinic.books("Ann", FIRST)
    assert hub.hears() == []
    inspect.consent_add(clinic.gateway, clinic.identifier("Ann"), permit=True, **asked)
    clinic.cancels("Ann")
    assert hub.hears() == [("event.appointment.cancelled", {})]


def test_without_an_agreement_in_force_no_fact_leaves(open_clinic: OpenClinic, bus: Bus) -> None:
    """45 CFR 164.308(b): as of a channel."""
    hub = Hub(open_clinic, bus, EVENTS + "facts: appointment.start")
    clinic = hub.clinic
    old = SINK.replace("2030-12-31", "2026-01-01").format(sources="ehr", more=EVENTS + "facts: appointment.start")
    clinic.restarts(more=old)
    hub.rounds = hub.another(bus.sink())
    clinic.books("Ann", FIRST)
    assert hub.hears() == []


def test_killed_before_it_was_noted_the_same_events_come_again(open_clinic: OpenClinic, bus: Bus) -> None:
    """At least once here, once by id there; nothing is left out."""

    class Dying:
        name = "back"

        def write(self, batch: Sequence[SinkRow]) -> None:
            bus.sink().write(batch)
            raise KilledError

        def close(self) -> None: ...

    hub = Hub(open_clinic, bus, ALL)
    hub.clinic.books("Ann", FIRST)
    hub.clinic.passes("1m")
    with pytest.raises(KilledError):
        hub.another(Dying()).once()
    first = list(bus.bodies())
    hub.hears("2h")
    assert first
    assert bus.bodies() == first * 2
