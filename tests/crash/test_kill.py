"""kill -9 at every point where something is between two places: acknowledged is stored, sent is sent once, doubt is shown."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass

import pytest
from crash_parts import Child, House, wall

from gateway.model.when import HOUR, MINUTE, SECOND
from gateway.pipeline import inspect
from gateway.store import tables

pytestmark = pytest.mark.slow

ANN, BEN = "2026-03-20 09:30", "2026-03-21 10:30"


@dataclass(frozen=True)
class Point:
    """Where the process dies, and what it must not have done by then. `mails`: of the send that was cut short."""

    name: str
    mails: tuple[int, ...]
    doubtful: bool | None  # None: either, as the moment falls


RECEIVING = ["before-receive-commit", "during-receive-commit", "after-receive-commit"]
SENDING = [
    Point("after-ringing", (1,), doubtful=False),
    Point("before-clear-commit", (1,), doubtful=False),
    Point("after-clear-commit", (0,), doubtful=True),
    Point("before-send", (0,), doubtful=True),
    Point("after-acceptance", (1,), doubtful=True),
    Point("before-settle-commit", (1,), doubtful=True),
    Point("during-settle-commit", (1,), doubtful=None),
    Point("after-settle-commit", (1,), doubtful=False),
]


@pytest.mark.parametrize("point", RECEIVING)
def test_a_booking_whose_gateway_is_killed_while_receiving_is_stored_once_after_the_resend(
    house: House, point: str
) -> None:
    """A-01, A-29, D-02; 5.1 case 9: no acknowledgement without the commit, and the resend has the effect of one message."""
    first = house.starts()
    ann, ben = house.booking("Ann", ANN), house.booking("Ben", BEN)
    assert house.sends(ann, first) == "AA"
    first.ask(kill=point)
    answered = house.sends(ben, first)
    assert first.gone() == -signal.SIGKILL
    assert house.stored(ann) == 1
    if point.startswith("during"):  # as the moment falls
        assert house.stored(ben) >= (answered == "AA")
    else:
        assert answered is None
        assert house.stored(ben) == (point == "after-receive-commit")
    second = house.starts()
    assert house.sends(ben, second) == "AA"
    _the_rest_of_both_stories(house, second, ann, ben)
    assert {(one["step"], one["state"], one["reason"]) for one in house.requests("Ann").values()} == {
        ("7d", "completed", None),
        ("1d", "completed", None),
    }
    _assert_all_else_was_sent(house, 0)


@pytest.mark.parametrize("point", SENDING, ids=lambda one: one.name)
def test_a_reminder_whose_gateway_is_killed_is_sent_once_or_waits_for_a_person(house: House, point: Point) -> None:
    """A-01; the issue's point 3: at most one e-mail a request; an attempt nobody can judge is unknown and stays so."""
    first = house.starts()
    ann, ben = house.booking("Ann", ANN), house.booking("Ben", BEN)
    assert [house.sends(one, first) for one in (ann, ben)] == ["AA", "AA"]
    first.ask(kill=point.name)
    house.goes_to(wall("2026-03-13 09:30") + SECOND, first, quiet=False)
    assert first.gone() == -signal.SIGKILL
    second = house.starts()
    _the_rest_of_both_stories(house, second, ann, ben)
    reminder = house.requests("Ann")["7d"]
    doubtful = reminder["state"] == "on-hold"
    assert point.doubtful in (None, doubtful)
    assert house.mails()[reminder["id"]] in point.mails
    _assert_all_else_was_sent(house, reminder["id"])
    if doubtful:
        _assert_it_waits_for_a_person(house, reminder)
    else:
        assert reminder["state"] == "completed"


def _the_rest_of_both_stories(house: House, child: Child, *messages: bytes) -> None:
    """Everything is sent again, as a sender in doubt does, and time passes up to the evening before each visit."""
    assert [house.sends(one, child) for one in messages] == ["AA"] * len(messages)
    assert [house.stored(one) for one in messages] == [1] * len(messages)
    house.goes_to(house.now + 2 * MINUTE, child, quiet=False)  # rung again, still leased
    for moment in ("2026-03-13 09:40", "2026-03-14 10:40", "2026-03-19 09:40", "2026-03-20 08:30"):
        house.goes_to(wall(moment), child)
    house.goes_to(house.now + 30 * MINUTE, child)
    house.goes_to(wall("2026-03-20 09:00"), child)
    child.terminate()
    assert child.gone() == 0, child.log()
    assert house.verified().ok, house.verified().verdict


def _assert_all_else_was_sent(house: House, doubtful: int) -> None:
    assert set(house.mails().values()) <= {0, 1}
    told = [(one["id"], one["state"]) for name in ("Ann", "Ben") for one in house.requests(name).values()]
    waiting = [one for one, state in told if one != doubtful and state != "completed"]
    # Ben's second reminder is due an hour and a half later
    assert waiting == [house.requests("Ben")["1d"]["id"]]


def _assert_it_waits_for_a_person(house: House, reminder: dict[str, object]) -> None:
    assert reminder["reason"] == "outcome-unknown"
    attempts = house.rows(tables.communication, ("id", "status", "reason"), "request", [reminder["id"]])
    assert [(one["status"], one["reason"]) for one in attempts] == [("unknown", "outcome-unknown")]
    assert [one.request for one in inspect.holds(house.gateway)] == [reminder["id"]]
    told = [line.words for line in inspect.trace_request(house.gateway, int(str(reminder["id"])))]
    assert f"attempt {attempts[0]['id']}: unknown outcome-unknown" in told
    assert any(words.startswith(f"request {reminder['id']} held: outcome-unknown") for words in told)


@pytest.mark.parametrize("moment", [0.05, 0.25, 0.6])
def test_whatever_moment_the_gateway_is_killed_under_load_nothing_acknowledged_is_lost(
    house: House, moment: float
) -> None:
    """A-01, A-29: many senders, reminders falling due meanwhile, SIGKILL from outside, then the senders ask again."""
    first = house.starts()
    messages = [house.booking(f"P{n}", f"2026-03-{10 + n % 3} {10 + n % 6}:{n:02d}") for n in range(42)]
    senders = [threading.Thread(target=_feed, args=(house, messages[n::6], first)) for n in range(6)]
    for sender in senders:
        sender.start()
    house.waits(lambda: len(house.acked) >= 10)
    house.goes_to(wall("2026-03-10 08:30"), first, quiet=False)  # the reminders of a day ahead are due: most, late
    time.sleep(moment)
    first.terminate(signal.SIGKILL)
    for sender in senders:
        sender.join()
    assert first.gone() == -signal.SIGKILL
    assert all(house.stored(one) == 1 for one in house.acked)
    second = house.starts()
    for one in messages:
        assert house.sends(one, second) == "AA"
        assert house.stored(one) == 1
    house.goes_to(house.now + 5 * MINUTE, second)
    house.goes_to(house.now + HOUR, second)
    _assert_each_request_left_once_or_waits(house)
    second.terminate()
    assert second.gone() == 0, second.log()
    assert house.verified().ok


def _feed(house: House, messages: list[bytes], child: Child) -> None:
    for one in messages:
        if house.sends(one, child, timeout=5) is None:
            return


def _assert_each_request_left_once_or_waits(house: House) -> None:
    mails = house.mails()
    assert max(mails.values(), default=0) <= 1
    for request in house.every(tables.request, "id", "state", "reason"):
        if request["state"] == "completed":
            assert mails[request["id"]] == 1
        elif request["state"] == "on-hold":
            assert request["reason"] == "outcome-unknown"
        else:
            assert mails[request["id"]] == 0
