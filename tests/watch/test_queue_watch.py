"""How far behind its queue a feed is, is known to every process and alarms in time, whoever reads the queue."""

from __future__ import annotations

from dataclasses import replace

import pytest
from watch_site import OpenSite

from gateway import telemetry
from gateway.app import Gateway
from gateway.app.watching import watch_of
from gateway.cli.feeds import queue_words
from gateway.model.alert import AlertKind
from gateway.model.when import HOUR, MINUTE, SECOND, Millis
from gateway.pipeline import conditions, inspect
from gateway.pipeline.queues import AWAY, STALE, QueueLooks, Seen
from gateway.ports import QueueState, SetClock


class Queued:
    """A source of which only the queue matters."""

    name = "ehr"

    def __init__(self, at: Millis) -> None:
        self.queue = QueueState(at=at, connected=True)

    def now(self, **told: object) -> None:
        """It stands otherwise."""
        self.queue = replace(self.queue, **told)  # type: ignore[arg-type]


@pytest.fixture
def gateway(open_site: OpenSite) -> Gateway:
    """One that reads the feed."""
    return open_site()


def looks_of(gateway: Gateway, source: Queued) -> QueueLooks:
    """What a process with this source writes down."""
    return QueueLooks(gateway.store, {gateway.site.sources["ehr"].id: ("ehr", source)})


def found(gateway: Gateway) -> list[tuple[str, Millis, int]]:
    """What is wrong with queues, as the leading process sees it."""
    with gateway.store.read() as unit:
        wrong = [one for one in conditions.found(unit, gateway.site) if one.kind is AlertKind.QUEUE_BEHIND]
    return [(one.source, one.since, one.count) for one in wrong]


def passes(clock: SetClock, span: Millis) -> Millis:
    """Time goes by; what time it is then."""
    clock.set(clock.now() + span)
    return clock.now()


def test_another_process_is_told_what_waits_and_what_came_again(
    open_site: OpenSite, gateway: Gateway, clock: SetClock
) -> None:
    """Feed watch: waiting, age of the oldest, share of redeliveries, connected; forgotten once nobody tells it."""
    start = clock.now()
    source = Queued(start)
    looks = looks_of(gateway, source)
    source.now(waiting=40, since=start - 3 * MINUTE, taken=200, again=10)
    looks.once()
    other = open_site()
    ehr, lab = inspect.feeds(other)
    assert lab.queue is None
    assert ehr.queue == inspect.feed_queue(other, "ehr")
    assert ehr.queue is not None
    assert (ehr.queue.lost, ehr.queue.waiting, ehr.queue.age, ehr.queue.redelivered) == (None, 40, 3 * MINUTE, 0.05)
    assert queue_words(ehr.queue) == "40 waiting, oldest 3m, 5.0% again"
    passes(clock, STALE + 1)
    assert inspect.feeds(other)[0].queue is None


def test_what_waits_too_long_is_an_alarm_and_over_when_it_was_taken(gateway: Gateway, clock: SetClock) -> None:
    """`watch: {behind_after}`: a quarter of an hour."""
    start = clock.now()
    source = Queued(start)
    looks = looks_of(gateway, source)
    source.now(waiting=7, since=start)
    looks.once()
    passes(clock, 14 * MINUTE)
    looks.once()
    assert found(gateway) == []
    passes(clock, MINUTE)
    looks.once()
    assert found(gateway) == [("ehr", start, 7)]
    source.now(waiting=0, since=None)
    looks.once()
    assert found(gateway) == []


def test_a_broker_away_for_five_minutes_is_an_alarm(gateway: Gateway, clock: SetClock) -> None:
    """A restart of it is none; the time is that of the loss."""
    source = Queued(clock.now())
    looks = looks_of(gateway, source)
    looks.once()
    source.now(connected=False, said="the queue is not there")
    lost = passes(clock, 30 * SECOND)
    looks.once()
    queue = inspect.feeds(gateway)[0].queue
    assert queue is not None
    assert queue.lost == lost
    assert queue_words(queue).endswith("Z (the queue is not there)")
    passes(clock, AWAY - 1)
    looks.once()
    assert found(gateway) == []
    passes(clock, 1)
    looks.once()
    assert found(gateway) == [("ehr", lost, 0)]
    source.now(connected=True)
    looks.once()
    assert found(gateway) == []


