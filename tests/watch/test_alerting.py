"""Who is told what, and when: once, again while it lasts, when it is over; whatever fails, restarts or flaps."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.alert import Alert, AlertKind, AlertWord, Condition
from gateway.model.errors import Refused, StoreUnavailable, Unavailable
from gateway.model.when import DAY, HOUR, MINUTE, SECOND, Millis
from gateway.pipeline import telling
from gateway.pipeline.alerting import Standing, settle, standing
from gateway.pipeline.telling import LOG, TRIES, Teller, Told, may_try, owed
from gateway.ports import SetClock
from gateway.store import tables
from gateway.store.engine import Store

RAISED, LASTING, RESOLVED = AlertWord.RAISED, AlertWord.LASTING, AlertWord.RESOLVED
KINDS = frozenset(AlertKind)


@dataclass
class Pager:
    """A sink that remembers, and fails when told to."""

    name: str = "pager"
    told: list[Alert] = field(default_factory=list)
    fails: Exception | None = None
    tried: int = 0

    def tell(self, alert: Alert) -> None:
        """Remember, or raise."""
        self.tried += 1
        if self.fails is not None:
            raise self.fails
        self.told.append(alert)

    def close(self) -> None:
        """Nothing to give back."""

    @property
    def words(self) -> list[str]:
        """What was told, short."""
        return [f"{one.kind.value} {one.source} {one.word.value}".replace("  ", " ") for one in self.told]


@pytest.fixture
def pager() -> Pager:
    """A sink."""
    return Pager()


@pytest.fixture
def tell(store: Store, pager: Pager) -> Callable[[], None]:
    """One round of telling, each time by a process that has just started."""
    return lambda: Teller(store, [pager], environment="production").once()


def wrong(kind: AlertKind, source: str = "", *, since: Millis = 0, count: int = 0, host: str = "") -> Condition:
    """A condition."""
    return Condition(kind=kind, source=source, since=since, count=count, host=host)


def now_is(store: Store, *found: Condition, kinds: Collection[AlertKind] = KINDS) -> None:
    """The ledger hears what is wrong now."""
    settle(store, found, lambda one: one.kind in kinds)


SILENT = wrong(AlertKind.FEED_SILENT, "ehr", since=1_772_460_000_000)


def test_a_condition_is_told_once_and_when_it_is_over(
    store: Store, pager: Pager, clock: SetClock, tell: Callable[[], None]
) -> None:
    """Alerts: raised, and resolved; rounds and restarts between repeat nothing."""
    for _ in range(3):
        now_is(store, SILENT)
        tell()
        clock.set(clock.now() + MINUTE)
    assert pager.words == ["feed-silent ehr raised"]
    assert pager.told[0].since == SILENT.since
    assert pager.told[0].environment == "production"
    for _ in range(3):
        now_is(store)
        tell()
    assert pager.words == ["feed-silent ehr raised", "feed-silent ehr resolved"]


def test_what_lasts_is_told_again_every_so_often(
    store: Store, pager: Pager, clock: SetClock, tell: Callable[[], None]
) -> None:
    """Alerts: twelve hours, unless configured."""
    for _ in range(26):
        now_is(store, SILENT)
        tell()
        clock.set(clock.now() + HOUR)
    assert [one.word for one in pager.told] == [RAISED, LASTING, LASTING]
    assert len({one.id for one in pager.told}) == 1


def test_what_flaps_is_one_alarm_an_hour_at_most(
    store: Store, pager: Pager, clock: SetClock, tell: Callable[[], None]
) -> None:
    """Alerts: a holiday, a line that comes and goes."""
    for minute in range(120):
        now_is(store, *([] if minute % 2 else [wrong(AlertKind.BROKER_DOWN, since=clock.now())]))
        tell()
        clock.set(clock.now() + MINUTE)
    assert len(pager.told) <= 4


def test_what_came_and_went_before_anybody_was_told_is_told_to_nobody(
    store: Store, pager: Pager, tell: Callable[[], None]
) -> None:
    """Alerts: "no longer so" without a "so" is noise."""
    now_is(store, SILENT)
    now_is(store)
    tell()
    assert pager.words == []


def test_a_sink_that_fails_is_tried_later_and_later_and_then_seldom(
    store: Store, pager: Pager, clock: SetClock, tell: Callable[[], None]
) -> None:
    """Alerts: bounded; and it hears it when it is back."""
    pager.fails = Unavailable("no answer")
    started = clock.now()
    while clock.now() < started + 10 * HOUR:
        now_is(store, SILENT)
        tell()
        clock.set(clock.now() + MINUTE)
    assert pager.tried == TRIES
    pager.fails = None
    clock.set(started + DAY)
    tell()
    assert pager.words == ["feed-silent ehr raised"]


def test_one_sink_that_fails_keeps_nothing_from_the_others(store: Store, clock: SetClock) -> None:
    """Alerts: also when it is a bug; and nobody is told twice because of it."""
    broken, desk = Pager("broken", fails=ValueError("Smith")), Pager("desk")
    now_is(store, SILENT)
    for _ in range(3):
        Teller(store, [broken, desk], environment="test").once()
        clock.set(clock.now() + HOUR)
    assert desk.words == ["feed-silent ehr raised"]
    assert broken.tried == 3


def test_a_refusal_is_tried_again_too(store: Store, pager: Pager, clock: SetClock, tell: Callable[[], None]) -> None:
    """Alerts: a wrong URL may be mended on the other side."""
    pager.fails = Refused("answered 404")
    now_is(store, SILENT)
    tell()
    clock.set(clock.now() + MINUTE)
    pager.fails = None
    tell()
    assert pager.words == ["feed-silent ehr raised"]


def test_a_ledger_that_cannot_be_written_makes_no_storm(
    store: Store, pager: Pager, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alerts: a full disk is read but not written: this process remembers what it told."""
    now_is(store, SILENT)
    teller = Teller(store, [pager], environment="production")
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise StoreUnavailable("the disk is full")

        patch.setattr(telling, "_keep", full)
        for _ in range(4):
            with pytest.raises(StoreUnavailable):
                teller.once()
            clock.set(clock.now() + MINUTE)
    assert pager.words == ["feed-silent ehr raised"]
    teller.once()
    Teller(store, [pager], environment="production").once()
    assert pager.words == ["feed-silent ehr raised"], "it is in the ledger now"


