"""The e-mail channel: checks that the bytes are the cleared ones, composes, signs, hands over, and says how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from connectors.channels.email.compose import Composed, compose
from connectors.channels.email.options import Delivery, EmailOptions, Tls, read_options
from connectors.channels.email.tokens import Tokens
from connectors.channels.email.way import way
from gateway.model.consent import ChannelKind
from gateway.model.errors import ConfigError, Refused, Unavailable
from gateway.model.party import ContactSystem
from gateway.model.request import Protection
from gateway.model.when import Millis
from gateway.ports import Clock, Envelope, Handover, Inbox, Options

if TYPE_CHECKING:
    from connectors.channels.email.bounces.hearing import Hearing
    from connectors.channels.email.signing import Keys


class EmailChannel:
    """`ports.Channel` over SMTP. Connects at the first send, hears once it has an inbox. Raises ConfigError for bad options."""

    kind = ChannelKind.EMAIL
    section = EmailOptions  # what the gateway checks our section against, so that each mistake has its line

    def __init__(self, name: str, options: Options, clock: Clock) -> None:
        self.name = name
        self._clock = clock
        self._options = told = read_options(name, options)
        self.timeout = told.timeout
        self._keys = _keys(name, told)
        self._tokens = Tokens(told.bounces.address, told.bounces.secret) if told.bounces else None
        self._way = way(told)
        self._hearing: Hearing | None = None

    def send(self, envelope: Envelope) -> Handover:
        """Hand over exactly `envelope` within `timeout` seconds.

        Raises ClearanceError if the content is not what was cleared (law 3); Insecure before a byte of it has left, if the
        encryption it needs is not to be had (EM-01); Refused, Unavailable or Unknown as `ports.Channel` says.
        """
        envelope.verify()
        if envelope.channel is not ChannelKind.EMAIL or envelope.to.system is not ContactSystem.EMAIL:
            raise Refused("the envelope is not for e-mail")
        now = self._clock.now()
        message = self._signed(compose(envelope, now=now), now if envelope.at is None else envelope.at)
        message = self._traceable(message, envelope.communication)
        taken = self._way.carry(message, open_allowed=envelope.open_allowed)
        return Handover(provider_id=taken, protection=self._protection(envelope))

    def vouch(self, senders: Sequence[str]) -> None:
        """`ports.Vouches`: with keys configured every sender must have one that is aligned with it (EM-20). Raises ConfigError."""
        if self._keys is None:
            return
        bare = sorted({one.rpartition("@")[2].lower() for one in senders if self._keys.of(one) is None})
        if bare:
            raise ConfigError(*(f"channels.{self.name}.dkim: no domain here is, or is above, {one}" for one in bare))

    def hear(self, inbox: Inbox) -> None:
        """`ports.Hears`: open the doors for what comes back. Raises ConfigError, or CommandError when a port is taken."""
        if self._tokens is None or self._options.bounces is None:
            return
        from connectors.channels.email.bounces.hearing import Hearing  # aiosmtpd only where something is heard

        place = f"channels.{self.name}.bounces"
        self._hearing = Hearing(place, self._options.bounces, self._options.hello, self._tokens, self._clock, inbox)

    def retell(self, since: Millis, inbox: Inbox) -> int:
        """`ports.Retells`: what the mailbox of bounces still holds since then; a listener keeps nothing. Unavailable, StoreError."""
        bounces = self._options.bounces
        if self._tokens is None or bounces is None or bounces.mailbox is None:
            return 0
        from connectors.channels.email.bounces.mailbox import Mailbox
        from connectors.channels.email.bounces.reading import Reading

        reading = Reading(inbox, self._tokens, self._clock)
        return Mailbox(f"channels.{self.name}.bounces.mailbox", bounces.mailbox, reading).look_again(since)

    def close(self) -> None:
        """Give back connections, close the doors."""
        if self._hearing is not None:
            self._hearing.close()
        self._way.close()

    def _protection(self, envelope: Envelope) -> Protection | None:
        """What is proven of the way it took: what needed verified TLS had it; how a relay hands the rest on, nobody tells."""
        if not envelope.open_allowed:
            return Protection.VERIFIED_TLS
        relayed = self._options.delivery is Delivery.RELAY and self._options.tls is not Tls.OFF
        return Protection.RELAY_TLS if relayed else None

    def _signed(self, message: Composed, at: Millis) -> Composed:
        if self._keys is None:
            return message
        signer = self._keys.of(message.sender)
        if signer is None:  # `vouch` says so at start; unsigned it would spoil the domain's name
            raise Unavailable("no DKIM key fits the sender's domain")
        return replace(message, content=signer.signed(message.content, at))

    def _traceable(self, message: Composed, communication: int) -> Composed:
        """With a return path of its own; all of it outside the message, whose bytes are the same at every try (EM-13)."""
        if self._tokens is None or self._options.bounces is None:
            return message
        notify = "SUCCESS,FAILURE,DELAY" if self._options.bounces.delivered else "FAILURE,DELAY"
        return replace(
            message, sender=self._tokens.path(communication), envid=self._tokens.of(communication), notify=notify
        )


def _keys(name: str, options: EmailOptions) -> Keys | None:
    if not options.dkim:
        return None
    from connectors.channels.email.signing import Keys  # dkimpy only where something is signed

    return Keys(f"channels.{name}.dkim", options.dkim)
