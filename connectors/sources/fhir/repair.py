"""What the endpoint asks of the client when its server's count says that something was missed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.model.when import Millis


class Repair(Protocol):
    """Asks the server of one source. Calls block, never on an event loop's thread; ServerError, StoreError: try again later.

    `subscription` is its name in caregate.yaml, which is the last part of the path that it posts to; else its id at the
    server; "" where a call tells neither.
    """

    def events(self, subscription: str, since: int, until: int) -> Sequence[bytes] | None:
        """The Bundles of `$events` from number `since` to `until`, both included (S-19, S-24).

        None: the server lacks the operation or does not keep these events any more.
        """
        ...

    def search(self, subscription: str, since: Millis | None) -> None:
        """Receive anew what the subscription is about, as far as it changed since then, with an overlap.

        Returns when the outcomes of all of it are committed. `subscription` "": of every one of the source. `since` None:
        from its beginning.
        """
        ...

    def status(self, subscription: str) -> None:
        """It was silent for too long: ask `$status`, and bring it back where it is off or in error (S-03, S-17)."""
        ...
