"""The MLLP section of a source is checked whole, and wrong settings are named without being quoted."""

from __future__ import annotations

import pytest

from connectors.sources.mllp.options import MllpOptions, OnBrokenFrame, Refusal, read_options
from gateway.er7.ack import AckMode
from gateway.model.errors import ConfigError


def test_nothing_configured_is_a_safe_listener():
    """F-11, F-13, F-14, F-17: loopback, 2575, 16 MiB, no idle timer, a minute for a frame."""
    options = read_options("main", {})
    assert (options.bind, options.port, options.max_frame) == ("127.0.0.1", 2575, 16 << 20)
    assert (options.idle_timeout, options.frame_timeout, options.in_flight) == (0, 60, 1)
    assert (options.ack_mode, options.framing_error) == (AckMode.AUTO, OnBrokenFrame.CLOSE)
    assert (options.no_header, options.on_failure) == (Refusal.REJECT, Refusal.REJECT)
    assert options.admits("203.0.113.9")


def test_values_as_they_stand_in_yaml_are_understood():
    """Every scalar of the file is a string."""
    options = read_options(
        "main",
        {
            "port": "6661",
            "max_frame": "64KiB",
            "idle_timeout": "24h",
            "frame_timeout": "500ms",
            "ack_mode": "none",
            "allow": ["10.0.0.7"],
        },
    )
    assert (options.port, options.max_frame) == (6661, 65_536)
    assert (options.idle_timeout, options.frame_timeout) == (86_400, 0.5)
    assert options.ack_mode is AckMode.NONE


def test_every_wrong_setting_is_named_and_none_is_quoted():
    """A typo must not print a secret that was pasted beside it."""
    wrong = {
        "port": "hunter2", "max_frame": "hunter2", "idle_timeout": "hunter2", "ack_mode": "hunter2",
        "allow": ["hunter2"], "prot": "hunter2", "max_connections": "0",
    }  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        read_options("main", wrong)
    assert len(caught.value.problems) == len(wrong)
    assert "hunter2" not in str(caught.value)
    for name in wrong:
        assert any(problem.startswith(f"source main: {name}: ") for problem in caught.value.problems)
    assert "there is no such setting; known are ack_mode, allow, app_ack_channel" in str(caught.value)


@pytest.mark.parametrize(
    ("allow", "host", "admitted"),
    [
        (["10.1.0.0/16"], "10.1.2.3", True),
        (["10.1.0.0/16"], "10.2.2.3", False),
        (["10.1.2.3"], "::ffff:10.1.2.3", True),
        (["fd00::/8"], "fd00::1%eth0", True),
        (["fd00::/8"], "10.1.2.3", False),
        (["10.1.2.3"], "", False),
    ],
)
def test_the_address_list_admits_only_what_it_names(allow, host, admitted):
    """TL-06."""
    assert MllpOptions(allow=allow).admits(host) is admitted
