"""What the law of a place sets for solicitations: dated data with citations, and of all that may apply the strictest (regulations 40, 44).

The exemption for health-care texts (47 CFR 64.1200(a)(9)(iv)) is relied on nowhere: a text always needs consent (SM-13).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources

from gateway.model.consent import ChannelKind, Purpose
from gateway.model.when import DAY, MINUTE, Millis, to_datetime
from gateway.policy.circumstances import Circumstances
from gateway.policy.hours import next_closing
from gateway.policy.zones import us_states, us_zones

_FEDERAL = "US"
_QUARTER: Millis = 15 * MINUTE  # every limit and every offset of a zone is a multiple of it
_LOOK_AHEAD: Millis = 9 * DAY  # the windows of a week repeat
_EVERY_DAY = range(1, 8)
_SPANS: Mapping[str, Millis] = {"1d": DAY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One line of legal.csv. `opens`, `closes`: minutes of the local day, by ISO weekday; of a count `at_most` within Millis."""

    state: str
    channel: str
    days: Mapping[int, tuple[int, int]]
    at_most: int | None
    within: Millis
    since: date
    until: date | None
    citation: str

    def applies(self, states: Iterable[str], channel: ChannelKind, at: date) -> bool:
        """Whether it is the law of one of these states, for this channel, on this day."""
        ends = self.until is None or at < self.until
        return self.state in (_FEDERAL, *states) and self.channel == channel and self.since <= at and ends


@cache
def _text() -> str:
    return resources.files(__package__).joinpath("legal.csv").read_text(encoding="utf-8")


@cache
def version() -> str:
    """The version of the table; every decision that it had a part in records it."""
    return _text().partition("\n")[0].removeprefix("# version: ")


@cache
def limits() -> tuple[Limit, ...]:
    """Every line of the table."""
    lines = [line for line in _text().splitlines() if not line.startswith("#")]
    return tuple(_limit(row) for row in csv.DictReader(lines))


def _limit(row: Mapping[str, str]) -> Limit:
    hours = (_minute(row["opens"]), _minute(row["closes"])) if row["what"] == "hours" else (0, 0)
    return Limit(
        state=row["state"],
        channel=row["channel"],
        days={int(day): hours for day in row["days"]},
        at_most=int(row["at_most"]) if row["what"] == "count" else None,
        within=_SPANS.get(row["within"], 0),
        since=date.fromisoformat(row["from"]),
        until=date.fromisoformat(row["until"]) if row["until"] else None,
        citation=row["citation"],
    )


def _minute(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)


@cache
def longest() -> Millis:
    """How far back a count looks; what had left must be known for as long."""
    return max(one.within for one in limits())


def plausible_states(told: str | None) -> frozenset[str]:
    """The states the person may be in: the one told, or all when none is, or none that is known."""
    return frozenset({told}) if told in us_states() else us_states()


def opens(c: Circumstances) -> Millis | None:
    """The first instant from `c.now` on (Millis UTC) at which the law lets it leave; None: none within a week.

    Only solicitations are limited; the hours count where the called party is, and in every zone they may be in.
    """
    found = list(_that_apply(c))
    full = [until for one in found if (until := _full_until(c, one)) is not None]
    at: Millis | None = max([c.now, *full])
    hours = _windows(one for one in found if one.at_most is None)
    return at if hours is None or at is None else _next_open(c.zones or us_zones(), hours, at)


def closes(c: Circumstances) -> Millis | None:
    """When the hours end that the law leaves open (Millis UTC), of a moment within them; None: no law sets any."""
    windows = _windows(one for one in _that_apply(c) if one.at_most is None)
    if windows is None:
        return None
    ends = (_closes_at(zone, windows, c.now) for zone in c.zones or us_zones())
    return min((end for end in ends if end is not None), default=None)


def _closes_at(zone: str, windows: Mapping[int, tuple[int, int]], now: Millis) -> Millis | None:
    start, end = windows[to_datetime(now, zone).isoweekday()]
    return next_closing([zone], [(end, start)], now)


def _that_apply(c: Circumstances) -> Iterator[Limit]:
    if c.purpose is Purpose.HMARKT:
        states, today = plausible_states(c.state), to_datetime(c.now, "UTC").date()
        yield from (one for one in limits() if one.applies(states, c.channel, today))


def _full_until(c: Circumstances, limit: Limit) -> Millis | None:
    if limit.at_most is None:
        return None
    ends = [
        sorted(
            sent.at + limit.within
            for sent in c.sent_recently
            if (sent.per, sent.purpose, sent.channel) == (per, Purpose.HMARKT, c.channel)
            and sent.at + limit.within > c.now
        )
        for per in ("patient", "address")
    ]
    return max((one[-limit.at_most] for one in ends if len(one) >= limit.at_most), default=None)


def _windows(hours: Iterable[Limit]) -> Mapping[int, tuple[int, int]] | None:
    """By weekday the hours that every state's law leaves open; None where no law speaks."""
    states: dict[str, dict[int, tuple[int, int]]] = {}
    for one in hours:
        states.setdefault(one.state, {}).update(one.days)
    if not states:
        return None
    closed = (1, 0)
    found = {day: [days.get(day, closed) for days in states.values()] for day in _EVERY_DAY}
    return {day: (max(start for start, _ in all_), min(end for _, end in all_)) for day, all_ in found.items()}


def _next_open(zones: Sequence[str], hours: Mapping[int, tuple[int, int]], now: Millis) -> Millis | None:
    at = now
    while at <= now + _LOOK_AHEAD:
        if all(_is_open(zone, hours, at) for zone in zones):
            return at
        at += _QUARTER - at % _QUARTER
    return None


def _is_open(zone: str, hours: Mapping[int, tuple[int, int]], at: Millis) -> bool:
    local = to_datetime(at, zone)
    start, end = hours[local.isoweekday()]
    return start <= local.hour * 60 + local.minute < end
