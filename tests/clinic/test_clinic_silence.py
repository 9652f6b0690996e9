"""A feed that falls silent against its habit: what depends on it waits, says why, and goes on when the feed speaks again."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from clinic_dsl import Clinic, OpenClinic

from gateway.model.errors import CommandError
from gateway.model.when import DAY, HOUR, MINUTE, to_datetime, to_millis
from gateway.pipeline import inspect, tallying
from gateway.pipeline.conditions import found
from gateway.pipeline.habits import slot_of
from gateway.pipeline.silence import FeedWatch, states
from gateway.pipeline.watching import EVERY
from gateway.store import tables

FIRST, WEEK, DAY_BEFORE = "2026-03-20 09:30", "2026-03-13 09:30", "2026-03-19 09:30"
CHICAGO = ZoneInfo("America/Chicago")


def used_to_speak(clinic: Clinic, source: str = "ehr", *, weeks: int = 8) -> None:
    """The feed has spoken in every quarter of office hours, for weeks until now."""
    entry = clinic.gateway.site.sources[source]
    now = to_datetime(clinic.clock.now(), "America/Chicago").replace(tzinfo=None)
    start = now.replace(hour=0, minute=0) - timedelta(weeks=weeks)
    quarters = (start + timedelta(minutes=15 * number) for number in range(weeks * 672 + 96))
    spoke = [one for one in quarters if one < now and one.weekday() < 5 and 7 <= one.hour < 18]
    rows = [(entry.id, slot_of(to_millis(one.replace(tzinfo=CHICAGO))), 20) for one in spoke]
    first = to_millis(start.replace(tzinfo=CHICAGO))
    last = clinic.clock.now() - MINUTE
    with clinic.gateway.store.begin("test") as uow:
        uow.insert(tables.feed_slot, ("source", "slot", "messages"), rows)
        uow.update(tables.source, ("id",), ("first_received", "last_received"), [(first, last, entry.id)])
        uow.commit()


class Day:
    """The clinic with its watch: time goes by in small steps, each with a look."""

    def __init__(self, clinic: Clinic) -> None:
        self.clinic = clinic
        self.watch = FeedWatch(clinic.gateway.store, clinic.gateway.site)
        self.watch.once()

    def passes_until(self, wall: str) -> None:
        """Looks every four minutes, and once at the end."""
        target = self.clinic.when(wall)
        while (now := self.clinic.clock.now()) < target:
            self.clinic._runs_to(min(now + 4 * MINUTE, target))
            self.watch.once()
        self.clinic.looks()

    def sleeps_until(self, wall: str) -> None:
        """Nobody looks meanwhile: the gateway was down; then it looks."""
        self.clinic.clock.set(self.clinic.when(wall))
        self.watch.once()
        self.clinic.looks()

    @property
    def silent(self) -> bool:
        """Whether the feed is marked silent."""
        with self.clinic.gateway.store.read() as unit:
            return states(unit, self.clinic.gateway.site)["ehr"].silent_since is not None

    def audited(self, action: str) -> list[list[object]]:
        """Entries of the watch with this action, in time order."""
        with self.clinic.gateway.store.read() as unit:
            rows = sorted(unit.lookup(tables.audit, ("id", "entries"), "actor", ["feed-watch"]))
        return [entry for _, entries in rows for entry in json.loads(entries) if entry[0] == action]


def day_of(clinic: Clinic) -> Day:
    """Ann booked, and consented; the feed speaks as it is used to, at nine on Monday."""
    used_to_speak(clinic)
    clinic.enrols("Ann")
    clinic.books("Ann", on="2026-03-03 12:00", appointment="SOON")
    clinic.books("Ann", on=FIRST)
    return Day(clinic)


def test_a_feed_that_stops_is_marked_silent_where_every_worker_sees_it(clinic: Clinic) -> None:
    """Feed watch: last heard at nine, two quarters missed; stored with the time it fell silent, and audited."""
    day = day_of(clinic)
    day.passes_until("2026-03-02 09:40")
    assert not day.silent
    day.passes_until("2026-03-02 09:48")
    assert day.silent
    ((_, name, since),) = day.audited("feed.silent")
    assert (name, clinic.wall(int(str(since)))) == ("ehr", "2026-03-02 09:00")
    with clinic.gateway.store.read() as unit:
        told = [
            (one.source, clinic.wall(one.since))
            for one in found(unit, clinic.gateway.site)
            if one.kind == "feed-silent"
        ]
    assert told == [("ehr", "2026-03-02 09:00")]


def test_a_reminder_waits_while_its_feed_is_silent_and_goes_when_it_speaks(clinic: Clinic) -> None:
    """SI-02, SI-04: the visit may have been moved or cancelled and nobody would know; the hold says what releases it."""
    day = day_of(clinic)
    day.passes_until("2026-03-02 12:30")  # the reminder a day ahead of tomorrow noon
    assert (clinic.mails(), clinic.waiting("Ann")) == ([], ["feed-silent"])
    assert any("held: feed-silent" in line for line in clinic.story("Ann"))
    clinic.changes("Bob")
    day.passes_until("2026-03-02 12:35")
    assert not day.silent
    assert clinic.arrivals("Ann") == ["2026-03-02 12:34"]
    assert [entry[1] for entry in day.audited("feed.heard")] == ["ehr"]
    assert any("released: feed-silent" in line for line in clinic.story("Ann"))


def test_a_cancellation_that_comes_when_the_feed_speaks_again_is_in_time(clinic: Clinic) -> None:
    """SI-04: that is what the hold was for."""
    day = day_of(clinic)
    day.passes_until("2026-03-02 12:30")
    clinic.cancels("Ann", appointment="SOON")
    day.passes_until("2026-03-02 12:40")
    assert (clinic.mails(), clinic.waiting("Ann")) == ([], [])
    assert "cancelled" in clinic.ended("Ann")


def test_what_is_over_does_not_wait_for_a_silent_feed(clinic: Clinic) -> None:
    """Feed watch: a discharge that happened cannot be cancelled by silence; its follow-up goes."""
    used_to_speak(clinic)
    clinic.enrols("Ann")
    clinic.admits("Ann")
    clinic.discharges("Ann")
    day = Day(clinic)
    assert len(clinic.planned("Ann")) == 1
    day.passes_until("2026-03-02 10:00")
    assert day.silent
    day.clinic.passes("3d")
    assert len(clinic.mailbox("Ann")) == 1


def test_another_feeds_visits_do_not_wait(clinic: Clinic) -> None:
    """Feed watch: only what the silent feed owns depends on it."""
    used_to_speak(clinic)
    clinic.enrols("Ann")
    clinic.books("Ann", on="2026-03-03 12:00", source="partner")
    clinic.adds("Bob")
    day = Day(clinic)
    day.passes_until("2026-03-02 12:01")
    assert day.silent
    assert clinic.arrivals("Ann") == ["2026-03-02 12:00"]


def test_a_feed_can_be_configured_to_hold_nothing(open_clinic: OpenClinic) -> None:
    """`watch: {holds: no}`: silence alarms, and sends go on; what an earlier configuration held is released."""
    day = day_of(open_clinic())
    day.passes_until("2026-03-02 12:30")
    clinic = day.clinic
    assert clinic.waiting("Ann") == ["feed-silent"]
    clinic.restarts(ehr={"watch": "{holds: no}"})
    Day(clinic)
    clinic.looks()
    assert len(clinic.mailbox("Ann")) == 1


def test_what_fell_due_long_ago_is_not_sent_when_the_feed_speaks_again(clinic: Clinic) -> None:
    """A heap of late reminders helps nobody: as when a held source is released."""
    day = day_of(clinic)
    day.passes_until("2026-03-02 10:00")
    clinic.until(WEEK)
    clinic.looks()
    assert "feed-silent" in clinic.waiting("Ann")
    clinic.until("2026-03-15 10:00")
    clinic.changes("Bob")
    day.watch.once()
    clinic.looks()
    assert (clinic.mails(), clinic.waiting("Ann")) == ([], [])
    assert "offset-past" in clinic.ended("Ann")
    day.passes_until("2026-03-15 10:10")
    clinic.until(DAY_BEFORE)
    assert clinic.arrivals("Ann") == [DAY_BEFORE]


def test_a_hold_for_a_silent_feed_expires_as_others_do(clinic: Clinic) -> None:
    """Law 6: what waits does not wait beyond its own sense."""
    day = day_of(clinic)
    day.passes_until("2026-03-02 12:30")
    clinic.until("2026-03-03 12:05")
    clinic.looks()
    assert "expired" in clinic.ended("Ann")


def test_a_silence_that_a_person_expects_holds_nothing_and_is_on_record(clinic: Clinic) -> None:
    """A holiday: excused with account and reason; what was held is judged again; afterwards it counts again."""
    day = day_of(clinic)
    day.passes_until("2026-03-02 12:30")
    until = inspect.excuse_source(clinic.gateway, "ehr", span=2 * HOUR, reason="holiday", account="os:operator")
    assert clinic.wall(until) == "2026-03-02 14:30"
    day.passes_until("2026-03-02 12:34")
    assert not day.silent
    assert len(clinic.mailbox("Ann")) == 1
    assert inspect.feeds(clinic.gateway)[0].excused_until == until
    with clinic.gateway.store.read() as unit:
        rows = unit.lookup(tables.audit, ("entries",), "actor", ["os:operator"])
    assert f'["feed.excused","ehr",{until},"holiday"]' in rows[-1][0]
    day.passes_until("2026-03-02 14:35")
    assert day.silent


def test_nobody_excuses_a_silence_for_ever(clinic: Clinic) -> None:
    """What is forgotten must not stay excused."""
    with pytest.raises(CommandError, match="at most 14 days"):
        inspect.excuse_source(clinic.gateway, "ehr", span=15 * DAY, reason="move", account="os:operator")


def test_our_own_downtime_is_not_the_feeds_silence(clinic: Clinic) -> None:
    """Feed watch: what it said meanwhile may still be on its way; silence counts from our return."""
    day = day_of(clinic)
    day.sleeps_until("2026-03-02 13:00")
    assert not day.silent
    day.passes_until("2026-03-02 13:30")
    assert not day.silent
    day.passes_until("2026-03-02 13:50")
    assert day.silent


def test_a_restart_forgets_no_silence(clinic: Clinic) -> None:
    """Feed watch: it is stored; another process, or the next, goes on from there and says it once."""
    day = day_of(clinic)
    day.passes_until("2026-03-02 10:00")
    clinic.restarts()
    again = Day(clinic)
    again.passes_until("2026-03-02 10:12")
    assert again.silent
    assert len(again.audited("feed.silent")) == 1


def test_what_was_held_while_the_feed_spoke_again_is_released_as_well(clinic: Clinic) -> None:
    """Feed watch: a worker that read the mark before it went, and wrote its hold after."""
    day = day_of(clinic)
    day.passes_until("2026-03-02 12:30")
    clinic.changes("Bob")
    day.passes_until("2026-03-02 12:34")
    request = next(one for one in clinic.requests("Ann") if one.state == "active")
    with clinic.gateway.store.begin("test") as uow:
        uow.update(tables.request, ("id",), ("state", "reason"), [("on-hold", "feed-silent", request.id)])
        uow.audit([("request.held", request.id, "feed-silent")])
        uow.commit()
    day.passes_until("2026-03-02 12:38")
    assert "feed-silent" not in clinic.waiting("Ann")


def test_a_feed_nobody_knows_yet_is_given_its_configured_patience(open_clinic: OpenClinic) -> None:
    """`watch: {silent_after: 4h}`: until some weeks are known."""
    clinic = open_clinic(ehr={"watch": "{silent_after: 4h}"})
    clinic.enrols("Ann")
    day = Day(clinic)
    day.passes_until("2026-03-02 12:56")
    assert not day.silent
    day.passes_until("2026-03-02 13:05")
    assert day.silent


def test_a_feed_that_never_spoke_is_not_silent(open_clinic: OpenClinic) -> None:
    """Feed watch: nothing depends on it; the list says so."""
    clinic = open_clinic(ehr={"watch": "{silent_after: 15m}"})
    day = Day(clinic)
    day.passes_until("2026-03-02 10:00")
    assert not day.silent
    assert [one.state for one in inspect.feeds(clinic.gateway)] == ["never spoken", "never spoken"]


def test_the_watch_looks_often_enough_to_be_no_pause_of_its_own() -> None:
    """Feed watch: a round that takes its time must not count as downtime."""
    assert EVERY * 1000 * 5 < 5 * MINUTE


# -- counting


def test_what_was_ignored_is_seen_with_its_reason(clinic: Clinic) -> None:
    """A-06, SI-20: acknowledged like any other, and yet not unseen: by type and reason, before and after it is counted."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    blocked = clinic.schedules("S23", start=FIRST, appointment="B1")
    assert clinic.hears(blocked).result == "ignored"
    clinic.hears(b"garbage")
    for _ in range(2):
        kinds = {(one.type, one.result, one.reason): one.today for one in inspect.feed_kinds(clinic.gateway, "ehr")}
        assert kinds == {
            ("ADT^A28", "accepted", ""): 1,
            ("SIU^S12", "accepted", ""): 1,
            ("SIU^S23", "ignored", "time blocked in a schedule is about no patient"): 1,
            ("", "quarantined", "the message does not begin with MSH"): 1,
        }
        (ehr, partner) = inspect.feeds(clinic.gateway)
        assert (ehr.received, ehr.ignored, ehr.quarantined, ehr.rate) == (4, 1, 1, 4)
        assert (partner.received, partner.state) == (0, "never spoken")
        FeedWatch(clinic.gateway.store, clinic.gateway.site).once()


