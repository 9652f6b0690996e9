"""What measures the growth of a cost tells the square from what is linear, and what counts calls ends what never would."""

from __future__ import annotations

from functools import partial

import pytest

from tests.effort import calls, growth


def _for_ever() -> None:
    while True:
        try:
            len("x")
        except Exception:  # as what is busy with foreign input does
            continue


class _Clock:
    """A processor's time that passes only where it is told to, and more of it each other turn: somebody else is busy."""

    def __init__(self) -> None:
        self.now, self.turns = 0.0, 0

    def costs(self, seconds: float) -> None:
        self.turns += 1
        self.now += seconds * (1 + self.turns % 4 // 2)


def test_a_square_is_told_from_what_is_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    """F-12: of each the least counts, and the square costs it every time."""
    for times, enough in ((8**2, 20), (8, 12)):
        clock = _Clock()
        monkeypatch.setattr("tests.effort.time.thread_time", lambda clock=clock: clock.now)
        measured = growth(partial(clock.costs, 1.0), partial(clock.costs, 1.0 * times), enough=enough)
        assert measured == pytest.approx(times)


def test_what_never_ends_is_ended() -> None:
    """Whatever it catches."""
    with pytest.raises(AssertionError, match="more than 100 calls"):
        calls(_for_ever, most=100)
    assert calls(lambda: sorted("cab"), most=10)["sorted"] == 1
