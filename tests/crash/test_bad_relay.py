"""A mail server that is down, refuses, puts off or keeps silent: what did not leave is sent later, in doubt it waits for a person."""

from __future__ import annotations

from pathlib import Path

import pytest
from crash_mail import Mood, PostOffice
from crash_parts import House, wall

from gateway.app.assembly import deliverer_of, dispatcher_of
from gateway.model.event import AckCode, Format, RawMessage
from gateway.model.when import DAY, MINUTE, SECOND
from gateway.pipeline import inspect
from gateway.store import tables

REMINDED = wall("2026-03-13 09:30") + SECOND


class Day:
    """Ann has a visit in a week, and the clock goes on in this process: every moment is looked at."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._rung: list[int] = []
        raw = RawMessage(
            source="ehr", format=Format.HL7V2, body=house.booking("Ann", "2026-03-20 09:30"), received=house.now
        )
        assert house.gateway.receiver.receive([raw])[0].ack is AckCode.AA
        self._deliverer = deliverer_of(house.gateway)
        self._dispatcher = dispatcher_of(house.gateway, self._rung.extend)

    def goes_to(self, now: int) -> None:
        """One round of the dispatcher at that moment, every bell answered."""
        self.house.clock.set(now)
        self._dispatcher.once()
        while self._rung:
            self._deliverer.deliver(self._rung.pop(0))

    @property
    def reminder(self) -> dict[str, object]:
        """The one a week ahead."""
        return self.house.requests("Ann")["7d"]

    def attempts(self) -> list[tuple[str, str | None]]:
        """Status and reason of each, in order."""
        rows = self.house.rows(tables.communication, ("attempt", "status", "reason"), "request", [self.reminder["id"]])
        return [(one["status"], one["reason"]) for one in sorted(rows, key=lambda one: one["attempt"])]


@pytest.fixture
def day(tmp_path: Path, store_url: str, post_office: PostOffice) -> Day:
    """On each database, with a channel that waits two seconds at most."""
    house = House(tmp_path, store_url, post_office, timeout=1.5)
    made = Day(house)
    yield made  # type: ignore[misc]
    house.close()


@pytest.mark.parametrize("trouble", ["shut", "later"])
def test_a_relay_that_is_down_or_says_later_gets_the_reminder_when_it_is_ready(day: Day, trouble: str) -> None:
    """EM-13: provably not accepted, so tried again: after a minute, five, fifteen; one e-mail in the end."""
    office = day.house.office
    if trouble == "shut":
        office.shut()
    else:
        office.mood = Mood.LATER
    day.goes_to(REMINDED)
    assert (day.reminder["state"], day.reminder["reason"]) == ("active", "channel-unavailable")
    day.goes_to(REMINDED + 30 * SECOND)
    assert day.attempts() == [("not-done", "channel-unavailable")]
    day.goes_to(REMINDED + 61 * SECOND)
    assert day.attempts() == [("not-done", "channel-unavailable")] * 2
    assert day.reminder["due"] == REMINDED + 61 * SECOND + 5 * MINUTE
    if trouble == "shut":
        office.open()
    office.mood = Mood.KIND
    day.goes_to(REMINDED + 7 * MINUTE)
    assert day.reminder["state"] == "completed"
    assert list(day.house.mails().values()) == [1]
    assert day.attempts()[-1] == ("completed", None)


def test_every_try_of_a_reminder_carries_the_same_message_id(day: Day) -> None:
    """EM-13: whoever took it in spite of a 451 recognises the second copy."""
    office = day.house.office
    office.mood = Mood.LATER_AFTER_ALL
    day.goes_to(REMINDED)
    office.mood = Mood.KIND
    day.goes_to(REMINDED + 2 * MINUTE)
    assert day.reminder["state"] == "completed"
    assert len(office.taken) == 2
    assert len(office.ids()) == 1


def test_a_relay_that_refuses_for_good_ends_the_reminder(day: Day) -> None:
    """550: permanent; nothing is tried again, and the trace says why."""
    day.house.office.mood = Mood.REFUSING
    day.goes_to(REMINDED)
    assert (day.reminder["state"], day.reminder["reason"]) == ("revoked", "refused")
    assert day.attempts() == [("stopped", "refused")]
    day.house.office.mood = Mood.KIND
    day.goes_to(REMINDED + DAY)
    assert day.house.office.taken == []
    told = inspect.trace_request(day.house.gateway, int(str(day.reminder["id"])))
    assert any("refused" in line.words for line in told)


def test_a_relay_that_keeps_silent_after_the_message_leaves_a_doubt_that_is_never_sent_again(day: Day) -> None:
    """The final dot was sent and nobody answered: unknown, held for a person, and only a person may send it again."""
    office = day.house.office
    office.mood = Mood.SILENT
    day.goes_to(REMINDED)
    assert (day.reminder["state"], day.reminder["reason"]) == ("on-hold", "outcome-unknown")
    assert day.attempts() == [("unknown", "outcome-unknown")]
    office.mood = Mood.KIND
    for days in range(1, 6):
        day.goes_to(REMINDED + days * DAY)
    assert day.attempts() == [("unknown", "outcome-unknown")]
    assert len(office.taken) == 1
    (held,) = inspect.holds(day.house.gateway)
    assert held.reason == "outcome-unknown"
    inspect.release_request(day.house.gateway, held.request, reason="the patient got nothing", account="os:clerk")
    day.goes_to(REMINDED + 5 * DAY + MINUTE)
    assert day.reminder["state"] == "completed"
    assert len(office.taken) == 2


def test_a_doubt_ends_with_the_visit_it_was_about(day: Day) -> None:
    """A hold does not outlive its sense; the attempt stays unknown for ever."""
    day.house.office.mood = Mood.SILENT
    day.goes_to(REMINDED)
    day.house.office.mood = Mood.KIND
    day.goes_to(wall("2026-03-20 09:31"))
    assert (day.reminder["state"], day.reminder["reason"]) == ("revoked", "expired")
    assert day.attempts() == [("unknown", "outcome-unknown")]
    assert day.house.verified().ok
