"""What the portal's pages may do, each a unit of work of its own; whoever is not known there is told nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from gateway import telemetry
from gateway.model.audit import Action
from gateway.model.comingback import ReplyMeaning
from gateway.model.consent import ANY, ChannelKind
from gateway.model.errors import Conflict, KeyringError
from gateway.model.party import Organization
from gateway.pipeline import answering, links, logins, pickups, preferences
from gateway.pipeline.directory import Directory
from gateway.pipeline.links import LinkKind
from gateway.pipeline.pickups import Opened
from gateway.pipeline.preferences import Chosen, Wanted
from gateway.pipeline.rows import PatientRow
from gateway.pipeline.rules import Active, ActiveRules, Superseded
from gateway.pipeline.site import Site
from gateway.ports import Channel, Clock
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.uow import UnitOfWork

ACTOR = "portal"
_TRIES = 5
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an open session shows. `message` None: the link leads to preferences, or the message cannot be read now.

    `leads_to_message`: the link does. `refused`: it cannot be read. `language`: the reader's (BCP 47). `zone`: that times are shown in.
    """

    language: str
    zone: str
    refused: bool = False
    leads_to_message: bool = False
    message: Opened | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Unit:
    """One unit of work with what it needs."""

    uow: UnitOfWork
    directory: Directory
    rules: Active


