"""What goes in and out about the outbox and the worklist."""

from __future__ import annotations

from gateway.api.choosing import Wanted
from gateway.api.v1.shapes import About, At, Id, Numeral, Shape, Word


class Asked(About):
    """Whose outbox, and whether only what waits for a person."""

    held: bool = False


class ChoiceIn(Shape):
    """Which requests: one, a rule's, a facility's day, those held for a reason, or everything, said in so many words."""

    request: Numeral | None = None
    rule: Word | None = None
    facility: Word | None = None
    date: Word | None = None
    held_for: Word | None = None
    everything: bool = False

    @property
    def wanted(self) -> Wanted:
        """As `chosen` takes it."""
        number = None if self.request is None else int(self.request)
        told = self.model_dump(exclude={"request"})
        return Wanted(request=number, **told)


class StopIn(Shape):
    """What is stopped: a channel, a rule, a facility's day, or everything."""

    channel: Word | None = None
    rule: Word | None = None
    facility: Word | None = None
    date: Word | None = None
    everything: bool = False

    @property
    def wanted(self) -> Wanted:
        """As `stop_of` takes it."""
        return Wanted(**self.model_dump())


class WorkOut(Shape):
    """One thing that waits for a person."""

    kind: str
    about: str
    what: str
    count: int
    since: At | None
    age: int | None
    command: str


class WaitingOut(Shape):
    """One request that waits."""

    request: Id
    patient: Id
    rule: str
    step: str
    reason: str
    due: At
    expires: At | None
    waits_for: str
    lane: str
    state: str
    next: At | None


class CountOut(Shape):
    """How many wait alike."""

    state: str
    lane: str
    rule: str
    reason: str
    count: int
    next_due: At


class BrakeOut(Shape):
    """What a person stopped."""

    id: Id
    scope: str
    value: str | None
    day_from: At | None
    day_until: At | None
    why: str
    by: str
    at: At


class OutboxOut(Shape):
    """What waits."""

    at: At
    total: int
    stopped: list[BrakeOut]
    counts: list[CountOut]
    items: list[WaitingOut]
    next: str | None


class Handled(Shape):
    """How many requests were; how many were withdrawn instead, as too late."""

    done: int
    withdrawn: int = 0


class Resumed(Shape):
    """What was let go, and what is stopped still."""

    released: int
    withdrawn: int
    still_stopped: list[BrakeOut]
