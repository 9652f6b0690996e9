"""A random life of one patient as what the feed tells, when it arrives, and what each telling makes true."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from gateway.model.when import DAY, HOUR, MINUTE, Millis, to_datetime, to_millis
from tests.scenarios import messages
from tests.scenarios.messages import Person
from tests.scenarios.site import ZONE

SPAN = 20
"""Days a world lasts."""
_OPENS, _CLOSES = 9 * 60, 17 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One message of the feed. `stamp`: its own time; the rest: what is true once it was taken (see `truth`)."""

    at: Millis
    stamp: Millis
    body: bytes
    life: int
    visit: str | None = None
    slot: str | None = None  # of a visit: when it is; None: cancelled
    dead: bool = False
    gone: str | None = None  # an address that is theirs no more
    into: int | None = None  # merged into that life


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a person says, or a clerk for them, at an instant: STOP, C, X, or an opt-out of mail."""

    at: Millis
    life: int
    word: str


@dataclass(slots=True, kw_only=True)
class Life:
    """One patient: who they are, what is told and said."""

    number: int
    person: Person
    told: list[Told] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    slots: list[str] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)


class Calendar:
    """Hands out starts, each minute once, so that the words of a message name its visit."""

    def __init__(self, begin: Millis, chance: random.Random) -> None:
        self.begin, self._chance, self._taken = begin, chance, set[datetime]()
        self._day: date = to_datetime(begin, ZONE).date()

    def start(self, *, earliest: int = 2, odd: bool = False) -> datetime:
        """The clinic's wall time of a visit some days ahead; `odd`: in the hours that a clock change moves."""
        while True:
            day = self._day + timedelta(days=self._chance.randint(earliest, SPAN - 2))
            minute = self._chance.randint(60, 239) if odd else self._chance.randint(_OPENS, _CLOSES)
            found = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute)
            if found not in self._taken:
                self._taken.add(found)
                return found


def slot(start: datetime) -> str:
    """How the templates write a start."""
    clock = f"{start.hour % 12 or 12}:{start:%M} {'AM' if start.hour < 12 else 'PM'}"
    return f"{start:%B} {start.day}, {start.year} {clock}"


def instant(start: datetime) -> Millis:
    """The clinic's wall time as an instant."""
    return to_millis(start.replace(tzinfo=ZoneInfo(ZONE)))


class Teller:
    """Makes lives, each message with a control id of its own."""

    def __init__(self, begin: Millis, chance: random.Random, *, calm: bool) -> None:
        self.calendar, self._begin, self._chance, self._calm = Calendar(begin, chance), begin, chance, calm
        self._controls = count(1)

    def life(self, number: int, earlier: list[Life]) -> Life:
        """A patient whose life may touch an earlier one's (a shared telephone, a merge)."""
        chance = self._chance
        born = "20180101" if chance.random() < 0.04 else "19700101"
        person = Person(
            mrn=f"M{number:06d}", phone=f"872555{number:04d}", email=f"p{number}@patients.example", born=born
        )
        if born > "2015":
            person.guardian = f"guardian{number}@patients.example"
        elif earlier and chance.random() < 0.03:
            person.phone = chance.choice(earlier).person.phone
        one = Life(number=number, person=person)
        self._visits(one)
        for happens, share in ((self._dies, 0.04), (self._moves, 0.05), (self._says, 0.15)):
            if chance.random() < share:
                happens(one)
        if earlier and chance.random() < 0.04:
            self._merges(one, chance.choice(earlier))
        if not self._calm:
            self._disturb(one)
        return one

    def _visits(self, one: Life) -> None:
        chance = self._chance
        at = self._begin + chance.randrange(8 * DAY)
        name, odd = f"A{one.number:05d}", chance.random() < 0.03
        starts = [self.calendar.start(odd=odd)]
        self._visit(one, "S12", name, at, starts[0])
        draw = chance.random()
        if draw < 0.25:
            starts.append(self.calendar.start())
            at = self._visit(one, "S13", name, at + self._pause(), starts[1])
            one.kinds.add("moved")
            if draw < 0.12:  # and back again
                at = self._visit(one, "S13", name, at + self._pause(), starts[0])
                one.kinds.add("moved back")
        if draw < 0.05 or draw > 0.88:
            at = self._visit(one, "S15", name, at + self._pause(), starts[-1])
            one.kinds.add("cancelled")
            if draw > 0.97:
                self._visit(one, "S12", name, at + self._pause(), starts[-1])
                one.kinds.add("booked again")

    def _pause(self) -> Millis:
        return self._chance.choice((10 * MINUTE, 5 * HOUR, DAY, 3 * DAY)) + self._chance.randrange(MINUTE)

    def _visit(self, one: Life, trigger: str, name: str, at: Millis, start: datetime) -> Millis:
        body = messages.visit(trigger, one.person, control=self._control(), at=at, name=name, start=start)
        shown = None if trigger == "S15" else slot(start)
        one.told.append(Told(at=at, stamp=at // 1000, body=body, life=one.number, visit=name, slot=shown))
        if shown is not None and shown not in one.slots:
            one.slots.append(shown)
        return at

    def _control(self) -> str:
        return f"C{next(self._controls):07d}"

    def _about(self, one: Life, trigger: str, at: Millis, **true: object) -> None:
        loser = str(true.pop("loser")) if "loser" in true else None
        body = messages.told(trigger, one.person, control=self._control(), at=at, loser=loser)
        one.told.append(Told(at=at, stamp=at // 1000, body=body, life=one.number, **true))  # type: ignore[arg-type]

    def _later(self, one: Life) -> Millis:
        return max(told.at for told in one.told) + self._pause()

    def _dies(self, one: Life) -> None:
        one.person.dead = True
        self._about(one, "A31", self._later(one), dead=True)
        one.kinds.add("died")

    def _moves(self, one: Life) -> None:
        """Another telephone."""
        if one.person.dead:
            return
        gone, one.person.phone = one.person.phone, f"773555{one.number:04d}"
        self._about(one, "A31", self._later(one), gone="+1" + gone)
        one.kinds.add("number changed")

    def _says(self, one: Life) -> None:
        word = self._chance.choice(("STOP", "C", "X", "no mail", "STOP", "HELP"))
        one.said.append(Said(at=self._begin + self._chance.randrange(SPAN * DAY), life=one.number, word=word))
        one.kinds.add(f"said {word}")

    def _merges(self, one: Life, other: Life) -> None:
        """`one` turns out to be `other`."""
        if other.kinds & {"merged", "died"} or one.person.guardian or other.person.guardian or one.kinds & {"died"}:
            return
        at = max(self._later(one), *(told.at for told in other.told)) + HOUR
        body = messages.told("A40", other.person, control=self._control(), at=at, loser=one.person.mrn)
        one.told.append(Told(at=at, stamp=at // 1000, body=body, life=one.number, into=other.number))
        one.kinds.add("merged")
        other.kinds.add("merged")

    def _disturb(self, one: Life) -> None:
        """Copies, and messages that overtake each other."""
        chance = self._chance
        for told in list(one.told):
            draw = chance.random()
            if draw < 0.08:
                one.told.append(_at(told, told.at + chance.randrange(2 * DAY)))
                one.kinds.add("doubled")
            elif draw < 0.16 and told.visit is not None:
                one.told[one.told.index(told)] = _at(told, told.at + chance.randrange(2 * DAY))
                one.kinds.add("overtaken")


def _at(told: Told, at: Millis) -> Told:
    from dataclasses import replace

    return replace(told, at=at)
