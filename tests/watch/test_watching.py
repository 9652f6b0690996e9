"""The watch as a whole: one process leads, all show what stands, and what each machine sees is told of that machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from watch_site import OpenSite

from gateway import telemetry
from gateway.app import Gateway
from gateway.app.watching import BrokerCheck, DiskCheck, expiring
from gateway.model.alert import Alert, AlertKind, AlertWord, Condition
from gateway.model.errors import StoreUnavailable
from gateway.model.event import Format, RawMessage
from gateway.model.when import DAY, HOUR, MINUTE, Millis
from gateway.pipeline import conditions, watching
from gateway.pipeline.alerting import standing
from gateway.pipeline.conditions import GROWING
from gateway.pipeline.watching import Check, Watch
from gateway.ports import SetClock
from gateway.store import tables


class Usage(NamedTuple):
    """What `shutil.disk_usage` tells."""

    total: int
    used: int
    free: int


class Pager:
    """A sink that remembers."""

    name = "pager"

    def __init__(self) -> None:
        self.told: list[Alert] = []

    def tell(self, alert: Alert) -> None:
        """Remember."""
        self.told.append(alert)

    def close(self) -> None:
        """Nothing to give back."""

    @property
    def words(self) -> list[tuple[str, str, str]]:
        """What was told, short."""
        return [(one.kind.value, one.source, one.word.value) for one in self.told]


def watch_on(
    gateway: Gateway,
    pager: Pager,
    *,
    leads: bool = True,
    checks: Mapping[AlertKind, Check] | None = None,
    host: str = "gw1",
) -> Watch:
    """A watch of a gateway, not started."""
    return Watch(
        gateway.store,
        gateway.site,
        leads=leads,
        checks=checks or {},
        sinks=[pager],
        environment="production",
        host=host,
        every=3600,
    )


def always(kind: AlertKind, host: str) -> Check:
    """Something that is always wrong on a machine."""
    return lambda now: [Condition(kind=kind, source="", since=now, host=host)]


def value(line: str) -> float | None:
    """A metric's value."""
    text = telemetry.exposition()[0].decode()
    return next((float(one.rpartition(" ")[2]) for one in text.splitlines() if one.startswith(line + " ")), None)


@pytest.fixture
def pager() -> Pager:
    """A sink."""
    return Pager()


def heard(gateway: Gateway, body: bytes, *, source: str = "ehr", count: int = 1) -> None:
    """Messages that cannot be read, or whatever, come in now."""
    now = gateway.clock.now()
    batch = [
        RawMessage(source=source, format=Format.HL7V2, body=body + b"%d" % number, received=now)
        for number in range(count)
    ]
    gateway.receiver.receive(batch)


def test_of_two_gateways_one_leads_and_the_other_follows_when_it_stops(open_site: OpenSite, pager: Pager) -> None:
    """Alerts: told by one; the next leads at once when the first stopped in order."""
    first, second = open_site(), open_site()
    one, other = watch_on(first, pager), watch_on(second, pager)
    heard(first, b"garbage", count=GROWING)
    one.once()
    other.once()
    assert pager.words == [("quarantine-growing", "ehr", "raised")]
    one.stop()
    with first.store.begin("test") as uow:
        entries = [(raw,) for (raw,) in uow.lookup(tables.quarantine, ("raw",), "state", ["open"])]
        uow.update(tables.quarantine, ("raw",), ("state",), [("discarded", *raw) for raw in entries])
        uow.audit([("message.released", "test")])
        uow.commit()
    other.once()
    assert pager.words[1:] == [("quarantine-growing", "ehr", "resolved")]


def test_a_gateway_that_died_is_followed_when_its_lease_ran_out(
    open_site: OpenSite, pager: Pager, clock: SetClock
) -> None:
    """Alerts: kill -9 silences nobody for longer than the lease."""
    first, second = open_site(), open_site()
    watch_on(first, pager).once()
    heard(first, b"garbage", count=GROWING)
    other = watch_on(second, pager)
    other.once()
    assert pager.words == []
    clock.set(clock.now() + watching.SPAN)
    other.once()
    assert pager.words == [("quarantine-growing", "ehr", "raised")]


