"""A channel's business-associate agreement as far as a gate must know it: with whom, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from gateway.model.when import Millis, to_datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """45 CFR 164.504(e). `expires`: the last day it is in force; None with `because`: why none is needed."""

    party: str
    signed: date | None = None
    expires: date | None = None
    because: str = ""

    def in_force(self, now: Millis) -> bool:
        """Whether the channel may be handed PHI at this moment; days are counted in UTC."""
        if self.signed is None or self.expires is None:
            return bool(self.because)
        return self.signed <= to_datetime(now, "UTC").date() <= self.expires

    def ends_within(self, now: Millis, days: int) -> bool:
        """Whether its last day is less than so many days away, or over."""
        return self.expires is not None and (self.expires - to_datetime(now, "UTC").date()).days < days
