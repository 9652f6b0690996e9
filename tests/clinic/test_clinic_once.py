"""What HL7 v2 and FHIR both tell sends one message: whichever comes first, by whatever way, and whoever tells what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle, product
from pathlib import Path

import pytest
from clinic_dsl import Clinic, OpenClinic
from clinic_fhir import SERVER, Resource, Server
from clinic_site import write_rules
from clinic_twice import KINDS, LATER, START, STILL_LATER, VISITS, Twice, rules
from clinic_ways import WAYS, Ways, ways
from test_clinic_orders import NEWS

from gateway.model.event import Format, RawMessage
from gateway.model.when import HOUR, SECOND
from gateway.pipeline import inspect

ORDERS = ("hl7 first", "fhir first")
CHANGES = ("hl7 moves", "fhir moves", "both move", "hl7 ends", "fhir ends")
_STEPS = {"appointment": 2}  # a week and a day ahead; of the others there is one message
_NEVER_JOINED = {
    "result"
}  # no two systems number a test alike: OBR-3 with OBR-4 is more than an identifier of a report


@pytest.fixture
def both(open_clinic: OpenClinic, tmp_path: Path) -> Iterator[Ways]:
    """A clinic that hears HL7 v2 and one FHIR server, which names its numbers as HL7 v2 does."""
    folder = write_rules(tmp_path / "own", rules(), templates={"news": NEWS})
    feeds = SERVER.replace("systems: {", f"systems: {{'{VISITS}': LAKESIDE, ")
    with ways(Server(open_clinic(feeds=feeds, rules=folder))) as found:
        yield found


class Life:
    """One patient, of whom both feeds tell one thing. `joined`: under one number."""

    def __init__(self, both: Ways, kind: str, name: str, way: str, *, joined: bool) -> None:
        self._both, self.way, self.joined = both, way, joined and kind not in _NEVER_JOINED
        self.clinic: Clinic = both.server.clinic
        self.name, self.steps = name, _STEPS.get(kind, 1)
        self.clinic.enrols(name)
        both.comes(both.server.patient(name), way)
        self._twice = Twice(both.server, kind, name, self.clinic.clock.now() - 2 * HOUR)

    def hl7(self, change: str = "", start: str = START) -> None:
        """HL7 v2 tells it."""
        self.clinic.hears(self._twice.hl7(f"N{self.name}", change, start))

    def fhir(self, change: str = "", start: str = START) -> None:
        """FHIR tells it, by this life's way."""
        self.clinic.clock.set(self.clinic.clock.now() + SECOND)
        self._both.comes(self._resource(change, start), self.way)

    def together(self) -> None:
        """One batch holds both."""
        now = self.clinic.clock.now()
        told = Server.body(self._resource("", START))
        raw = [
            RawMessage(source="ehr", format=Format.HL7V2, body=self._twice.hl7(f"N{self.name}"), received=now),
            RawMessage(source="fhir", format=Format.FHIR, body=told, received=now),
        ]
        self.clinic.gateway.receiver.receive(raw)
        self.clinic.answers_doorbells()

    def begins(self, order: str) -> None:
        """Both tell it."""
        tells: dict[str, tuple[Callable[[], None], ...]] = {
            "hl7 first": (self.hl7, self.fhir),
            "fhir first": (self.fhir, self.hl7),
            "together": (self.together,),
        }
        for tell in tells[order]:
            tell()

    def goes_on(self, change: str) -> None:
        """One of them, or both, tell what changed."""
        self.clinic.passes("1m")
        if change in ("hl7 moves", "both move"):
            self.hl7("moved", LATER)
        if change in ("fhir moves", "both move"):
            self.fhir("moved", STILL_LATER if change == "both move" else LATER)
        if change.endswith("ends"):
            (self.hl7 if change.startswith("hl7") else self.fhir)("ended")

    @property
    def held(self) -> list[int]:
        """What waits for a person who says whether it is the same."""
        return [one.id for one in self.clinic.requests(self.name) if one.reason == "possible-duplicate"]

    @property
    def mails(self) -> int:
        """How many arrived."""
        return len(self.clinic.mailbox(self.name))

    def _resource(self, change: str, start: str) -> Resource:
        return self._twice.fhir(f"N{self.name}" if self.joined else None, change, start)


@pytest.mark.parametrize("kind", KINDS)
def test_what_both_tell_is_sent_once_and_a_person_says_when_they_are_two(both: Ways, kind: str) -> None:
    """Issue 6, 3: by every way and in every order; numbers that do not join hold the second, never send it."""
    table = [*product(ORDERS, WAYS, (True, False)), *product(["together"], ["told"], (True, False))]
    lives = []
    for number, (order, way, joined) in enumerate(table):
        life = Life(both, kind, f"P{number:02d}", way, joined=joined)
        life.begins(order)
        assert len(life.held) == (0 if life.joined else life.steps), (order, way, joined)
        lives.append((life, order, way, number % 4 < 2))
    gateway = both.server.clinic.gateway
    for life, *_, two in lives:
        for request in life.held:
            settle = inspect.release_request if two else inspect.withdraw_request
            settle(gateway, request, reason="asked", account="test")
    both.server.clinic.passes("30d")
    sent = {(order, way, life.joined, two): life.mails // life.steps for life, order, way, two in lives}
    assert sent == {key: 2 if key[3] and not key[2] else 1 for key in sent}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_one_feed_tells_later_never_makes_two_of_it(both: Ways, kind: str) -> None:
    """What its own feed moves moves, what it ends ends; what the other one tells otherwise waits for a person."""
    way, lives = cycle(WAYS), []
    for number, (order, joined, change) in enumerate(product(ORDERS, (True, False), CHANGES)):
        life = Life(both, kind, f"P{number:02d}", next(way), joined=joined)
        life.begins(order)
        life.goes_on(change)
        lives.append((life, order, joined, change))
    both.server.clinic.passes("40d")
    sent = {(order, joined, change): life.mails for life, order, joined, change in lives}
    assert sent == {
        (order, joined, change): life.steps * _leaves(kind, order, change, joined=life.joined)
        for life, order, joined, change in lives
    }


def _leaves(kind: str, order: str, change: str, *, joined: bool) -> bool:
    """Whether it is sent by itself. `order`: whoever came first owns it."""
    who, what = change.split()
    own = who == order.split(maxsplit=1)[0]
    if what == "ends":
        return False
    if kind == "result":  # what was corrected before it was told is not told; the other's is still to be judged
        return who != "both" and not own
    if kind != "appointment":
        return True
    if who == "both":  # the owner's word is the last, or was contradicted after it
        return not joined or order == "fhir first"
    return own
