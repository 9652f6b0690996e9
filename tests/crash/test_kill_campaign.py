"""kill -9 in the middle of a campaign: nobody is written to twice, nobody is lost, no limit is passed, the figures add up."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from clinic_tables import AUDIENCE, Table, approves
from crash_parts import Child, House, wall

from gateway.model.when import HOUR, SECOND
from gateway.store import tables

pytestmark = pytest.mark.slow

RULE, HOURLY = "targeted-education", 3
FEED = f"""\
  {AUDIENCE}: {{kind: tables, path: drops, files: ndjson, mode: changes, mapping: {AUDIENCE}, organization: lakeside, authority: LAKESIDE}}
"""
PEOPLE = [f"P{number}" for number in range(8)]
POINTS = [
    f"{when}-{what}-commit" for what in ("clear", "settle") for when in ("before", "during", "after")
] + ["before-send", "after-acceptance"]  # fmt: skip
MORNING = wall("2026-03-03 10:00")


@pytest.fixture
def house(make_house: Callable[..., House], store_url: str) -> House:
    """A site of one campaign, four messages an hour, and a basis for its topic."""
    made = make_house(store_url, feeds=FEED)
    (made.folder / "drops").mkdir()
    for name, old, new in (
        ("policy.yaml", "basis:\n", "basis:\n  - {purpose: TREAT, channel: email, topic: education, because: the notice}\n"),
        (f"{RULE}.yaml", "holdout: 10", "holdout: 0"),
        (f"{RULE}.yaml", "hourly: 300", f"hourly: {HOURLY}"),
    ):  # fmt: skip
        path = made.folder / "rules" / name
        text = path.read_text()
        assert old in text, f"{name} no longer says {old!r}"
        path.write_text(text.replace(old, new))
    return made


def approved(house: House, child: Child) -> None:
    """Everybody is known, is in the audience, and a person approved the dry run."""
    for handle in PEOPLE:
        assert house.sends(house.booking(handle, "2026-04-20 09:30"), child) == "AA"
    # as much of a clinic as a table needs
    clinic: Any = SimpleNamespace(
        person=house.person, gateway=house.gateway, clock=house.clock, answers_doorbells=lambda: None
    )
    audience = Table(clinic, AUDIENCE)
    audience.enters(*PEOPLE)
    audience.is_read()
    found = approves(clinic, RULE)
    assert (found.people, found.sends) == (len(PEOPLE), len(PEOPLE))


@pytest.mark.parametrize("point", POINTS)
def test_a_campaign_whose_gateway_is_killed_goes_on_where_it_was(house: House, point: str) -> None:
    """Point 3: the first hour leaves whole, the gateway dies over the second, another goes on to the end."""
    first = house.starts()
    approved(house, first)
    house.goes_to(MORNING + SECOND, first, quiet=False)
    house.waits(lambda: _states(house) == {"completed": HOURLY, "active": len(PEOPLE) - HOURLY})
    assert sum(house.mails().values()) == HOURLY
    first.ask(kill=point)
    house.goes_to(MORNING + HOUR + SECOND, first, quiet=False)
    assert first.gone() == -signal.SIGKILL
    dead = _leased(house)
    second = house.starts()
    _stands_still(house, dead)
    for _ in range(7):  # the lease of the dead is over, then hour by hour
        house.goes_to(house.now + HOUR // 2, second, quiet=False)
        _stands_still(house, set())
    second.terminate()
    assert second.gone() == 0, second.log()
    _assert_it_adds_up(house)
    assert house.verified().ok, house.verified().verdict


def _states(house: House) -> Counter[str]:
    """How many of its messages are in which state."""
    return Counter(one["state"] for one in house.rows(tables.request, ("state",), "rule", [RULE]))


def _leased(house: House) -> set[int]:
    """What somebody has in hand, or had when it died."""
    rows = house.rows(tables.request, ("id", "lease_until"), "rule", [RULE])
    return {one["id"] for one in rows if one["lease_until"]}


def _stands_still(house: House, dead: set[int]) -> None:
    """Wait until nothing is on its way but what died: a clock that jumps over a lease has a send given back, and made again."""

    def seen() -> list[dict[str, Any]]:
        time.sleep(0.3)
        return house.rows(tables.request, ("id", "state", "ring_at", "lease_until"), "rule", [RULE])

    house.waits(lambda: seen() == seen() and _leased(house) <= dead)


def _assert_it_adds_up(house: House) -> None:
    requests = house.rows(tables.request, ("id", "patient", "state", "reason"), "rule", [RULE])
    mails = house.mails()
    assert len({one["patient"] for one in requests}) == len(requests) == len(PEOPLE)
    assert {(one["state"], one["reason"]) for one in requests} <= {("completed", None), ("on-hold", "outcome-unknown")}
    assert max(mails.values()) == 1
    assert all(mails[one["id"]] == 1 for one in requests if one["state"] == "completed")
    doubtful = [one for one in requests if one["state"] == "on-hold"]
    assert len(doubtful) <= HOURLY, "only what was on its way is in doubt"
    attempts = house.rows(tables.communication, ("request", "status"), "request", [one["id"] for one in requests])
    left = Counter(one["request"] for one in attempts if one["status"] in ("completed", "unknown"))
    assert left == dict.fromkeys([one["id"] for one in requests], 1)
    hours = house.rows(tables.campaign_hour, ("hour", "sent"), "rule", [RULE])
    assert max(one["sent"] for one in hours) <= HOURLY
    assert sum(one["sent"] for one in hours) == len(PEOPLE)
    assert [one["sent"] for one in house.rows(tables.campaign, ("sent",), "rule", [RULE])] == [len(PEOPLE)]
