"""SIGTERM under load: what is in hand is finished and answered, nothing new is begun, and the exit is clean (F-16)."""

from __future__ import annotations

import threading

import pytest
from crash_mail import Mood
from crash_parts import Child, House, wall

from gateway.model.when import MINUTE
from gateway.store import tables

pytestmark = pytest.mark.slow


def test_a_gateway_told_to_stop_under_load_has_stored_all_it_acknowledged_and_sends_nothing_twice(house: House) -> None:
    """F-16, D-02: exit 0, every acknowledged message stored once, no attempt left in doubt; the rest is taken after."""
    first = house.starts()
    messages = [house.booking(f"P{n}", f"2026-03-{10 + n % 3} {10 + n % 6}:{n:02d}") for n in range(54)]
    stopped = threading.Event()
    senders = [threading.Thread(target=_feed, args=(house, messages[n::6], first, stopped)) for n in range(6)]
    for sender in senders:
        sender.start()
    house.waits(lambda: len(house.acked) >= 20)
    house.goes_to(wall("2026-03-10 08:30"), first, quiet=False)
    house.waits(lambda: len(house.office.taken) >= 3)
    first.terminate()
    stopped.set()
    for sender in senders:
        sender.join()
    assert first.gone() == 0, first.log()
    assert "Traceback" not in first.log()
    assert [house.stored(one) for one in house.acked] == [1] * len(house.acked)
    assert {one["status"] for one in house.every(tables.communication, "status")} == {"completed"}
    second = house.starts()
    assert {house.sends(one, second) for one in messages} == {"AA"}
    assert [house.stored(one) for one in messages] == [1] * len(messages)
    house.goes_to(house.now + 5 * MINUTE, second)
    mails = house.mails()
    assert set(mails.values()) == {1}
    sent = [one["id"] for one in house.every(tables.request, "id", "state") if one["state"] == "completed"]
    assert sorted(sent) == sorted(mails)
    assert house.verified().ok


def _feed(house: House, messages: list[bytes], child: Child, stopped: threading.Event) -> None:
    """As fast as the answers come; whoever finds the door shut comes back another day."""
    for one in messages:
        if house.sends(one, child, timeout=20) is None and stopped.is_set():
            return


def test_a_gateway_told_to_stop_while_a_relay_keeps_silent_ends_with_the_doubt_written_down(house: House) -> None:
    """F-16, EM-13: stopping waits for the send in hand, and its unknown outcome is in the database before the exit."""
    first = house.starts()
    assert house.sends(house.booking("Ann", "2026-03-20 09:30"), first) == "AA"
    house.office.mood = Mood.SILENT
    house.goes_to(wall("2026-03-13 09:40"), first, quiet=False)
    house.waits(lambda: len(house.office.taken) == 1)
    first.terminate()
    assert first.gone() == 0, first.log()
    told = house.requests("Ann")["7d"]
    assert (told["state"], told["reason"]) == ("on-hold", "outcome-unknown")
    house.office.mood = Mood.KIND
    second = house.starts()
    house.goes_to(house.now + 10 * MINUTE, second)
    assert len(house.office.taken) == 1
