"""Opens the doors that the options name, from the moment there is an inbox to tell."""

from __future__ import annotations

from connectors.channels.email.bounces.listener import Listener
from connectors.channels.email.bounces.mailbox import Mailbox
from connectors.channels.email.bounces.options import BounceOptions
from connectors.channels.email.bounces.reading import Reading
from connectors.channels.email.tokens import Tokens
from gateway.ports import Clock, Inbox


class Hearing:
    """A listener, a mailbox, both or none. Raises ConfigError for certificates that cannot be read, CommandError for a busy port."""

    def __init__(
        self, place: str, options: BounceOptions, hello: str, tokens: Tokens, clock: Clock, inbox: Inbox
    ) -> None:
        reading = Reading(inbox, tokens, clock)
        doors: list[Listener | Mailbox] = []
        if options.listen is not None:
            doors.append(Listener(f"{place}.listen", options.listen, hello, reading))
        if options.mailbox is not None:
            doors.append(Mailbox(f"{place}.mailbox", options.mailbox, reading))
        self.doors: tuple[Listener | Mailbox, ...] = tuple(doors)
        for door in self.doors:
            door.start()

    def close(self) -> None:
        """Close them; never raises."""
        for door in self.doors:
            door.stop()
