"""Where channels tell what came back: committed before the other side hears 2xx, the same told twice changes nothing (law 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from gateway import telemetry
from gateway.model.comingback import Receipt, Reply, ReplyMeaning
from gateway.model.errors import Conflict
from gateway.pipeline import answers, receipts, replies
from gateway.pipeline.directory import Directory
from gateway.pipeline.rules import ActiveRules, Superseded
from gateway.pipeline.site import Site
from gateway.store.engine import Store

_TRIES = 5
T = TypeVar("T")
ACTOR = "channel"


class Settler:
    """`ports.Inbox` over the database. Thread-safe: every call is a unit of work of its own."""

    def __init__(
        self,
        *,
        store: Store,
        site: Site,
        rules: ActiveRules,
        ring: Callable[[Sequence[int]], None] = lambda _ids: None,
        meaning: Callable[[str], ReplyMeaning] = lambda _text: ReplyMeaning.FREE_TEXT,
    ) -> None:
        self._store = store
        self._site = site
        self._rules = rules
        self._ring = ring
        self._meaning = meaning

    def receipt(self, receipt: Receipt) -> bool:
        """Record one receipt; False when it belongs to no message of ours (EM-25). Raises StoreError."""
        return _persistently(lambda: self._receipt(receipt))

    def _receipt(self, receipt: Receipt) -> bool:
        with self._store.begin(ACTOR) as uow:
            rings = receipts.record(uow, receipt)
            if rings is None:
                telemetry.log().info("receipt.not-ours", channel=receipt.channel, status=receipt.status)
                return False
            uow.commit()
        if rings:
            self._ring([rings])
        return True

    def reply(self, reply: Reply) -> None:
        """Record and act on what a person wrote. Raises StoreError."""
        try:
            _persistently(lambda: self._reply(reply))
        except Superseded:
            self._rules.renew()
            _persistently(lambda: self._reply(reply))

    def _reply(self, reply: Reply) -> None:
        meaning = self._meaning(reply.text)  # before the lock: whoever writes decides how long it takes
        with self._store.begin(ACTOR) as uow:
            rules = self._rules.current()
            self._rules.confirm(uow, rules)
            directory = Directory(uow, self._store.keyring, rules.ruleset.policy)
            answer = partial(answers.apply, uow, directory, self._site, rules)
            heard = replies.record(uow, directory, reply, meaning, answer)
            if heard is None:
                return
            uow.commit()
        telemetry.log().info("reply.heard", channel=reply.channel, meaning=heard.meaning)
        if heard.rings:
            self._ring(heard.rings)


def _persistently(act: Callable[[], T]) -> T:
    """Once more when the same was told at the same time, or a message brought the same new address at this moment."""
    for _ in range(_TRIES - 1):
        with suppress(Conflict):
            return act()
    return act()
