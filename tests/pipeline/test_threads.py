"""The threads that must not end: whatever one round meets, the next one is made."""

from __future__ import annotations

import threading

from gateway.pipeline.dispatch import Dispatcher
from gateway.ruleset.index import RuleSet
from gateway.store.engine import Store


class _Stumbling(Dispatcher):
    """Its first round fails as nothing of ours should; the second tells that it was made."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, lambda _ids: None, rules=RuleSet, every=0.01)
        self.rounds = 0
        self.again = threading.Event()

    def once(self) -> int:
        self.rounds += 1
        if self.rounds == 1:
            raise ZeroDivisionError
        self.again.set()
        return 0


def test_a_round_that_fails_for_a_fault_of_ours_is_followed_by_another(store: Store) -> None:
    """Law 4: a dispatcher that ended in silence would leave everything unsent while the gateway looks well."""
    dispatcher = _Stumbling(store)
    dispatcher.start()
    assert dispatcher.again.wait(5)
    dispatcher.stop()