def test_a_few_bad_messages_are_no_alarm_and_old_ones_neither(
    open_site: OpenSite, pager: Pager, clock: SetClock
) -> None:
    """Alerts: ten within an hour, of one feed."""
    gateway = open_site()
    watch = watch_on(gateway, pager)
    heard(gateway, b"garbage", count=GROWING - 1)
    heard(gateway, b"rubbish", source="lab", count=1)
    watch.once()
    clock.set(clock.now() + HOUR + MINUTE)
    heard(gateway, b"rubble", count=GROWING - 1)
    watch.once()
    assert [one for one in pager.words if one[0] == "quarantine-growing"] == []


def test_an_audit_log_that_nobody_seals_is_told_and_its_sealing_too(
    open_site: OpenSite, pager: Pager, clock: SetClock
) -> None:
    """Alerts: seen in the database, so that it does not matter which process should have sealed."""
    from gateway.store.seal import seal

    gateway = open_site()
    watch = watch_on(gateway, pager)
    watch.once()
    clock.set(clock.now() + 16 * MINUTE)
    watch.once()
    assert pager.words == [("sealing-failed", "", "raised")]
    seal(gateway.store)
    watch.once()
    assert pager.words[1:] == [("sealing-failed", "", "resolved")]


def test_a_message_out_of_turn_is_told_for_an_hour(open_site: OpenSite, pager: Pager, clock: SetClock) -> None:
    """D-11: the sender stops, and somebody must look; seen by every gateway."""
    from gateway.pipeline.cursors import REFUSED, put

    gateway = open_site()
    with gateway.store.begin("test") as uow:
        put(uow, {(gateway.site.sources["lab"].id, REFUSED): str(uow.now)})
        uow.audit([("sequence.refused", "lab")])
        uow.commit()
    with gateway.store.read() as unit:
        assert [(one.kind, one.source) for one in conditions.found(unit, gateway.site)] == [("sequence-gap", "lab")]
    clock.set(clock.now() + HOUR)
    with gateway.store.read() as unit:
        assert [one.kind for one in conditions.found(unit, gateway.site)] == ["sealing-failed"]


def test_each_machine_tells_of_itself_and_what_is_gone_for_a_day_is_over(
    open_site: OpenSite, pager: Pager, clock: SetClock
) -> None:
    """Alerts: gw2 was taken out of service while its disk was full."""
    gateway = open_site()
    kind = AlertKind.DISK_NEARLY_FULL
    with gateway.store.begin("test") as uow:
        holder = ("writer:99", "gw2:4711", clock.now() + MINUTE, 1, 0)
        uow.insert(tables.lease, ("name", "holder", "until", "fence", "floor"), [holder])
        uow.commit()
    watch_on(gateway, pager, leads=False, checks={kind: always(kind, "gw2")}, host="gw2").once()
    here = watch_on(gateway, pager, checks={kind: lambda _: []}, host="gw1")
    here.once()
    assert [one.word for one in pager.told] == [AlertWord.RAISED]
    assert pager.told[0].host == "gw2"
    clock.set(clock.now() + DAY + 2 * MINUTE)
    here.once()
    assert AlertWord.RESOLVED in [one.word for one in pager.told if one.kind is kind]


def test_every_process_shows_how_the_feeds_stand(open_site: OpenSite, pager: Pager, clock: SetClock) -> None:
    """Prometheus: also one that does not lead; closed labels."""
    gateway = open_site()
    heard(gateway, b"garbage")
    watch_on(gateway, pager).once()
    clock.set(clock.now() + 90_000)
    with gateway.store.begin("test") as uow:
        uow.update(tables.source, ("id",), ("silent_since",), [(clock.now(), gateway.site.sources["lab"].id)])
        uow.audit([("feed.silent", "lab")])
        uow.commit()
    watch_on(gateway, pager, leads=False).once()
    assert value('caregate_feed_last_message_timestamp_seconds{source="ehr"}') == clock.now() / 1000 - 90
    assert value('caregate_feed_silence_seconds{source="ehr"}') == 90
    assert value('caregate_feed_silent{source="ehr"}') == 0
    assert value('caregate_feed_silent{source="lab"}') == 1
    assert value("caregate_quarantine_open") == 1
    watch_on(gateway, pager).stop()


