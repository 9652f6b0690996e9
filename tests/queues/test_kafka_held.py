"""A partition that went and came back is another tenure: nothing taken before moves the group's place."""

from __future__ import annotations

from connectors.sources.kafka.held import Held, Tag

PLACE = ("feed", 0)


def take(held: Held, offset: int) -> Tag:
    tag, _, _ = held.takes(PLACE, offset, None)
    assert tag is not None
    return tag


def test_what_was_taken_before_a_partition_went_is_passed_over() -> None:
    """The group's place is where it was found again; what we had in hand comes again from there."""
    held = Held({})
    held.gains(PLACE, 40, told=True)
    before = take(held, 41)
    held.loses([PLACE])
    held.settles([before])
    assert held.untold() == {}
    held.gains(PLACE, 41, told=True)
    held.settles([before])
    assert held.untold() == {}
    held.settles([take(held, 41)])
    assert held.untold() == {PLACE: 42}
    held.told({PLACE: 42})
    assert held.untold() == {}


def test_what_was_taken_here_before_is_known_again() -> None:
    """Also by another connection of the same source; what lies between is told as a gap."""
    reached: dict[tuple[str, int], int] = {}
    first = Held(reached)
    first.gains(PLACE, None, told=True)
    assert first.takes(PLACE, 7, None)[1:] == (False, None)
    second = Held(reached)
    second.gains(PLACE, None, told=True)
    assert second.takes(PLACE, 7, None)[1:] == (True, None)
    assert second.takes(PLACE, 8, None)[1:] == (False, None)
    assert second.takes(PLACE, 12, None)[1:] == (False, 9)
    second.loses([PLACE])
    assert second.takes(PLACE, 13, None) == (None, False, None)
