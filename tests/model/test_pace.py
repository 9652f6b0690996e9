"""How fast a provider takes messages: spread evenly, and rounded so that it never gets more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.model.pace import Pace


@given(count=st.integers(1, 100_000), per=st.integers(1, 86_400_000))
def test_so_many_places_never_fit_into_less_than_their_span(count: int, per: int) -> None:
    """The interval is rounded up: `count` of them take `per` or a little longer."""
    interval = Pace(count=count, per=per).interval
    assert 0 <= count * interval - per * 1_000 < count
