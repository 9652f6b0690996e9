"""A decision about consent in the ledger's own words: one that could never mean anything is refused before it is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches

from gateway.model.authorization import faults
from gateway.model.consent import ANY, ChannelKind, ConsentKind, Purpose
from gateway.model.errors import CommandError
from gateway.model.when import Millis, to_datetime
from gateway.pipeline.inspect.parts import Inspectable


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What somebody decided, for what scope and how long (Millis; None: from now, without an end), and how we know.

    `text_version`, `language`: of the words they agreed to. `elements`: of an authorization (`model.authorization`).
    `address`: the only one it is about, instead of all the person has.
    """

    permit: bool
    purpose: str = ANY
    channel: str = ANY
    topic: str = ANY
    valid_from: Millis | None = None
    valid_until: Millis | None = None
    evidence: str
    kind: ConsentKind = ConsentKind.MESSAGES
    text_version: str | None = None
    language: str | None = None
    elements: Mapping[str, str] = field(default_factory=dict, repr=False)
    address: str | None = field(default=None, repr=False)

    @property
    def scope(self) -> tuple[str, str, str]:
        """Purpose, channel, topic."""
        return self.purpose, self.channel, self.topic


def check(gateway: Inspectable, decision: Decision, now: Millis) -> None:
    """Raises CommandError for words the ledger does not know, or what is missing; quotes none of them."""
    _known_word("purpose", decision.purpose, Purpose)
    _known_word("channel", decision.channel, ChannelKind)
    _known_word("topic", decision.topic, topics(gateway))
    if not decision.evidence.strip():
        raise CommandError("evidence is missing: say how we know (form, text version, call reference)")
    _whole(decision, to_datetime(now, "UTC").date())


def _whole(decision: Decision, today: date) -> None:
    """Raises CommandError for a yes that lacks what the law wants of its kind, naming what is missing, quoting nothing."""
    kind, permit = decision.kind, decision.permit
    if decision.elements and not (permit and kind is ConsentKind.AUTHORIZATION):
        raise CommandError("only a permit of kind authorization has elements")
    if kind is ConsentKind.TEXTS and decision.channel not in (ANY, ChannelKind.SMS):
        raise CommandError("consent of kind texts is about the channel sms")
    if kind is ConsentKind.OPEN_EMAIL and decision.channel not in (ANY, ChannelKind.EMAIL):
        raise CommandError("consent of kind open-email is about the channel email")
    if kind is ConsentKind.ALTERNATIVE and decision.channel == ANY and decision.address is None:
        raise CommandError("an alternative names the channel or the address that is asked for instead (164.522(b))")
    if not permit:
        return
    written = kind is ConsentKind.TEXTS and decision.purpose == Purpose.HMARKT  # 47 CFR 64.1200(f)(9)
    if (written or kind in (ConsentKind.OPEN_EMAIL, ConsentKind.AUTHORIZATION)) and not decision.text_version:
        raise CommandError(f"a permit of kind {kind} needs the version of the text that was agreed to (text_version)")
    if kind is ConsentKind.AUTHORIZATION:
        if decision.purpose != Purpose.HMARKT:
            raise CommandError("an authorization names the purpose HMARKT: no other is understood here")
        if wrong := faults(decision.elements, today):
            raise CommandError(f"the authorization is not complete (45 CFR 164.508(c)): {', '.join(wrong)}")


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
