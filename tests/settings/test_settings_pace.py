"""How fast a provider takes messages, as caregate.yaml says it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.model.errors import ConfigError
from gateway.model.pace import Pace
from gateway.model.when import HOUR, MINUTE, SECOND
from gateway.settings import Settings, print_config

Site = Callable[..., Settings]
HOST = "    host: 127.0.0.1\n"


@pytest.mark.parametrize(
    ("told", "pace", "interval"),
    [
        ("10/s", Pace(count=10, per=SECOND), 100_000),
        ("600/min", Pace(count=600, per=MINUTE), 100_000),
        ("'3 / s'", Pace(count=3, per=SECOND), 333_334),
        ("5000/h", Pace(count=5000, per=HOUR), 720_000),
    ],
)
def test_a_channel_says_how_fast_its_provider_takes_messages(site: Site, told: str, pace: Pace, interval: int) -> None:
    """Spread evenly, never faster; it is no option of the connector."""
    channel = site((HOST, f"{HOST}    pace: {told}\n")).channels["email"]
    assert (channel.pace, channel.pace.interval if channel.pace else 0) == (pace, interval)
    assert "pace" not in channel.options


def test_a_channel_that_says_nothing_is_not_paced(site: Site) -> None:
    """As fast as workers send."""
    assert site().channels["email"].pace is None


@pytest.mark.parametrize("told", ["fast", "0/s", "10", "10/d", "-1/s"])
def test_what_is_no_pace_is_an_error_at_its_line(site: Site, told: str) -> None:
    """With what it may look like."""
    with pytest.raises(ConfigError, match="10/s, 600/min or 5000/h") as caught:
        site((HOST, f"{HOST}    pace: {told}\n"))
    assert ":22:" in str(caught.value) or "caregate.yaml" in str(caught.value)


def test_the_pace_is_shown_as_it_is_written(site: Site) -> None:
    """`caregate run --print-config` reads back."""
    assert "pace: 600/min" in print_config(site((HOST, f"{HOST}    pace: 600/min\n")))
