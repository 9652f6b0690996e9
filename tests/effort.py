"""What work costs, told so that a busy machine says the same as an idle one: calls are counted, and growth is a ratio of leasts."""

from __future__ import annotations

import gc
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_TURNS = 25
_LEAST = 0.002  # seconds: below that the clock tells nothing


class _TooManyError(BaseException):
    """Nobody who is busy with foreign input catches it."""


def calls(work: Callable[[], object], *, most: int) -> Counter[str]:
    """The functions that `work` calls, Python's and C's, by name: the same on every machine. AssertionError: more than `most`."""
    count, left = Counter[str](), most

    def seen(frame: FrameType, event: str, arg: object) -> None:
        nonlocal left
        if event in ("call", "c_call"):
            left -= 1
            count[frame.f_code.co_name if event == "call" else getattr(arg, "__name__", "")] += 1
            if left < 0:
                raise _TooManyError

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        work()
    except _TooManyError:
        raise AssertionError(f"more than {most} calls, mostly of {count.most_common(3)}") from None
    finally:
        sys.setprofile(before)
    return count


def growth(small: Callable[[], object], large: Callable[[], object], *, enough: float) -> float:
    """How many times the processor time of `small` is that of `large`; measured until it is below `enough`.

    Of each the least of up to 25 turns counts, taken in turns: noise only ever adds, and hardly to all of them. What
    costs its square costs it every time.
    """
    found = [float("inf"), float("inf")]
    ratio = float("inf")
    with _undisturbed():
        for _ in range(_TURNS):
            for place, work in enumerate((small, large)):
                found[place] = min(found[place], _seconds(work))
            ratio = found[1] / max(found[0], _LEAST)
            if ratio < enough:
                break
    return ratio


def _seconds(work: Callable[[], object]) -> float:
    """Of this thread's processor."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Without collections: they cost by all that the other tests have left behind."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
