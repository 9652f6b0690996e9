"""Text messages through a Twilio-compatible provider, TLS verified; entry point `gateway.channels: sms`."""

from connectors.channels.sms.channel import SmsChannel

__all__ = ["SmsChannel"]
