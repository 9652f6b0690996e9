"""The way out that leads nowhere: a message for the portal has arrived once its sealed body is committed."""

from __future__ import annotations

from gateway.model.consent import ChannelKind
from gateway.model.errors import ConfigError
from gateway.model.when import Millis
from gateway.ports import Clock, Envelope, Handover, Options


class PortalChannel:
    """`ports.Channel` and `ports.LooksUp`. It has no options; the pages need `api.public_url`."""

    kind = ChannelKind.PORTAL
    timeout = 1.0

    def __init__(self, name: str, options: Options | None = None, clock: Clock | None = None) -> None:  # noqa: ARG002
        if options:
            raise ConfigError(*(f"channels.{name}.{key}: the portal has no options" for key in options))
        self.name = name

    def send(self, envelope: Envelope) -> Handover:
        """Only make sure that what was recorded is what was cleared. Raises ClearanceError."""
        envelope.verify()
        return Handover()

    def look_up(self, communication: int, since: Millis) -> Handover | None:  # noqa: ARG002
        """An attempt that is recorded at all lies here: an actor that died after the commit changes nothing."""
        return Handover()

    def close(self) -> None:
        """Nothing is held open."""
