"""A decision about consent in the ledger's own words: one that could never mean anything is refused before it is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from gateway.model.consent import ANY, ChannelKind, Purpose
from gateway.model.errors import CommandError
from gateway.model.when import Millis
from gateway.pipeline.inspect.parts import Inspectable


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What somebody decided, for what scope and how long (Millis; None: from now, without an end), and how we know."""

    permit: bool
    purpose: str = ANY
    channel: str = ANY
    topic: str = ANY
    valid_from: Millis | None = None
    valid_until: Millis | None = None
    evidence: str

    @property
    def scope(self) -> tuple[str, str, str]:
        """Purpose, channel, topic."""
        return self.purpose, self.channel, self.topic


def check(gateway: Inspectable, decision: Decision) -> None:
    """Raises CommandError for words the ledger does not know, or evidence that is missing; quotes none of them."""
    _known_word("purpose", decision.purpose, Purpose)
    _known_word("channel", decision.channel, ChannelKind)
    _known_word("topic", decision.topic, topics(gateway))
    if not decision.evidence.strip():
        raise CommandError("evidence is missing: say how we know (form, text version, call reference)")


def topics(gateway: Inspectable) -> frozenset[str]:
    """Every topic that a rule or the policy speaks of; an entry about another could never mean anything."""
    ruleset = gateway.rules.current().ruleset
    of_rules = {rule.topic for rule in ruleset.rules.values()}
    of_policy = {basis.topic for basis in ruleset.policy.basis} | {cap.topic for cap in ruleset.policy.caps}
    return frozenset((of_rules | of_policy) - {ANY})


def _known_word(what: str, word: str, known: Iterable[str]) -> None:
    words = sorted(known)
    if word != ANY and word not in words:
        close = get_close_matches(word, words, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise CommandError(f"{what} must be one of {', '.join(words)} or {ANY}{hint}")
