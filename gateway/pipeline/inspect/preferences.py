"""What a person chose, purpose by purpose, channel by channel and topic by topic, as the ledger stands: asked as the gate asks it."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.audit import Action
from gateway.model.consent import ChannelKind, Purpose
from gateway.model.party import Identifier
from gateway.pipeline.directory import Directory
from gateway.pipeline.inspect.decisions import topics
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.trace import find_patient
from gateway.pipeline.preferences import Asking
from gateway.policy.consents import Standing

_SAID = {Standing.PERMITTED: "yes", Standing.DENIED: "no", Standing.SILENT: "not told"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceLine:
    """One purpose × channel × topic. `stands`: "yes" (all that the law wants is on file), "no", "not told"."""

    purpose: str
    channel: str
    topic: str
    stands: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """What somebody chose. `language`: as a feed or they themselves told it, or None."""

    language: str | None
    lines: tuple[PreferenceLine, ...]


def preferences(gateway: Inspectable, who: Identifier, *, reason: str, account: str) -> Preferences:
    """What the ledger says of every topic that rules speak of, to the address that would be written to now.

    The look is audited. Raises Unknown, a CommandError; KeyringError of somebody whose addresses nobody can open.
    """
    active = gateway.rules.current()
    with gateway.store.begin(account) as uow:
        token = find_patient(uow, gateway, who)
        directory = Directory(uow, gateway.store.keyring, active.ruleset.policy)
        directory.load_tokens([token])
        patient = directory.root(token)
        asking = Asking(uow, directory, gateway.site, gateway.channels, active, patient)
        lines = tuple(
            PreferenceLine(
                purpose=purpose, channel=channel, topic=topic, stands=_SAID[asking.stands(purpose, channel, topic)]
            )
            for topic in sorted(topics(gateway))
            for channel in ChannelKind
            for purpose in Purpose
        )
        uow.audit([(Action.CONTENT_READ, "preferences", reason)], patients=directory.family(patient.token))
        uow.commit()
    return Preferences(language=patient.language, lines=lines)
