"""One world: some hundred lives played against one or two processes over twenty days, while everything fails."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import ExitStack, suppress

from gateway.model.comingback import Reply
from gateway.model.consent import ChannelKind
from gateway.model.errors import CommandError
from gateway.model.event import AckCode, Format, RawMessage
from gateway.model.party import Identifier
from gateway.model.when import DAY, HOUR, MINUTE, SECOND, Millis
from gateway.pipeline import brakes, inspect
from gateway.pipeline.brakes import Scope, Stop
from gateway.ports import SetClock
from gateway.settings import Settings
from gateway.store import seal
from gateway.store.keyring import Keyring
from tests.scenarios.crew import Crew
from tests.scenarios.databases import Database
from tests.scenarios.failing import Fates, watched
from tests.scenarios.house import House
from tests.scenarios.lives import SPAN, Life, Said, Teller, Told
from tests.scenarios.plans import BEGINS, Plan
from tests.scenarios.provider import Provider
from tests.scenarios.site import AUTHORITY, OWN_NUMBER
from tests.scenarios.truth import Truth
from tests.scenarios.verdict import Judge

_TICK: Millis = 4 * HOUR
_BATCH = 32


class World:
    """Play it with `run`; then `judge` knows what held."""

    def __init__(self, plan: Plan, settings: Settings, keyring: Keyring, database: Database) -> None:
        self.plan, self._database = plan, database
        self.chance = random.Random(f"world {plan.seed}")
        begin = BEGINS[plan.seed % 2]
        self.clock = SetClock(begin)
        self.begin = begin
        self.fates = Fates(random.Random(f"fates {plan.seed}"), plan.rate)
        self.provider = Provider(self.clock, self.fates)
        self.provider.pause = self._pauses
        self.lives = self._lives()
        self.truth = Truth(self.lives)
        self.judge = Judge(self)
        self.provider.leaves = self.judge.leaves
        told = sorted((one for life in self.lives for one in life.told), key=lambda one: one.at)
        self.waiting, self.done = told, list[Told]()  # done: so that a restored gateway can be told again
        self.said = sorted((one for life in self.lives for one in life.said), key=lambda one: one.at)
        self.crew = Crew(settings, keyring, database, self.clock, self.provider, self.chance, threads=plan.threads)
        self._guarded: set[int] = set()
        self._replies = 0

    def _lives(self) -> list[Life]:
        teller, lives = Teller(self.begin, self.chance, calm=self.plan.rate == 0), list[Life]()
        for number in range(self.plan.patients):
            lives.append(teller.life(number, lives))
        return lives

    # -- the course of it

    def run(self) -> Judge:
        """Twenty days and three more, then everything is made to end, and judged."""
        with watched(self.fates), ExitStack() as stack:
            stack.callback(self.crew.close)
            self.crew.open(2 if self.plan.rate else 1)
            acts = self._acts()
            for tick in range((SPAN + 3) * DAY // _TICK):
                self.clock.set(self.begin + tick * _TICK)
                for act in acts.get(tick, ()):
                    act()
                self._lives_on()
                self._jumps()
                self._seals()
            self.fates.rate = 0
            self._ends()
            self.judge.ends()
        return self.judge

    def _acts(self) -> dict[int, list[Callable[[], None]]]:
        """Tick → what a person does to the gateway then: brakes, backup and restore."""
        acts: dict[int, list[Callable[[], None]]] = {}
        if self.plan.rate and self.chance.random() < 0.5:
            stop = self.chance.choice(
                (Stop(scope=Scope.EVERYTHING), Stop(scope=Scope.CHANNEL, value="sms"), Stop(scope=Scope.RULE, value="soon"))
            )  # fmt: skip
            on = self.chance.randrange(20, 80)
            acts.setdefault(on, []).append(lambda: self._stops(stop))
            acts.setdefault(on + self.chance.randrange(1, 9), []).append(lambda: self._resumes(stop))
        if self.plan.restores:
            kept = self.chance.randrange(10, 60)
            lost = kept + self.chance.randrange(1, 12)
            acts.setdefault(kept, []).append(self._backs_up)
            acts.setdefault(lost, []).append(self._restores)
            acts.setdefault(lost + self.chance.randrange(1, 4), []).append(self._releases)
        return acts

    def _lives_on(self) -> None:
        """One tick: what is told and said by now, what falls due, what comes back."""
        now = self.clock.now()
        self._hears([one for one in self.waiting if one.at <= now])
        self.waiting = [one for one in self.waiting if one.at > now]
        self._receipts()
        said, self.said = [one for one in self.said if one.at <= now], [one for one in self.said if one.at > now]
        for one in said:
            self._says(one)
        self.crew.delivers()
        self.crew.lived(lambda house: house.doubts.once())
        self.crew.delivers()

    def _jumps(self) -> None:
        """The clock is an hour off, or days ahead, for as long as it takes somebody to see it."""
        if not self.fates.happens(0.02, "clock jumped"):
            return
        self.clock.set(self.clock.now() + self.chance.choice((-HOUR, HOUR, 5 * MINUTE, 2 * DAY, -3 * DAY)))
        self.crew.delivers()

    def _seals(self) -> None:
        """As every few seconds: the heads outside know of what a restore will not."""
        if self.plan.restores:
            seal.seal(self.crew.houses[0].gateway.store, heads_file=self._database.heads)

    def _ends(self) -> None:
        """Whatever still waits for time alone gets it."""
        for _ in range(3):
            self.clock.set(max(self.clock.now(), self.begin + (SPAN + 3) * DAY) + DAY)
            self.crew.delivers()

    # -- what comes in

    def _hears(self, due: list[Told]) -> None:
        for at in range(0, len(due), _BATCH):
            batch = due[at : at + _BATCH]
            raw = [
                RawMessage(source="ehr", format=Format.HL7V2, body=one.body, received=self.clock.now()) for one in batch
            ]
            while not self.crew.lived(lambda house, raw=raw, batch=batch: self._heard(house, raw, batch)):  # type: ignore[misc]
                self.fates.note("batch told again")

    def _heard(self, house: House, raw: list[RawMessage], batch: list[Told]) -> None:
        outcomes = house.gateway.receiver.receive(raw)
        for one, outcome in zip(batch, outcomes, strict=True):
            self.judge.outcomes[outcome.result.value] += 1
            if outcome.ack is AckCode.AA:
                self.truth.took(one)
                self.done.append(one)
        self.fates.here.mortal = False  # what follows is the clerk's
        for one in batch:
            life = self.lives[one.life]
            if life.person.guardian and one.life not in self._guarded:
                self._guarded.add(one.life)
                inspect.representatives.add(
                    house.gateway, self._identifier(life), name="A Guardian", addresses=[life.person.guardian],
                    role="parent", evidence="form 9", account="os:clerk",
                )  # fmt: skip

    def _identifier(self, life: Life) -> Identifier:
        return Identifier(system=AUTHORITY, type="MR", value=life.person.mrn)

    def _receipts(self) -> None:
        for receipt, to in self.provider.due():
            known = list[bool]()
            while not self.crew.lived(lambda house, one=receipt, known=known: known.append(house.settler.receipt(one))):  # type: ignore[misc]
                self.fates.note("receipt told again")
            if known[-1] and (receipt.address_bad or receipt.status == "complained"):
                self.truth.stopped.add((receipt.channel.value, to))
            self.fates.counts["receipts"] += 1

    def _says(self, one: Said) -> None:
        life = self.lives[one.life]
        if one.word == "no mail":
            with suppress(CommandError):  # of whom nothing was told yet
                inspect.consent_add(
                    self.crew.houses[0].gateway, self._identifier(life), permit=False, purpose="*", channel="email",
                    evidence="call 77", account="os:clerk",
                )  # fmt: skip
                self.truth.no_mail.add(one.life)
            return
        sender, self._replies = "+1" + life.person.phone, self._replies + 1
        reply = Reply(channel=ChannelKind.SMS, event=f"r{self._replies}", at=self.clock.now(), sender=sender,
                      to=OWN_NUMBER, text=one.word)  # fmt: skip
        self.provider.heard.append(reply)
        for _ in range(2 if self.fates.happens(0.4, "reply doubled") else 1):
            while not self.crew.lived(lambda house: house.settler.reply(reply)):
                self.fates.note("reply told again")
        if one.word == "STOP":
            self.truth.stopped.add(("sms", sender))
            self.provider.opted_out.append(sender)

    # -- what people do to the gateway

    def _pauses(self) -> None:
        """One process stood still past its lease, between acceptance and settling; another worked on."""
        if self.plan.threads:
            return
        self.clock.set(self.clock.now() + 4 * MINUTE)
        here = self.fates.here
        here.mortal = False
        for house in self.crew.houses:
            house.dispatcher._swept = 0
            house.dispatcher.once()
            self.clock.set(self.clock.now() + 61 * SECOND)
            house.doubts.once()
        here.mortal, here.sent = True, True

    def _stops(self, stop: Stop) -> None:
        brakes.stop(self.crew.houses[0].gateway.store, stop, why="drill", account="os:clerk")
        self.truth.brakes.add(stop.value or "everything")
        self.fates.note("stopped by hand")

    def _resumes(self, stop: Stop) -> None:
        gateway = self.crew.houses[0].gateway
        with suppress(CommandError):  # a restore stopped everything too
            brakes.resume(gateway.store, gateway.site, stop, why="drill over", account="os:clerk")
            self.truth.brakes.discard(stop.value or "everything")

    def _backs_up(self) -> None:
        self._database.backs_up(self)
        self._kept = (self.truth.copy(), len(self.done))

    def _restores(self) -> None:
        entered = self.truth.entered
        self.crew.close()
        self._database.restores(self)
        self.fates.note("restored")
        truth, count = self._kept
        self.truth = truth
        truth.entered = entered
        truth.stopped |= {("sms", one) for one in self.provider.opted_out}
        truth.brakes.add("everything")
        self.crew.open(2)
        if self.chance.random() < 0.7:
            self.fates.note("told again since the backup")
            self.waiting = self.done[count:] + self.waiting
        else:
            self.fates.note("lost since the backup")
        del self.done[count:]

    def _releases(self) -> None:
        self._database.releases(self)
        self.truth.brakes.discard("everything")