def test_the_alerts_that_stand_are_metrics_and_those_that_are_over_are_not(open_site: OpenSite, pager: Pager) -> None:
    """Prometheus: what is over disappears."""
    gateway = open_site()
    kind = AlertKind.DISK_NEARLY_FULL
    told: list[Condition] = [Condition(kind=kind, source="", since=1, host="gw1")]
    watch = watch_on(gateway, pager, checks={kind: lambda _: told})
    line = 'caregate_alert_active{kind="disk-nearly-full",source=""}'
    watch.once()
    assert value(line) == 1
    told.clear()
    watch.once()
    assert value(line) is None


def test_one_thing_that_goes_wrong_stops_nothing_else(
    open_site: OpenSite, pager: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alerts: a database that is away for a moment, a bug in one part; the round after is whole."""
    gateway = open_site()
    kind = AlertKind.DISK_NEARLY_FULL
    watch = watch_on(gateway, pager, checks={kind: always(kind, "gw1")})

    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("gone")

    def broken(*_: object, **__: object) -> None:
        raise ValueError("Smith")

    monkeypatch.setattr(watch._feeds, "once", broken)
    monkeypatch.setattr(watch, "_common", away)
    watch.once()
    assert pager.words == [("disk-nearly-full", "", "raised")]


def test_a_watch_starts_and_stops(open_site: OpenSite, pager: Pager) -> None:
    """Its thread makes a first round at once, and its lease is free afterwards."""
    gateway = open_site()
    kind = AlertKind.DISK_NEARLY_FULL
    made: list[Millis] = []

    def check(now: Millis) -> Iterable[Condition]:
        made.append(now)
        return []

    watch = watch_on(gateway, pager, checks={kind: check})
    watch.start()
    watch.stop()
    assert len(made) == 1
    assert not watch._thread.is_alive()
    with gateway.store.read() as unit:
        assert unit.lookup(tables.lease, ("until",), "name", [watching.LEASE]) in ([], [(0,)])
        assert standing(unit) == {}


# -- what a process sees of its surroundings


def test_a_broker_that_restarts_is_no_alarm_one_that_stays_away_is() -> None:
    """Alerts: a minute; since when it did not answer."""
    there = {"so": False}
    check = BrokerCheck(lambda: there["so"])
    assert list(check(1000)) == []
    assert list(check(1000 + MINUTE - 1)) == []
    (found,) = check(1000 + MINUTE)
    assert (found.kind, found.since) == (AlertKind.BROKER_DOWN, 1000)
    there["so"] = True
    assert list(check(1000 + 2 * MINUTE)) == []
    there["so"] = False
    assert list(check(1000 + 3 * MINUTE)) == []


@pytest.mark.parametrize(
    ("total", "free", "percent"),
    [(100 << 30, 4 << 30, 4), (4 << 30, 900 << 20, 21), (100 << 30, 6 << 30, None), (10 << 40, 600 << 30, None)],
)
def test_a_disk_is_nearly_full_below_a_share_and_below_a_gigabyte(total: int, free: int, percent: int | None) -> None:
    """Alerts: told in per cent."""
    usage: Callable[[Path], Any] = lambda _: Usage(total, total - free, free)  # noqa: E731
    found = list(DiskCheck(Path("/"), usage)(7))
    assert [one.count for one in found] == ([] if percent is None else [percent])


def test_a_disk_that_cannot_be_looked_at_and_one_elsewhere_tell_nothing() -> None:
    """Alerts: a PostgreSQL server's disk is its own affair."""

    def gone(_: Path) -> Any:
        raise FileNotFoundError

    assert list(DiskCheck(None)(7)) == []
    assert list(DiskCheck(Path("/"), gone)(7)) == []


def test_a_certificate_that_ends_within_thirty_days_is_told() -> None:
    """TL-05: of whatever source tells its end, and of no other."""

    @dataclass
    class Link:
        name: str
        certificate_ends: Millis | None = None

    now = 100 * DAY
    links = [
        Link("soon", now + 29 * DAY),
        Link("later", now + 31 * DAY),
        Link("ended", now - 1),
        Link("plain"),
        object(),
    ]
    assert [one.source for one in expiring(links, now)] == ["soon", "ended"]  # type: ignore[arg-type]
