"""What must hold after a soak, each line with its figure and its bound; and where the disk went, explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.model.when import DAY, HOUR
from gateway.store.checkpoint import BOUND_BYTES
from tests.soak.measuring import Kept, Sizes

WINDOW = 30 * DAY
BODIES = 20 * DAY
_LATE = (
    DAY + 2 * HOUR
)  # the key of a day goes when the day is over, by a round that runs every hour; the clock jumps by days

WHY = {
    "audit": "one row a message with all its entries; kept six years (45 CFR 164.316(b)(2)(i))",
    "audit_patient": "which patients an audit row is about, both ways; kept as long",
    "block": "the chain over the audit rows: 16 bytes a row, so that a bad one can be named, and 150 a block",
    "occurrence": "each new appointment or visit; its facts go 30 days after it is over, the row is evidence",
    "request": "each planned send; evidence of what was sent, or why not",
    "communication": "each attempt; its sealed body goes after `retention.bodies`, the row is evidence",
    "receipt": "what providers reported",
    "raw": "rows of 30 days and their sealed bytes: flat once the first are forgotten, pages are used again",
    "quarantine": "entries nobody has decided",
    "patient": "new people only",
    "identifier": "new identifiers only",
    "contact_point": "new addresses of people who are known",
    "address": "new addresses; kept, because an opt-out belongs to the address",
    "consent": "the ledger, never shortened",
    "data_key": "one a new patient; those of feeds go with their day",
    "fragment": "parts of messages that are not whole yet",
    "feed_count": "per feed, day, type and result",
    "feed_slot": "per feed and quarter of an hour",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that must hold."""

    what: str
    figure: str
    bound: str
    holds: bool

    def __str__(self) -> str:
        return f"{'ok  ' if self.holds else 'NOT '} {self.what:<38} {self.figure:<44} {self.bound}"


_WARM = 5_000
"""Messages after which a process has loaded what it ever loads once."""


def memory(samples: Sequence[tuple[int, float]]) -> Line:
    """Resident memory over messages: the growth that the line through the samples of the later two thirds tells.

    In the first thousands all that is loaded once is loaded (languages, templates, the first mail): what ends within them
    may have grown by as much again as that takes, and no more.
    """
    later = [one for one in samples if one[0] >= samples[-1][0] / 3] or list(samples)
    slope = _slope(later)
    grown = slope * (later[-1][0] - later[0][0])
    figure = f"{slope * 1e6:+.1f} MB a million, {later[-1][1]:.0f} MB at the end"
    bound = 8 if later[-1][0] >= _WARM else 24
    return Line(
        what="memory is flat", figure=figure, bound=f"the line grows by less than {bound} MB", holds=grown < bound
    )


def _slope(points: Sequence[tuple[int, float]]) -> float:
    """Of the least-squares line, MB a message."""
    n = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def forgotten(kept: Kept) -> list[Line]:
    """What had to go is gone."""
    days = DAY
    return [
        Line(
            what="raw bytes are gone after the window",
            figure=f"{kept.with_bytes:,} messages, oldest {kept.oldest_bytes / days:.1f} days",
            bound="31.1 days",
            holds=kept.oldest_bytes <= WINDOW + _LATE,
        ),
        Line(
            what="so are the rows they stood in",
            figure=f"{kept.rows:,} rows, oldest {kept.oldest_row / days:.1f} days",
            bound=f"31.1 days ({kept.open} undecided stay)",
            holds=kept.oldest_row <= WINDOW + _LATE,
        ),
        Line(
            what="and their keys, a window later",
            figure=f"{kept.feed_keys} keys",
            bound="63: one a day, twice 30 days",
            holds=kept.feed_keys <= 63,
        ),
        Line(
            what="bodies of what was sent are gone",
            figure=f"oldest {kept.oldest_body / days:.1f} days",
            bound="21.1 days",
            holds=kept.oldest_body <= BODIES + _LATE,
        ),
    ]


def bounded(largest_wal: int) -> Line:
    """The write-ahead log starts again from its beginning."""
    bound = BOUND_BYTES * 3 // 2
    figure = f"{largest_wal / 1e6:.1f} MB at most"
    return Line(what="the WAL stays bounded", figure=figure, bound=f"{bound / 1e6:.0f} MB", holds=largest_wal <= bound)


def growth(before: Sizes, after: Sizes) -> list[str]:
    """Bytes a message by table between two looks, the largest first, each with its reason."""
    count = after.messages - before.messages
    lines = [f"disk, a message, over {count:,} messages once the first were forgotten:"]
    grown = {name: after.tables.get(name, 0) - before.tables.get(name, 0) for name in after.tables}
    for name, size in sorted(grown.items(), key=lambda one: -abs(one[1])):
        rows = after.rows.get(name, 0) - before.rows.get(name, 0)
        if abs(size) / count >= 0.5:
            lines.append(f"  {size / count:8.1f} bytes  {rows / count:6.3f} rows  {name:<14} {WHY.get(name, '')}")
    used = (after.file - after.free) - (before.file - before.free)
    lines.append(f"  {used / count:8.1f} bytes  all pages in use; the file itself {(after.file - before.file) / count:.1f}, "
                 f"with {after.free / 1e6:.1f} MB of free pages, which are used again")  # fmt: skip
    return lines