def test_a_message_is_counted_once_whoever_looks(clinic: Clinic) -> None:
    """Feed watch: two gateways, a restart, a second round: nothing is added twice."""
    clinic.enrols("Ann")
    one, other = (FeedWatch(clinic.gateway.store, clinic.gateway.site) for _ in range(2))
    one.once()
    other.once()
    clinic.books("Ann", on=FIRST)
    other.once()
    one.once()
    with clinic.gateway.store.read() as unit:
        rows = unit.lookup(tables.feed_slot, ("messages",), "source", [clinic.gateway.site.sources["ehr"].id])
    assert sum(count for (count,) in rows) == 2


def test_who_was_overtaken_while_counting_adds_nothing(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Feed watch: another process counted the same messages between our look and our unit."""
    clinic.enrols("Ann")
    look, store = tallying.tally_since, clinic.gateway.store

    def overtaken(*told: Any, **more: Any) -> tallying.Tally:
        seen = look(*told, **more)
        monkeypatch.setattr(tallying, "tally_since", look)
        assert elsewhere(lambda: tallying.count_new(store, {})) == 1
        return seen

    monkeypatch.setattr(tallying, "tally_since", overtaken)
    assert tallying.count_new(store, {}) == 0
    assert [one.week for one in inspect.feed_kinds(clinic.gateway, "ehr")] == [1]


def elsewhere(count: Callable[[], int]) -> int:
    """In another thread: a unit of work belongs to one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(count).result()


def test_today_is_that_of_the_feeds_zone(clinic: Clinic) -> None:
    """`feeds list`: at 20:00 in Chicago it is tomorrow in UTC."""
    clinic.until("2026-03-02 20:00")
    clinic.enrols("Ann")
    watch = FeedWatch(clinic.gateway.store, clinic.gateway.site)
    watch.once()
    assert inspect.feeds(clinic.gateway)[0].received == 1
    clinic.until("2026-03-03 00:10")
    watch.once()
    assert inspect.feeds(clinic.gateway)[0].received == 0
    assert [one.week for one in inspect.feed_kinds(clinic.gateway, "ehr")] == [1]


def test_the_list_tells_what_is_usual(clinic: Clinic) -> None:
    """`feeds list`: rate now against usual, the longest usual silence, and from when it is called silent."""
    used_to_speak(clinic)
    clinic.enrols("Ann")
    FeedWatch(clinic.gateway.store, clinic.gateway.site).once()
    ehr = inspect.feeds(clinic.gateway)[0]
    assert ehr.state == "running"
    assert ehr.usual_rate == pytest.approx(80, rel=0.1)
    assert ehr.usual_silence == 61 * HOUR + 15 * MINUTE
    assert clinic.wall(ehr.silent_from or 0) == "2026-03-02 09:45"


# -- the shadow run


def test_the_shadow_run_tells_what_would_wait_and_what_would_be_refused(open_clinic: OpenClinic) -> None:
    """Law 6, `feeds would-send`: the very gates, each at its due time, by reason; nothing is changed by asking."""
    clinic = open_clinic(ehr={"start": "held"})
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    clinic.adds("Bob")
    clinic.books("Bob", on=FIRST)
    clinic.enrols("Cy")
    clinic.books("Cy", on=FIRST, place="NOWHERE")
    before = clinic.count("audit")
    lines = inspect.would_send(clinic.gateway, "ehr")
    told = {(one.step, one.outcome, one.reason): one.count for one in lines}
    assert told == {
        ("7d", "send", ""): 1,
        ("1d", "send", ""): 1,
        ("7d", "refuse", "no-consent"): 1,
        ("1d", "refuse", "no-consent"): 1,
        ("7d", "wait", "unmapped-code"): 1,
        ("1d", "wait", "unmapped-code"): 1,
    }
    assert clinic.wall(min(one.first_due for one in lines)) == WEEK
    assert clinic.count("audit") == before
    assert clinic.mails() == []