def test_of_two_gateways_on_one_queue_the_newest_look_counts_and_shares_add_up(
    open_site: OpenSite, gateway: Gateway, clock: SetClock
) -> None:
    """One that lost its connection is no alarm while another has one."""
    start = clock.now()
    second = open_site()
    second.store.holder = "gw2:1"  # another process
    one, other = Queued(start), Queued(start + 5)
    mine, theirs = looks_of(gateway, one), looks_of(second, other)
    other.now(waiting=3, since=start, taken=100, again=0)
    theirs.once()
    one.now(waiting=900, since=start - HOUR, taken=100, again=20, connected=True)
    mine.once()
    one.now(connected=False)
    mine.once()
    queue = inspect.feeds(gateway)[0].queue
    assert queue is not None
    assert (queue.lost, queue.waiting, queue.oldest, queue.redelivered) == (None, 3, start, 0.1)
    one.now(at=start + 10)
    mine.once()
    other.now(connected=False)
    later = passes(clock, 7)
    theirs.once()
    queue = inspect.feeds(gateway)[0].queue
    assert queue is not None
    assert (queue.lost, queue.waiting) == (later, 900)


def test_where_the_broker_tells_no_age_the_oldest_is_as_old_as_the_first_look_at_it() -> None:
    """RabbitMQ: what waits behind as much as had come by then was not there yet."""
    seen, state = Seen(), QueueState(at=1, connected=True, waiting=100)
    oldest = 4  # its place in what is written down
    assert seen.look(1_000, state)[oldest] == 1_000  # type: ignore[index]
    assert seen.look(2_000, replace(state, taken=50, waiting=80))[oldest] == 1_000  # type: ignore[index]
    assert seen.look(3_000, replace(state, taken=100, waiting=60))[oldest] == 2_000  # type: ignore[index]
    assert seen.look(4_000, replace(state, taken=160, waiting=0))[oldest] is None  # type: ignore[index]
    assert seen.look(5_000, replace(state, taken=160, waiting=9))[oldest] == 5_000  # type: ignore[index]


def test_redeliveries_are_those_of_the_last_hour() -> None:
    """A bad night is forgotten."""
    seen = Seen()
    seen.look(0, QueueState(connected=True, taken=100, again=50))
    seen.look(HOUR // 2, QueueState(connected=True, taken=150, again=50))
    assert seen.look(HOUR + 1, QueueState(connected=True, taken=400, again=60))[5:7] == (300, 10)  # type: ignore[index]


def test_nothing_is_told_of_a_queue_before_it_was_looked_at(gateway: Gateway) -> None:
    """A gateway that starts is no broker that is away."""
    source = Queued(0)
    source.now(connected=False)
    looks = looks_of(gateway, source)
    looks.once()
    assert inspect.feeds(gateway)[0].queue is None
    looks.once()
    assert inspect.feeds(gateway)[0].queue is not None


def test_the_watch_writes_and_shows_it_as_metrics(gateway: Gateway, clock: SetClock) -> None:
    """By source; gone when nobody tells it any more."""
    source = Queued(clock.now())
    source.now(waiting=4, since=clock.now() - MINUTE, taken=10, again=3)
    watch = watch_of(gateway, ("listen",), lambda: True, [source])  # type: ignore[list-item]
    watch.once()
    text = telemetry.exposition()[0].decode()
    for line in (
        'caregate_queue_waiting{source="ehr"} 4.0',
        'caregate_queue_oldest_seconds{source="ehr"} 60.0',
        'caregate_queue_connected{source="ehr"} 1.0',
    ):
        assert line in text
    assert 'caregate_queue_redelivered_total{source="ehr"}' in text


def test_what_a_gateway_saw_that_was_stopped_hides_nothing(
    open_site: OpenSite, gateway: Gateway, clock: SetClock
) -> None:
    """Started again with a wrong password, "0 waiting" of before would be believed for minutes."""
    source, before = Queued(clock.now()), open_site()
    before.store.holder = "gw1:1"  # another process
    source.now(waiting=0)
    watch_of(before, ("listen",), lambda: True, [source]).once()  # type: ignore[list-item]
    assert inspect.feed_queue(gateway, "ehr") is not None
    before.close()
    assert inspect.feed_queue(gateway, "ehr") is None
