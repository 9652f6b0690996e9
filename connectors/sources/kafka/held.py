"""Which partitions are ours and how far each is; what was taken in an earlier tenure of a partition never moves its place back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass

Place = tuple[str, int]  # topic and partition


@dataclass(frozen=True, slots=True)
class Tag:
    """Of one message. `tenure`: in which it was taken. `at`: its time at the broker, Millis, or None."""

    place: Place
    offset: int
    tenure: int
    at: int | None


@dataclass(slots=True)
class _Part:
    tenure: int
    settled: int | None  # the next offset that is not settled; None: nobody said
    told: int | None  # what the broker has confirmed of it


class Held:
    """The partitions of one consumer, by the consumer's own thread. `reached`: by place the next offset never taken here."""

    def __init__(self, reached: MutableMapping[Place, int]) -> None:
        self._parts: dict[Place, _Part] = {}
        self._reached = reached
        self._tenures = 0

    @property
    def places(self) -> list[Place]:
        """Those that are ours now."""
        return list(self._parts)

    def gains(self, place: Place, begin: int | None, *, told: bool) -> None:
        """It is ours, from `begin` on (None: nobody said). `told`: the broker has that already."""
        self._tenures += 1
        self._parts[place] = _Part(self._tenures, begin, begin if told else None)
        if begin is not None and begin > self._reached.get(place, 0):
            self._reached[place] = begin

    def loses(self, places: Iterable[Place]) -> None:
        """They are somebody else's."""
        for place in places:
            self._parts.pop(place, None)

    def takes(self, place: Place, offset: int, at: int | None) -> tuple[Tag | None, bool, int | None]:
        """Its tag (None: the partition is not ours), whether it was taken here before, and where it was expected if not here."""
        part = self._parts.get(place)
        if part is None:
            return None, False, None
        expected = self._reached.get(place)
        again = expected is not None and offset < expected
        if not again:
            self._reached[place] = offset + 1
        return (
            Tag(place, offset, part.tenure, at),
            again,
            expected if expected is not None and offset > expected else None,
        )

    def settles(self, tags: Iterable[Tag]) -> None:
        """They are done with; one of an earlier tenure is passed over."""
        for tag in tags:
            part = self._parts.get(tag.place)
            if part is not None and part.tenure == tag.tenure and tag.offset >= (part.settled or 0):
                part.settled = tag.offset + 1

    def untold(self, among: Iterable[Place] | None = None) -> dict[Place, int]:
        """What is settled and the broker has not confirmed: the next offset by place."""
        chosen = self._parts if among is None else [one for one in among if one in self._parts]
        return {
            place: part.settled
            for place in chosen
            if (part := self._parts[place]).settled is not None and part.settled != part.told
        }

    def told(self, offsets: Mapping[Place, int]) -> None:
        """The broker confirmed them."""
        for place, offset in offsets.items():
            if place in self._parts:
                self._parts[place].told = offset

    def next(self, place: Place) -> int | None:
        """The next offset there that is not settled."""
        return self._parts[place].settled