class Portal:
    """Thread-safe. Every method may raise StoreError: the database is away, and nothing happened."""

    def __init__(
        self,
        *,
        store: Store,
        site: Site,
        rules: ActiveRules,
        channels: Mapping[ChannelKind, Channel],
        ring: Callable[[Sequence[int]], None] = lambda _ids: None,
        meaning: Callable[[str], ReplyMeaning] = lambda _text: ReplyMeaning.FREE_TEXT,
    ) -> None:
        self._store = store
        self._site = site
        self._rules = rules
        self._channels = channels
        self._ring = ring
        self._meaning = meaning

    @property
    def clock(self) -> Clock:
        """Whose time these pages go by."""
        return self._store.clock

    @property
    def organization(self) -> Organization:
        """Whose pages these are."""
        return next(iter(self._site.organizations.values()))

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of the site's templates."""
        return self._rules.current().ruleset.policy.languages

    # -- who is it

    def start(self, token: str) -> str:
        """Follow a link: a session's token, which for a link that leads nowhere is worth nothing."""
        session = self._follow(token, lambda unit: logins.start(unit.uow, unit.directory, token))
        return session or links.fresh_token()

    def birth(self, session: str, told: date | None) -> int | None:
        """Check a birth date (None: none that exists) and have a code sent; what to `ring`, which may take its time."""
        return self._visit(
            session,
            lambda unit: logins.tell_birth(unit.uow, unit.directory, self._site, self._channels, session, told),
        )

    def ring(self, request: int) -> None:
        """Have a code leave at once. Never raises: whoever is not heard is found later."""
        self._ring([request])

    def code(self, session: str, told: str) -> str | None:
        """Check a code: the token of the open session, None when it is not right."""
        return self._visit(session, lambda unit: logins.tell_code(unit.uow, unit.directory, session, told))

    def leave(self, session: str) -> None:
        """Log out."""
        self._visit(session, lambda unit: logins.leave(unit.uow, unit.directory, session))

    # -- what is there

    def see(self, session: str) -> Seen | None:
        """What the session shows now, decided afresh; None when it is not open."""
        return self._visit(session, lambda unit: self._see(unit, session))

    def _see(self, unit: _Unit, session: str) -> Seen | None:
        found = logins.entered(unit.uow, unit.directory, session)
        if found is None:
            return None
        login, patient, link = found
        language, zone = self._language(unit, patient), self._zone(patient)
        if link.kind != LinkKind.PICK_UP:
            unit.uow.audit([(Action.PORTAL_READ, "preferences", login.id)], patients=[patient.token])
            return Seen(language=language, zone=zone)
        message = pickups.pick_up(unit.uow, unit.directory, self._site, patient, link)
        return Seen(language=language, zone=zone, message=message, refused=message is None, leads_to_message=True)

    def reply(self, session: str, meaning: ReplyMeaning, text: str) -> Seen | None:
        """Answer the message the session shows; what it shows then, None when it is not open or nothing can be answered."""
        found = self._visit(session, lambda unit: self._reply(unit, session, meaning, text))
        if found is None:
            return None
        seen, rings = found
        if rings:
            self._ring(rings)
        return seen

    def _reply(
        self, unit: _Unit, session: str, meaning: ReplyMeaning, text: str
    ) -> tuple[Seen, tuple[int, ...]] | None:
        seen = self._see(unit, session)
        found = logins.entered(unit.uow, unit.directory, session)
        if seen is None or seen.message is None or found is None:
            return None
        if meaning is ReplyMeaning.FREE_TEXT and self._meaning(text) is ReplyMeaning.STOP:
            meaning = ReplyMeaning.STOP
        rings = answering.answer(
            unit.uow, unit.directory, self._site, unit.rules, found[1], seen.message, meaning, text
        )
        return None if rings is None else (seen, rings)

    # -- what they want

    def preferences(self, session: str) -> tuple[Seen, Chosen] | None:
        """What can be chosen, and what is chosen now; None when the session is not open."""
        return self._visit(session, lambda unit: self._preferences(unit, session, None))

    def choose(self, session: str, wanted: Wanted) -> tuple[Seen, Chosen] | None:
        """Write what was chosen; as it stands then. None when the session is not open."""
        return self._visit(session, lambda unit: self._preferences(unit, session, wanted))

    def _preferences(self, unit: _Unit, session: str, wanted: Wanted | None) -> tuple[Seen, Chosen] | None:
        found = logins.entered(unit.uow, unit.directory, session)
        if found is None:
            return None
        login, patient, link = found
        about = (unit.uow, unit.directory, self._site, self._channels, unit.rules, patient)
        if wanted is None:
            chosen = preferences.chosen(*about)
        else:
            chosen = preferences.choose(*about, wanted, language=self._language(unit, patient))
        unit.uow.audit([(Action.PORTAL_READ, "preferences", login.id)], patients=[patient.token])
        leads = link.kind == LinkKind.PICK_UP
        return Seen(language=self._language(unit, patient), zone=self._zone(patient), leads_to_message=leads), chosen

    def unsubscribe(self, token: str) -> None:
        """One click (RFC 8058): no more messages about the link's topic by its channel, at once and for good.

        Of a link that is none, or one of another kind, nothing. One that has expired still works: a no always counts.
        """
        self._follow(token, lambda unit: _unsubscribe(unit, token))

    # -- the unit; whoever tells something made up never gets as far as the lock that the feeds write under

    def _follow(self, token: str, act: Callable[[_Unit], T]) -> T | None:
        with self._store.read() as unit:
            known = links.find(unit, token) is not None
        return self._act(act) if known else None

    def _visit(self, session: str, act: Callable[[_Unit], T]) -> T | None:
        with self._store.read() as unit:
            known = logins.is_known(unit, session)
        return self._act(act) if known else None

    def _act(self, act: Callable[[_Unit], T]) -> T | None:
        """Run one unit; once more when somebody else was at the same, and under the rules in force."""
        for _ in range(_TRIES - 1):
            with suppress(Conflict):
                return self._once(act)
        return self._once(act)

    def _once(self, act: Callable[[_Unit], T]) -> T | None:
        rules = self._rules.current()
        try:
            with self._store.begin(ACTOR) as uow:
                self._rules.confirm(uow, rules)
                done = act(_Unit(uow, Directory(uow, self._store.keyring, rules.ruleset.policy), rules))
                if uow.wrote:
                    uow.commit()
                return done
        except Superseded:
            self._rules.renew()
            raise
        except KeyringError as error:  # erased, or sealed by another key file: nobody reads it (law 6)
            telemetry.log().error("portal.unreadable", error=type(error).__name__)
            return None

    def _language(self, unit: _Unit, patient: PatientRow) -> str:
        return patient.language or unit.rules.ruleset.policy.language

    def _zone(self, patient: PatientRow) -> str:
        return patient.zones.split(",")[0] if patient.zones and "," not in patient.zones else self.organization.zone


def _unsubscribe(unit: _Unit, token: str) -> None:
    link = links.find(unit.uow, token)
    if link is None or link.kind != LinkKind.UNSUBSCRIBE or link.ended is not None:
        return
    unit.directory.load_tokens([link.patient])
    patient = unit.directory.root(link.patient)
    scope = (ANY, link.channel or ANY, link.topic or ANY)
    known = unit.uow.lookup(tables.consent, ("evidence",), "patient", [patient.token])
    evidence = f"one click, link {link.id}"
    if (evidence,) in known:  # pressed twice: nothing new
        return
    preferences.say(
        unit.uow, patient, permit=False, scope=scope, evidence=evidence, text_version=preferences.ONE_CLICK_VERSION
    )
