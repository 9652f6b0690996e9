"""What a person wants to hear about, by which channel, when and in which language: written into the ledger, as they chose it.

A no always counts. A yes permits what it names and lifts a no of the very same scope; STOP at a number, a restriction or a
call stand whatever is chosen here (the stricter wins).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.model.audit import Action
from gateway.model.consent import ANY, ChannelKind, ConsentKind, Purpose
from gateway.model.request import RequestKind
from gateway.pipeline import ledger
from gateway.pipeline.brakes import About
from gateway.pipeline.directory import Directory
from gateway.pipeline.personal import LANGUAGE, QUIET, own_quiet
from gateway.pipeline.rows import ContactRow, PatientRow, RequestRow
from gateway.pipeline.rules import Active
from gateway.pipeline.site import Site
from gateway.pipeline.weighing import preferred, usable, weigh_built_in
from gateway.policy import consents
from gateway.policy.circumstances import Circumstances
from gateway.ports import Channel
from gateway.store.uow import UnitOfWork

TEXT_VERSION = "portal-preferences-1"
"""Of the words of gateway/api/portal that a person agrees to; change it with them."""
ONE_CLICK_VERSION = "one-click-1"
Scope = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One topic by one channel. `on`: the ledger permits it, in every kind it wants. `may`: it can be switched on here."""

    topic: str
    channel: ChannelKind
    on: bool
    may: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """All a person can choose. `quiet`: minutes of the local day from and until, None: the site's own hours.

    `marketing`: topics that need a signed authorization, so that they can only be switched off here.
    """

    choices: tuple[Choice, ...]
    languages: tuple[str, ...]
    language: str | None
    quiet: tuple[int, int] | None = field(repr=False)
    marketing: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a person chose: the (topic, channel) pairs that shall be on, and the rest."""

    on: frozenset[tuple[str, str]]
    language: str | None
    quiet: tuple[int, int] | None = field(repr=False)


def chosen(
    uow: UnitOfWork,
    directory: Directory,
    site: Site,
    channels: Mapping[ChannelKind, Channel],
    rules: Active,
    patient: PatientRow,
) -> Chosen:
    """As things stand now: topics of the rules in force, channels this site runs. Raises StoreError, KeyringError."""
    purposes = _topics(rules)
    marketing = frozenset(topic for topic, some in purposes.items() if some == {Purpose.HMARKT})
    kinds = [one for one in ChannelKind if one in channels]
    asking = Asking(uow, directory, site, channels, rules, patient)
    choices = [
        Choice(
            topic=topic,
            channel=channel,
            on=asking.is_on(some, channel, topic),
            may=topic not in marketing and asking.reaches(channel),
        )
        for topic, some in purposes.items()
        for channel in kinds
    ]
    person = directory.person(patient)
    return Chosen(
        choices=tuple(choices),
        languages=rules.ruleset.policy.languages,
        language=person.get(LANGUAGE) or patient.language,
        quiet=own_quiet(person),
        marketing=marketing,
    )


def choose(
    uow: UnitOfWork,
    directory: Directory,
    site: Site,
    channels: Mapping[ChannelKind, Channel],
    rules: Active,
    patient: PatientRow,
    wanted: Wanted,
    *,
    language: str,
) -> Chosen:
    """Write what changed, and nothing else; the choices as they stand then. Audited.

    `language`: of the words the person read. `patient` is locked. Raises StoreError, KeyringError.
    """
    before = chosen(uow, directory, site, channels, rules, patient)
    numbers = sorted({one.address for one in usable(directory.contacts(patient), ChannelKind.SMS, uow.now)})
    for one in before.choices:
        on = (one.topic, one.channel.value) in wanted.on
        if on != one.on and (one.may or not on):
            scope = (ANY, one.channel.value, one.topic)
            say(
                uow, patient, permit=on, scope=scope, evidence="preferences in the portal", language=language,
                numbers=numbers,
            )  # fmt: skip
    _personal(directory, patient, before, wanted)
    return chosen(uow, directory, site, channels, rules, patient)


def say(
    uow: UnitOfWork,
    patient: PatientRow,
    *,
    permit: bool,
    scope: Scope,
    evidence: str,
    text_version: str = TEXT_VERSION,
    language: str | None = None,
    numbers: Sequence[int] = (),
) -> None:
    """Append what a person said about themselves; by text it is a consent of its own kind as well (CN-08). Audited."""
    own = ledger.Entry(
        patient=patient.token, address=None, scope=scope, permit=permit, evidence=evidence, recorded_by="the patient",
        text_version=text_version, language=language,
    )  # fmt: skip
    entries = [own]
    if scope[1] == ChannelKind.SMS:
        texts = replace(own, kind=ConsentKind.TEXTS)
        # a permit is for the numbers the person has now, and for no later one (CN-08, PH-02)
        entries += [texts, *(replace(texts, address=one) for one in numbers)] if permit else [texts]
    ledger.append(uow, entries, patients=[patient.token])


def _personal(directory: Directory, patient: PatientRow, before: Chosen, wanted: Wanted) -> None:
    person = directory.person(patient)
    changed = []
    if wanted.language in before.languages and wanted.language != before.language:
        assert wanted.language is not None
        person[LANGUAGE] = patient.language = wanted.language
        changed.append("language")
    if wanted.quiet != before.quiet:
        person.pop(QUIET, None)
        if wanted.quiet is not None:
            person[QUIET] = f"{wanted.quiet[0]}-{wanted.quiet[1]}"
        changed.append("hours")
    if changed:
        patient.dirty = True
        directory.uow.audit([(Action.PATIENT_CHANGED, patient.token, *changed)], patients=[patient.token])
        directory.flush()


def _topics(rules: Active) -> dict[str, set[Purpose]]:
    found: dict[str, set[Purpose]] = {}
    for _, rule in sorted(rules.ruleset.rules.items()):
        found.setdefault(rule.topic, set()).add(rule.purpose)
    return dict(sorted(found.items()))


class Asking:
    """Asks the ledger as a send of this kind would. Raises StoreError, KeyringError."""

    def __init__(
        self,
        uow: UnitOfWork,
        directory: Directory,
        site: Site,
        channels: Mapping[ChannelKind, Channel],
        rules: Active,
        patient: PatientRow,
    ) -> None:
        self.uow = uow
        self.directory = directory
        self.site = site
        self.channels = channels
        self.rules = rules
        self.patient = patient
        self._known: dict[tuple[Purpose, ChannelKind], Circumstances] = {}

    def reaches(self, channel: ChannelKind) -> bool:
        """Whether there is an address for it; the portal is reached by its notices."""
        return channel is ChannelKind.PORTAL or self._contact(channel) is not None

    def is_on(self, purposes: Iterable[Purpose], channel: ChannelKind, topic: str) -> bool:
        """Whether any message about the topic may go by the channel, as far as the ledger is concerned."""
        return any(self.stands(one, channel, topic) is consents.Standing.PERMITTED for one in purposes)

    def stands(self, purpose: Purpose, channel: ChannelKind, topic: str) -> consents.Standing:
        """What the ledger's entries amount to for a message to the address that would be written to now."""
        known = self._known.get((purpose, channel))
        if known is None:
            known = self._known[purpose, channel] = self._question(purpose, channel)
        return consents.amount(replace(known, topic=topic))

    def _question(self, purpose: Purpose, channel: ChannelKind) -> Circumstances:
        contact = self._contact(channel)
        now, whose = self.uow.now, self.patient.token
        row = RequestRow(
            0,
            RequestKind.RULE,
            whose,
            None,
            None,
            "",
            self.rules.id,
            "",
            0,
            b"",
            whose,
            0,
            now,
            None,
            "active",
            None,
            now,
        )
        weighing = weigh_built_in(
            self.uow, self.directory, self.site, self.channels, self.rules,
            request=row, patient=self.patient, channel=channel, address=contact.address if contact else 0,
            purpose=purpose, topic=ANY, template_digest="", about=About(None, None, None),
        )  # fmt: skip
        return replace(weighing.circumstances, paid=False)  # whether a message is paid for, its rule says

    def _contact(self, channel: ChannelKind) -> ContactRow | None:
        return preferred(self.directory, self.patient, channel, self.uow.now)