def test_one_machine_does_not_end_what_another_sees(store: Store, pager: Pager, tell: Callable[[], None]) -> None:
    """Alerts: two gateways, each with a disk and certificates of its own."""
    full = [wrong(AlertKind.DISK_NEARLY_FULL, host=name) for name in ("gw1", "gw2")]
    for host in ("gw1", "gw2"):
        settle(store, [one for one in full if one.host == host], lambda one, host=host: one.host == host)  # type: ignore[misc]
    settle(store, [], lambda one: one.host == "gw2")
    tell()
    with store.read() as unit:
        assert {one.host: one.resolved is None for one in standing(unit).values()} == {"gw1": True, "gw2": False}
    assert [one.host for one in pager.told] == ["gw1"]


def test_a_count_that_doubles_is_kept_a_little_more_is_not(store: Store) -> None:
    """Alerts: "growing" from ten to a thousand; the time it began stays."""
    for count in (10, 11, 400):
        now_is(store, wrong(AlertKind.QUARANTINE_GROWING, "ehr", since=count, count=count))
        with store.read() as unit:
            (one,) = standing(unit).values()
        assert (one.since, one.count) == (10, 400 if count == 400 else 10)


def test_raising_telling_and_ending_are_audited(
    store: Store, pager: Pager, clock: SetClock, tell: Callable[[], None]
) -> None:
    """Law 2: who was told, by what, and whether it got there."""
    now_is(store, SILENT)
    pager.fails = Unavailable("no answer")
    tell()
    now_is(store)
    clock.set(clock.now() + HOUR)
    tell()
    with store.read() as unit:
        rows = sorted(unit.lookup(tables.audit, ("id", "entries"), "actor", ["alerts"]))
    entries = [entry for _, text in rows for entry in json.loads(text)]
    assert [(entry[0], *entry[4:]) for entry in entries] == [
        ("alert.raised", SILENT.since, 0),
        ("alert.told", LOG, "raised", "told"),
        ("alert.told", "pager", "raised", "in vain"),
        ("alert.resolved", SILENT.since),
        ("alert.told", LOG, "resolved", "told"),
    ]


def test_a_kind_this_version_does_not_know_is_left_alone(store: Store, pager: Pager, tell: Callable[[], None]) -> None:
    """Alerts: a newer gateway beside an older one."""
    with store.begin("test") as uow:
        row = ("moon-full", "", "", 0, 0, None)
        uow.insert(tables.alert, ("kind", "source", "host", "since", "count", "resolved"), [row])
        uow.audit([("alert.raised", "moon-full")])
        uow.commit()
    now_is(store)
    tell()
    assert pager.tried == 0


# -- pure

_times = st.integers(0, 100 * DAY)


@given(
    since=_times,
    resolved=st.none() | _times,
    told=st.builds(Told, _times, st.sampled_from(AlertWord), _times),
    now=_times,
)
def test_nothing_is_owed_right_after_it_was_told(
    since: Millis, resolved: Millis | None, told: Told, now: Millis
) -> None:
    """Alerts: telling what is owed leaves nothing owed; so no round repeats it."""
    alert = Standing(AlertKind.FEED_SILENT, "ehr", "", since, 0, resolved)
    word = owed(alert, told, now, 12 * HOUR)
    if word is not None:
        assert owed(alert, Told(alert.since, word, now), now + SECOND, 12 * HOUR) is None


@given(tries=st.integers(1, 40), tried=_times)
def test_the_pauses_between_tries_grow_and_end_somewhere(tries: int, tried: Millis) -> None:
    """Alerts: a minute, two, four; never longer than what lasts is repeated."""
    told = Told(0, RESOLVED, 0, tries, tried)
    assert not may_try(told, tried + MINUTE - 1, 12 * HOUR)
    assert may_try(told, tried + 12 * HOUR, 12 * HOUR)
