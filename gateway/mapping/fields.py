"""Which fields a plan reads: each segment is split once and all its fields are picked in one go, raw."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter

from gateway.er7.paths import Path, cut
from gateway.er7.reader import Message, Pick


class Fields:
    """A place for everything the given paths name (design, "The hot path": mappings compiled per segment)."""

    def __init__(self, paths: Iterable[Path]) -> None:
        wanted = tuple(dict.fromkeys(paths))
        segments: dict[str, set[int]] = {}
        for path in wanted:
            segments.setdefault(path.segment, set()).add(path.field)
        self._whole: dict[tuple[str, int], int] = {}
        self._picks: list[Pick] = []
        self._count = 0
        for segment, numbers in segments.items():
            self._enter(segment, sorted(numbers))
        parts = [path for path in wanted if path.pick is not None or path.component is not None]
        self._parts = {path: self._count + number for number, path in enumerate(parts)}
        self._cuts = [(self._whole[path.segment, path.field], path) for path in parts]

    def _enter(self, segment: str, numbers: list[int]) -> None:
        places = [*numbers, 0]  # two at least: itemgetter then gives a tuple
        for number in numbers:
            self._whole[segment, number] = self._count
            self._count += 1
        self._count += 1
        self._picks.append((segment, max(places), itemgetter(*places), ("",) * len(places)))

    def place(self, path: Path) -> int:
        """Where the path's text stands in what `pick` gives. KeyError: the path was not among those given."""
        return self._parts[path] if path in self._parts else self._whole[path.segment, path.field]

    def pick(self, message: Message) -> list[str]:
        """The raw text at every path, of the first segment of its id; `''` where absent (P-16)."""
        found = message.pick(self._picks)
        found += [cut(found[place], message, path) if found[place] else "" for place, path in self._cuts]
        return found
