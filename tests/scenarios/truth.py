"""What is true as far as the gateway has been told and has committed: what it may say of whom, and how often."""

from __future__ import annotations

from collections import defaultdict
from copy import deepcopy

from tests.scenarios.lives import Life, Told
from tests.scenarios.provider import Left


class Truth:
    """Kept beside the gateway from what the feed was answered; knows nothing of its tables."""

    def __init__(self, lives: list[Life]) -> None:
        self.owner = {slot: life.number for life in lives for slot in life.slots}
        self.visit_of = {one.slot: one.visit for life in lives for one in life.told if one.slot}
        self.current: dict[str, tuple[int, str | None]] = {}  # visit → (its time, the slot that stands)
        self.dead: set[int] = set()
        self.gone: dict[int, set[str]] = {}
        self.stopped: set[tuple[str, str]] = set()  # (channel, address)
        self.no_mail: set[int] = set()
        self.into: dict[int, int] = {}
        self.brakes: set[str] = set()
        self.entered: defaultdict[str, set[int]] = defaultdict(
            set
        )  # slot → times a visit was put there: so many versions

    def copy(self) -> Truth:
        """As a backup has it; how often something was entered is never forgotten."""
        return deepcopy(self)

    def took(self, told: Told) -> None:
        """A message was acknowledged."""
        if told.visit is not None:
            self._visit(told)
        if told.dead:
            self.dead.add(told.life)
        if told.gone is not None:
            self.gone.setdefault(told.life, set()).add(told.gone)
        if told.into is not None:
            self.into[told.life] = told.into

    def _visit(self, told: Told) -> None:
        stamp, slot = self.current.get(told.visit or "", (0, None))
        if told.stamp < stamp:
            return
        self.current[told.visit or ""] = (told.stamp, told.slot)
        if told.slot is not None and told.slot != slot:
            self.entered[told.slot].add(told.stamp)

    def family(self, life: int) -> set[int]:
        """Whoever they turned out to be, and they themselves."""
        found = {life}
        while life in self.into:
            life = self.into[life]
            found.add(life)
        return found | {one for one, into in self.into.items() if into in found}

    def against(self, left: Left, rule: str, slot: str) -> str | None:
        """Why that must not leave now; None: it may."""
        owner = self.owner[slot]
        family = self.family(owner)
        _, stands = self.current.get(self.visit_of[slot] or "", (0, None))
        if stands != slot:
            return "the visit is not then, or cancelled"
        if family & self.dead:
            return "deceased"
        if (left.channel.value, left.to) in self.stopped:
            return "the address said STOP"
        if left.channel == "email" and family & self.no_mail:
            return "opted out of mail"
        if left.to in self.gone.get(owner, ()):
            return "the number is theirs no more"
        if self.brakes & {"everything", rule, left.channel.value}:
            return "it is stopped"
        return None
