"""What measures the growth of a cost tells the square from what is linear, and what counts calls ends what never would."""

from __future__ import annotations

from functools import partial

import pytest

from tests.effort import calls, growth


def _again_and_again(size: int) -> int:
    return sum(1 for _ in range(size) for _ in range(size))


def _for_ever() -> None:
    while True:
        try:
            len("x")
        except Exception:  # as what is busy with foreign input does
            continue


@pytest.mark.slow
def test_a_square_is_told_from_what_is_linear() -> None:
    """F-12: of each the least counts, and the square costs it every time."""
    assert growth(partial(_again_and_again, 300), partial(_again_and_again, 2_400), enough=20) >= 20
    assert (
        growth(partial(bytes.count, b"x" * (1 << 24), b"y"), partial(bytes.count, b"x" * (1 << 27), b"y"), enough=20)
        < 20
    )


def test_what_never_ends_is_ended() -> None:
    """Whatever it catches."""
    with pytest.raises(AssertionError, match="more than 100 calls"):
        calls(_for_ever, most=100)
    assert calls(lambda: sorted("cab"), most=10)["sorted"] == 1
