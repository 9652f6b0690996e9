"""A server whose numbers, times and answers are absurd, by malice or by accident: nothing is lost by it, and nobody searches for ever."""

from __future__ import annotations

import json
import time

from fhir_site import appointment

from connectors.sources.fhir.bundles import notice_of
from connectors.sources.fhir.numbers import Heard, Numbers
from connectors.sources.fhir.subscriptions import Subscriptions
from gateway.ports import SystemClock
from tests.effort import calls

_LARGEST = 1 << 53
_HOUR = 3_600_000
_NOW = 1_790_000_000_000


def _event(number, focus, *, at, count=None, resource=True):
    status = {
        "resourceType": "SubscriptionStatus",
        "type": "event-notification",
        "subscription": {"reference": "Subscription/visits"},
        "eventsSinceSubscriptionStart": str(number if count is None else count),
        "notificationEvent": [{"eventNumber": str(number), "focus": {"reference": f"Appointment/{focus}"}}],
    }
    entries = [{"resource": status}]
    if resource:
        entries.append({"fullUrl": f"https://x.example/Appointment/{focus}", "resource": appointment(focus)})
    return {"resourceType": "Bundle", "type": "history", "timestamp": at, "entry": entries}


def test_a_counter_that_once_jumped_to_its_end_hides_no_later_event(site):
    """S-19, S-36: a search has covered numbers nobody ever told; what comes under them is still taken."""
    ehr = site()
    assert ehr.send(_event(_LARGEST, 1, at="9999-01-01T00:00:00Z"), "/visits").status_code == 200
    ehr.until(lambda: ehr.source._known.of("visits").numbers.missing is None)
    for number in (2, 3):
        assert ehr.send(_event(number, number, at="2026-03-01T12:00:00Z"), "/visits").status_code == 200
    assert sorted(ehr.intake.stored) == [f"Appointment/{number}/_history/1" for number in (1, 2, 3)]


def test_a_time_nobody_has_reached_makes_no_call_late():
    """S-20: the clock of a server that once ran ahead must not hide that it counts from the start again."""
    numbers = Numbers()
    numbers.hear([9], 9, _NOW + 1_000 * _HOUR, _NOW)
    numbers.settle(range(1, 10), 1, _NOW)
    assert numbers.hear([1], 1, _NOW + 1, _NOW + 2) is Heard.RESET


def test_a_counter_that_falls_back_all_the_time_is_searched_whole_only_once():
    """S-20: two nodes that count apart make a reset of every call; what the first search found is not searched again."""
    clock = SystemClock()
    known = Subscriptions(clock)
    one = known.of("visits")
    known.owe(one, all_of_it=True)
    assert one.since is None
    time.sleep(0.002)
    begun = clock.now()
    known.paid(one, begun, 0, 1)
    for _ in range(3):
        known.owe(one, all_of_it=True)
        assert one.since == begun
        known.paid(one, clock.now() + 1, 0, 1)  # of what came since: it covers no more than that


def test_trouble_nobody_thought_of_does_not_end_the_looking_after(site):
    """S-19: whatever an answer makes fail, the next gap is asked for again."""
    ehr = site()
    found = []

    def broken(*_):
        found.append(1)
        if len(found) == 1:
            raise UnicodeEncodeError("ascii", "CANARY\u2603", 6, 7, "CANARY")

    ehr.repair.bundles = broken
    ehr.send(_event(1, 1, at="2026-03-01T12:00:00Z"), "/visits")
    ehr.send(_event(3, 3, at="2026-03-01T12:00:01Z"), "/visits")
    ehr.until(lambda: ehr.source.counts.get("fhir.not-repaired", 0) >= 1)
    assert not ehr.source._keeping.done()


def _notification(many: int) -> bytes:
    """So many events, and their resources in another order."""
    status = {
        "resourceType": "SubscriptionStatus",
        "type": "event-notification",
        "subscription": {"reference": "Subscription/visits"},
        "notificationEvent": [{"focus": {"reference": f"Appointment/{one}"}} for one in range(many)],
    }
    entries = [{"resource": {"resourceType": "Appointment", "id": str(one)}} for one in reversed(range(many))]
    return json.dumps({"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}, *entries]}).encode()


def test_as_many_events_as_fit_are_matched_in_passing():
    """S-37: a call of 16 MiB must not keep the loop, and so every other feed, for hours."""
    many = 8_000
    found = []
    calls(lambda: found.append(notice_of(_notification(many), (), at="")), most=100 * many)
    notice = found[0]
    assert [one.reference for one in notice.changes] == [f"Appointment/{one}" for one in range(many)]


def test_subscriptions_that_are_long_gone_make_room_for_new_ones(site):
    """S-35: a server that makes its subscription anew every day is still heard after a year."""
    ehr = site()
    for number in range(256):
        ehr.source._known.of(f"old-{number}").heard = 1
    assert ehr.send(_event(1, 1, at="2026-03-01T12:00:00Z"), "/new").status_code == 200
    assert len(ehr.source._known.all()) == 256
