"""What a broker's client must do for us: give, keep alive, and settle what is committed; what is not settled it gives again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.model.when import Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message as a broker gave it. `tag`: by which the link settles it. `content_type`: as its sender told, or "".

    `encoding`: how its sender packed it ("gzip"), or "". `again`: the broker says that it gave it out before.
    `problem`: why `body` is no message but what a person is shown, in words of ours; "": it is one.
    """

    tag: object
    body: bytes = field(repr=False)
    content_type: str = ""
    encoding: str = ""
    again: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What lies at the broker and has not been settled: how many messages, and since when the oldest (None: not told)."""

    messages: int
    since: Millis | None = None


class Link(Protocol):
    """One connection to a broker, used by one thread, opened once. Every call but `close` raises ServerError.

    After a ServerError it is closed and another one is made; whatever was not settled comes again (at least once).
    """

    def open(self) -> None:
        """Connect, prove who we are and subscribe. Raises Denied where a person must look."""
        ...

    def take(self, most: int, seconds: float) -> Sequence[Delivery]:
        """At most `most` messages in the order of their partition or queue; waits at most `seconds` for the first.

        Keeps the connection alive. What was taken stays ours until it is settled, or until the connection or the
        partition is lost.
        """
        ...

    def settle(self, deliveries: Sequence[Delivery]) -> None:
        """They are committed here and need not come again: acknowledged, offsets committed. In the order they were taken.

        One whose partition was taken from us meanwhile is passed over: whoever has it now gets it again.
        """
        ...

    def idle(self, seconds: float) -> None:
        """Take nothing, but keep the connection alive for about so long: heartbeats, a rebalance."""
        ...

    def waiting(self) -> Waiting | None:
        """What lies there for us; None where the broker does not say."""
        ...

    def close(self) -> None:
        """Give back what is not settled and end; never raises."""
        ...
