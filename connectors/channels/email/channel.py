"""The e-mail channel: checks that the bytes are the cleared ones, composes, hands over, and says how it ended."""

from __future__ import annotations

from connectors.channels.email.compose import compose
from connectors.channels.email.options import EmailOptions, read_options
from connectors.channels.email.smtp import Pool
from gateway.model.consent import ChannelKind
from gateway.model.errors import Refused
from gateway.model.party import ContactSystem
from gateway.ports import Clock, Envelope, Handover, Options


class EmailChannel:
    """`ports.Channel` over SMTP. Connects at the first send. Raises ConfigError for bad options."""

    kind = ChannelKind.EMAIL
    section = EmailOptions  # what the gateway checks our section against, so that each mistake has its line

    def __init__(self, name: str, options: Options, clock: Clock) -> None:
        self.name = name
        self._clock = clock
        told = read_options(name, options)
        self.timeout = told.timeout
        self._pool = Pool(told)

    def send(self, envelope: Envelope) -> Handover:
        """Hand over exactly `envelope` within `timeout` seconds.

        Raises ClearanceError if the content is not what was cleared (law 3); Refused, Unavailable or Unknown as
        `ports.Channel` says.
        """
        envelope.verify()
        if envelope.channel is not ChannelKind.EMAIL or envelope.to.system is not ContactSystem.EMAIL:
            raise Refused("the envelope is not for e-mail")
        message = compose(envelope, now=self._clock.now())
        return Handover(provider_id=self._pool.carry(message))

    def close(self) -> None:
        """Give back connections."""
        self._pool.close()
