"""The channel's section: what could send in clear, or be read by somebody else, is refused with its name and no value."""

from __future__ import annotations

from typing import Any

import pytest
from sms_parts import ACCOUNT, TOKEN, options

from connectors.channels.sms import SmsChannel
from connectors.channels.sms.options import read_options
from gateway.model.errors import ConfigError
from gateway.ports import SetClock


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"account": None}, "account"),
        ({"account": "a/../b"}, "account"),
        ({"auth_token": "short"}, "auth_token"),
        ({"auth_token": None}, "auth_token"),
        ({"sender": "3125550100"}, "sender"),
        ({"sender": "CLINIC"}, "sender"),
        ({"senders": {"north@lakeside.example": "x"}}, "senders.north@lakeside.example"),
        ({"public_url": None}, "public_url"),
        ({"public_url": "http://gateway.lakeside.example"}, "public_url"),
        ({"public_url": "https://gateway.lakeside.example/"}, "public_url"),
        ({"public_url": "https://gateway.lakeside.example?x=1"}, "public_url"),
        ({"public_url": "https://user:secret@gateway.lakeside.example"}, "public_url"),
        ({"base_url": "http://api.twilio.com"}, "base_url"),
        ({"base_url": "ftp://api.twilio.com"}, "base_url"),
        ({"base_url": "https://api.twilio.com:x"}, "base_url"),
        ({"base_url": "https://api twilio.com"}, "base_url"),
        ({"api_key": "SK1"}, ""),
        ({"timeout": "0"}, "timeout"),
        ({"timeout": "soon"}, "timeout"),
        ({"validity": "11h"}, "validity"),
        ({"settle": "1s"}, "settle"),
        ({"allow": "the proxy"}, "allow"),
        ({"from": "+13125550100"}, "from"),
    ],
)
def test_a_wrong_setting_is_named_and_not_quoted(changes: dict[str, Any], place: str) -> None:
    """Clear text is for this machine only; secrets are never shown."""
    with pytest.raises(ConfigError) as wrong:
        SmsChannel("texts", options(9, **changes), SetClock(0))
    (problem,) = wrong.value.problems
    assert problem.startswith(f"channels.texts.{place}: " if place else "channels.texts: ")
    assert TOKEN not in problem
    assert "secret" not in problem.replace("api_secret", "")


def test_what_is_right_is_read() -> None:
    """Durations in words, one address or several."""
    told = read_options("sms", options(9, timeout="8s", validity="2h", settle="20m", allow="10.1.2.3", sender="24273"))
    assert (told.timeout, told.validity, told.settle) == (8.0, 7_200.0, 1_200.0)
    assert told.credentials == (ACCOUNT, TOKEN)
    assert TOKEN not in repr(told)


def test_authorities_that_cannot_be_read_are_named() -> None:
    """`ca_file`."""
    with pytest.raises(ConfigError, match="ca_file"):
        SmsChannel("sms", options(9, ca_file=__file__), SetClock(0))
