"""How fast a provider takes messages: so many in so long, spread evenly, and never faster."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.when import Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """At most `count` messages in `per` Millis."""

    count: int
    per: Millis

    @property
    def interval(self) -> int:
        """Microseconds from one place to the next, rounded up."""
        return -(-self.per * 1_000 // self.count)
