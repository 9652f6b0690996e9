"""The law's own hours and counts: dated, cited, and of all that may apply the strictest."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

import pytest

from gateway.model.consent import ChannelKind, Purpose
from gateway.model.when import DAY, HOUR, MINUTE, Millis, to_millis, zone_of
from gateway.policy import Circumstances, Sent, legal
from gateway.policy.sending import legal_limit
from gateway.policy.zones import us_states
from tests.policy.conftest import circumstances

Given = Callable[..., Circumstances]
CHICAGO = "America/Chicago"


def at(wall: str, zone: str = CHICAGO) -> Millis:
    """The instant of a wall time."""
    return to_millis(datetime.fromisoformat(wall).replace(tzinfo=zone_of(zone)))


def opens(wall: str, state: str | None, zone: str = CHICAGO, **more: object) -> Millis | None:
    """When a solicitation by text may leave."""
    told = {
        "purpose": Purpose.HMARKT,
        "channel": ChannelKind.SMS,
        "now": at(wall, zone),
        "state": state,
        "zones": (zone,),
    }
    return legal.opens(circumstances(**{**told, **more}))


@pytest.mark.parametrize(
    ("state", "zone", "wall", "expected"),
    [
        ("IL", CHICAGO, "2026-03-10 07:59", "2026-03-10 08:00"),
        ("IL", CHICAGO, "2026-03-10 20:59", "2026-03-10 20:59"),
        ("IL", CHICAGO, "2026-03-10 21:00", "2026-03-11 08:00"),
        ("FL", "America/New_York", "2026-03-10 20:00", "2026-03-11 08:00"),
        ("CT", "America/New_York", "2026-03-10 08:30", "2026-03-10 09:00"),
        ("TX", CHICAGO, "2026-03-15 09:00", "2026-03-15 12:00"),
        ("TX", CHICAGO, "2026-03-14 09:00", "2026-03-14 09:00"),
        ("RI", "America/New_York", "2026-03-13 18:00", "2026-03-16 09:00"),
        ("OK", CHICAGO, "2026-03-10 20:15", "2026-03-11 08:00"),
        (None, "America/New_York", "2026-03-10 09:30", "2026-03-10 10:00"),
        ("ZZ", "America/New_York", "2026-03-14 12:00", "2026-03-16 10:00"),
    ],
)
def test_a_solicitation_leaves_when_every_plausible_law_is_open(
    state: str, zone: str, wall: str, expected: str
) -> None:
    """Regulations 40 and 44: state by state; of somebody nobody knows the state of, all of them."""
    assert opens(wall, state, zone) == at(expected, zone)


def test_the_hours_hold_in_every_zone_the_person_may_be_in() -> None:
    """T-09: 8:30 in Chicago is 6:30 in Los Angeles."""
    both = (CHICAGO, "America/Los_Angeles")
    assert opens("2026-03-10 08:30", "IL", zones=both) == at("2026-03-10 08:00", "America/Los_Angeles")
    anywhere = tuple(f"{sign}{hour:02}:00" for sign in "+-" for hour in range(12))
    assert opens("2026-03-10 08:30", "IL", zones=anywhere) is None
    assert legal_limit_says("2026-03-10 08:30", zones=anywhere) == ("legal-limit", at("2026-03-10 09:30"))
    assert opens("2026-03-10 12:00", "IL", zones=()) == at("2026-03-10 17:00")  # not told: from Maine to Guam


def legal_limit_says(wall: str, **more: object) -> tuple[str, Millis | None]:
    """The gate's answer: reason and when it looks again."""
    from gateway.model.policy import Policy
    from gateway.model.verdict import Hold

    told = {"purpose": Purpose.HMARKT, "channel": ChannelKind.SMS, "now": at(wall), **more}
    said = legal_limit(circumstances(**told), Policy(version="1", quiet_hours={}, ceilings={}, hold_expires=DAY))
    assert isinstance(said, Hold)
    return said.reason.value, said.until


@pytest.mark.parametrize(("state", "most"), [("FL", 3), ("OK", 3), ("MD", 3), ("IL", 99), (None, 3)])
@pytest.mark.parametrize("per", ["patient", "address"])
def test_no_more_solicitations_a_day_than_the_state_lets(state: str | None, most: int, per: str) -> None:
    """Regulation 44: three in twenty-four hours; the fourth waits until the first of them is a day old."""
    now = at("2026-03-10 12:00")
    sent = tuple(
        Sent(per=per, purpose="HMARKT", topic=topic, channel="sms", at=now - hours * HOUR)
        for hours, topic in ((4, "a"), (3, "b"), (2, "c"))
    )
    assert opens("2026-03-10 12:00", state, sent_recently=sent[1:]) == now
    found = opens("2026-03-10 12:00", state, sent_recently=sent)
    # a day after the first of them it is 8 in Chicago; where no state is told, 10 is the earliest hour
    assert found == (now if most > 3 else at("2026-03-11 08:00") if state else at("2026-03-11 10:00"))
    others = tuple(Sent(per=per, purpose="TREAT", topic="a", channel="sms", at=now - HOUR) for _ in range(9))
    assert opens("2026-03-10 12:00", state, sent_recently=others) == now


@pytest.mark.parametrize(
    "change", [{"purpose": Purpose.TREAT}, {"channel": ChannelKind.EMAIL}, {"channel": ChannelKind.PORTAL}]
)
def test_it_is_the_law_of_solicitations_by_text_only(change: dict[str, object]) -> None:
    """47 CFR 64.1200(c)(1) speaks of solicitations by telephone; the site's own quiet hours bind the rest."""
    assert opens("2026-03-10 03:00", "RI", **change) == at("2026-03-10 03:00")


def test_every_line_is_dated_cited_and_of_a_place_there_is() -> None:
    """A law counts from its day on, and no longer than until it ends."""
    assert date.fromisoformat(legal.version()) <= date(2100, 1, 1)
    for one in legal.limits():
        assert one.state in us_states() | {"US"}
        assert len(one.citation) > 5
        assert (one.at_most is None) == bool(one.days)
        assert all(start % 15 == end % 15 == 0 and start < end for start, end in one.days.values())
        assert not one.applies([one.state], ChannelKind.SMS, date.fromordinal(one.since.toordinal() - 1))
    assert legal.longest() == DAY
    assert opens("2025-08-31 09:00", "TX") == at("2025-08-31 09:00")  # a Sunday before the law was made
    assert opens("2025-09-07 09:00", "TX") == at("2025-09-07 12:00")


def test_a_law_that_ended_binds_no_more() -> None:
    """`until` is the first day without it."""
    from dataclasses import replace

    ended = replace(legal.limits()[0], until=date(2026, 3, 1))
    assert ended.applies([], ChannelKind.SMS, date(2026, 2, 28))
    assert not ended.applies([], ChannelKind.SMS, date(2026, 3, 1))
    assert legal.limits()[0].within + MINUTE > 0
