"""What a value of a resource may be computed from: the resource, its feed and its own time; nothing outlives the message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.mapping.feed import Feed
from gateway.mapping.fhir import times
from gateway.mapping.fhir.around import Around
from gateway.model.event import Fault, Place, Severity
from gateway.model.when import Millis, When

Resource = Mapping[str, Any]
_SUBSETTED = "SUBSETTED"  # v3-ObservationValue: a part of the resource only (R4 search.html#elements)


class Scope:
    """One resource while it is mapped.

    `node` is what paths start from: the resource, or the Patient it contains. `moment` is the resource's own time, for
    dates of expiry. `whole`: what it does not tell is not there any more; of a part of a resource (tag SUBSETTED) it is
    only not told (K-10). `faults` collects warnings.
    """

    __slots__ = ("around", "faults", "feed", "moment", "node", "resource", "type", "whole", "zone")

    def __init__(self, resource: Resource, feed: Feed, moment: Millis, around: Around | None = None) -> None:
        self.resource = resource
        self.node = resource
        self.around = around or Around(resource=resource, bases=feed.bases)
        self.feed = feed
        self.zone = feed.zone
        self.moment = moment
        self.type = str(resource.get("resourceType", ""))
        self.whole = _is_whole(resource)
        self.faults: list[Fault] = []

    def at(self, node: Resource) -> Scope:
        """The same for a resource inside: the Patient it contains."""
        inner = Scope(node, self.feed, self.moment, self.around)
        inner.faults, inner.whole = self.faults, self.whole
        return inner

    def warn(self, code: int, element: str, rule: str) -> None:
        """Add a warning (table 0357 code) at an element such as "start"; `rule` never quotes the value."""
        place = Place(f"{self.type}.{element}" if element else self.type)
        self.faults.append(Fault(code=code, rule=rule, place=place, severity=Severity.WARNING))

    def when(self, text: object) -> When | None:
        """The time a text tells, in the feed's zone; None when absent or invalid (T-08)."""
        return times.when_of(text, self.zone)

    def past(self, period: object) -> bool:
        """Whether a Period is over at the resource's own time; the end counts to its own precision."""
        end = self.when(period.get("end")) if isinstance(period, dict) else None
        return end is not None and times.ends(end) <= self.moment

    def in_force(self, period: object) -> bool:
        """Whether a Period has begun and is not over at the resource's own time; without one it is."""
        start = self.when(period.get("start")) if isinstance(period, dict) else None
        return not self.past(period) and (start is None or start.utc <= self.moment)


def _is_whole(resource: Resource) -> bool:
    meta = resource.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    return not isinstance(tags, list) or not any(
        isinstance(one, dict) and one.get("code") == _SUBSETTED for one in tags
    )
