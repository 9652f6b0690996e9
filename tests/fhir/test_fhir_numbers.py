"""Event numbers of one subscription: whatever order calls come in, no event is taken for committed that is not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connectors.sources.fhir.numbers import Heard, Numbers


def _told(numbers, events, *, at, count=None, commit=True):
    heard = numbers.hear(events, max([0, *events]) if count is None else count, at, 1_000 + (at or 0))
    if commit and heard is not Heard.REPEATED:
        numbers.settle(events, numbers.epoch, 1_000 + (at or 0))
    return heard


def test_what_is_heard_and_not_committed_is_missing():
    """S-30: a call that was answered 503 leaves a gap until it comes again."""
    numbers = Numbers()
    assert _told(numbers, [1], at=1, commit=False) is Heard.NEW
    assert (numbers.missing, numbers.gap_since) == ((1, 1), 1_001)
    assert _told(numbers, [1], at=1) is Heard.NEW
    assert (numbers.missing, numbers.gap_since, numbers.through) == (None, None, 1)


def test_a_number_told_again_with_a_newer_time_is_taken_again():
    """S-20: a server that restarted after one event counts one again; its content must not be passed over."""
    numbers = Numbers()
    _told(numbers, [1], at=1)
    assert _told(numbers, [1], at=2) is Heard.NEW
    assert _told(numbers, [1], at=1) is Heard.REPEATED


def test_a_smaller_count_is_a_reset_unless_it_is_late():
    """S-20, S-21."""
    numbers = Numbers()
    _told(numbers, [1, 2, 3], at=10)
    assert _told(numbers, [], at=9, count=2) is Heard.NEW
    assert _told(numbers, [1], at=11) is Heard.RESET
    assert (numbers.through, numbers.top, numbers.epoch) == (1, 1, 2)
    assert _told(numbers, [], at=None, count=0) is Heard.RESET


def test_what_was_heard_before_a_reset_is_not_counted_after_it():
    """S-20: its commit came late."""
    numbers = Numbers()
    _told(numbers, [1, 2, 3], at=1)
    numbers.hear([4], 4, 2, 5)
    _told(numbers, [1], at=3)
    numbers.settle([4], 1, 6)
    assert (numbers.through, numbers.ahead) == (1, set())


def test_a_search_covers_what_was_told_before_it_began():
    """S-19: and not what came meanwhile."""
    numbers = Numbers()
    _told(numbers, [1], at=1)
    _told(numbers, [5], at=2)
    assert numbers.missing == (2, 4)
    _told(numbers, [9], at=3)
    numbers.cover(5, numbers.epoch, 7)
    assert (numbers.through, numbers.missing) == (5, (6, 8))
    numbers.cover(9, numbers.epoch - 1, 8)
    assert numbers.missing == (6, 8)


@given(st.permutations(range(1, 13)), st.sets(st.integers(1, 12)))
def test_in_any_order_only_what_was_lost_is_missing(order, lost):
    """S-18, S-19, S-21: calls overtake each other, each with the time at which it was made."""
    numbers = Numbers()
    came = [one for one in order if one not in lost]
    for one in came:
        assert _told(numbers, [one], at=one) is Heard.NEW
    missing = []
    while (run := numbers.missing) is not None:
        missing += range(run[0], run[1] + 1)
        numbers.settle(range(run[0], run[1] + 1), numbers.epoch, 99)
    assert missing == sorted(one for one in lost if one < max(came, default=0))
    assert numbers.epoch == 1
