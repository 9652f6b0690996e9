"""The recording channel is a channel like any other."""

from __future__ import annotations

import pytest
from email_parts import envelope

from connectors.channels.recording import Answer, RecordingChannel
from gateway.model.consent import ChannelKind
from gateway.model.errors import ClearanceError, DeliveryError, Refused, Unavailable, Unknown
from gateway.ports import Channel


def test_a_recorded_message_is_kept_as_it_was_cleared() -> None:
    """Law 3 holds here too."""
    channel: Channel = RecordingChannel()
    assert channel.send(envelope()).provider_id == "recorded-7"
    with pytest.raises(ClearanceError):
        channel.send(envelope(digest=b""))
    channel.close()


@pytest.mark.parametrize(
    ("answer", "outcome", "kept"),
    [
        (Answer.REFUSE, Refused, 0),
        (Answer.UNAVAILABLE, Unavailable, 0),
        (Answer.LOSE, Unknown, 0),
        (Answer.KEEP_SILENT, Unknown, 1),
    ],
)
def test_a_scripted_answer_is_given_once(answer: Answer, outcome: type[DeliveryError], kept: int) -> None:
    """One answer a send, then all is well again."""
    channel = RecordingChannel("sms", {"kind": "sms", "timeout": "2"})
    channel.will(answer)
    with pytest.raises(outcome):
        channel.send(envelope())
    assert len(channel.envelopes) == kept
    channel.send(envelope())
    assert len(channel.envelopes) == kept + 1
    assert len(channel.offered) == 2
    assert (channel.kind, channel.timeout) == (ChannelKind.SMS, 2.0)
