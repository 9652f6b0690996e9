"""Whatever a feed says and people decide, replaying the rules in force tells what the gateway itself did."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from clinic_dsl import Clinic
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from gateway.app.replay.outcome import Message, collected
from gateway.app.replay.play import play
from gateway.model.when import DAY, HOUR, MINUTE, Millis
from gateway.pipeline.inspect import representatives
from gateway.pipeline.ledger import suppress
from gateway.ports import SetClock
from gateway.ruleset.load import read_files
from gateway.store import tables
from gateway.store.keyring import Keyring

PEOPLE = ("ann", "bob", "eve")
Said = tuple[str, str, int, int]
"""What happens, to whom, after how many minutes, and a number it may make something of."""


def _on(clinic: Clinic, number: int) -> str:
    """A wall time of the weeks to come."""
    return clinic.wall(clinic.clock.now() - clinic.clock.now() % HOUR + number * 11 * HOUR + 15 * MINUTE * (number % 4))


def _again(clinic: Clinic, number: int) -> None:
    clinic.hears(clinic.spoken[-1 - number % min(len(clinic.spoken), 5)])


def _late(clinic: Clinic, who: str, number: int) -> None:
    clinic.books(who, _on(clinic, number), appointment="A001", at=clinic.clock.now() - number * HOUR)


SAYS: dict[str, Callable[[Clinic, str, int], object]] = {
    "books": lambda clinic, who, number: clinic.books(who, _on(clinic, number)),
    "moves": lambda clinic, who, number: clinic.reschedules(who, _on(clinic, number)),
    "cancels": lambda clinic, who, _: clinic.cancels(who),
    "misses": lambda clinic, who, _: clinic.misses(who),
    "modifies": lambda clinic, who, _: clinic.modifies(who),
    "admits": lambda clinic, who, _: clinic.admits(who),
    "discharges": lambda clinic, who, _: clinic.discharges(who),
    "updates": lambda clinic, who, _: clinic.updates(who),
    "dies": lambda clinic, who, _: clinic.dies(who),
    "lives": lambda clinic, who, _: clinic.lives(who),
    "has a new address": lambda clinic, who, number: (
        clinic.person(who, email=f"{who}.{number}@inbox.example"),
        clinic.changes(who),
    ),
    "repeats": lambda clinic, _, number: _again(clinic, number),
    "is overtaken": _late,
    "is loaded": lambda clinic, who, number: clinic.books(who, _on(clinic, number), baseline=True),
    "says yes": lambda clinic, who, _: clinic.consents(who),
    "says no": lambda clinic, who, _: clinic.consents(who, permit=False, topic="appointments"),
    "opts out": lambda clinic, who, _: clinic.opts_out(who),
}
_OF_AN_APPOINTMENT = {"moves", "cancels", "misses", "modifies", "is overtaken"}
_OFTEN = ("books", "books", "books", "moves", "admits", "discharges", "says yes")

said = st.tuples(
    st.sampled_from((*SAYS, *_OFTEN)), st.sampled_from(PEOPLE), st.integers(1, 3 * DAY // MINUTE), st.integers(1, 40)
)


def _lives(clinic: Clinic, script: list[Said]) -> None:
    booked: set[str] = set()
    for who in PEOPLE:
        clinic.enrols(who)
    for what, who, minutes, number in script:
        clinic.passes(f"{minutes}m")
        if what in ("books", "is loaded"):
            booked.add(who)
        if what not in _OF_AN_APPOINTMENT or who in booked:
            SAYS[what](clinic, who, number)
    clinic.passes("9d")


def _told(played: dict[tuple[int, str, str, str], Message]) -> dict[tuple[int, str, str, str], tuple[object, ...]]:
    return {key: (one.state, one.reason, one.channel, one.at) for key, one in played.items()}


def _same(clinic: Clinic, home: Path, since: Millis) -> dict[tuple[int, str, str, str], tuple[object, ...]]:
    """What the rules in force did, and their replay does: the same."""
    site, kinds = clinic.gateway.settings, tuple(clinic.gateway.channels)
    played = play(site, read_files(site.rules), home, since, clinic.clock.now(), clock=clinic.clock, kinds=kinds)
    told = _told(played.messages)
    assert told == _told(collected(clinic.gateway.store))
    return told


NOBODY_LIFTS: list[Said] = [
    ("cancels", "ann", 91, 12),
    ("is loaded", "eve", 334, 38),
    ("lives", "bob", 753, 37),
    ("says no", "bob", 181, 9),
    ("books", "bob", 493, 23),
    ("books", "ann", 43, 19),
    ("books", "bob", 2323, 8),
    ("is overtaken", "bob", 192, 7),
    ("updates", "eve", 3946, 34),
    ("books", "eve", 938, 30),
    ("modifies", "bob", 2535, 22),
]
"""Holds that nobody lifts outlive the appointments they were about."""
CANCELLED_TOO_LATE: list[Said] = [
    ("is loaded", "eve", 334, 38),
    ("is loaded", "bob", 30, 40),
    ("is overtaken", "bob", 900, 7),
    ("lives", "ann", 4320, 1),
    ("cancels", "bob", 4000, 1),
]
"""A hold is over before the cancellation, and nothing rings between the messages: a replay reads them together."""


@settings(
    max_examples=15,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(script=st.lists(said, min_size=3, max_size=14))
@example(script=NOBODY_LIFTS)
@example(script=CANCELLED_TOO_LATE)
def test_the_rules_in_force_replayed_do_what_they_did(
    script: list[Said], request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every request: its rule and step, its state and why, by which channel it left and when."""
    home = tmp_path_factory.mktemp("same")
    shutil.copy(request.getfixturevalue("_sqlite_template"), home / "caregate.db")
    clock = SetClock(1_772_463_600_000)  # 2026-03-02 9:00 in Chicago
    since = clock.now()
    clinic = Clinic(
        home, f"sqlite:///{home / 'caregate.db'}", Keyring.create(home / "keys.json"), clock, seed=str(home)
    )
    try:
        _lives(clinic, script)
        _same(clinic, home, since)
    finally:
        clinic.closes()


def test_who_represents_a_child_and_what_bounced_is_as_it_was(clinic: Clinic, tmp_path: Path) -> None:
    """A guardian from before the window, one ended and one recorded within it; a mailbox suppressed within it."""
    since = clinic.clock.now() + DAY
    for handle in ("kim", "lee", "ann"):
        clinic.person(handle, pid={7: "20180510"} if handle != "ann" else {})
        clinic.enrols(handle)
    ended = clinic.is_represented("kim", "one@mail.example")
    clinic.passes("2d")
    for handle in ("kim", "lee", "ann"):
        clinic.books(handle, clinic.wall(clinic.clock.now() + 10 * DAY))
    clinic.passes("4d")
    representatives.end(clinic.gateway, ended, reason="order 3", account="os:clerk")
    clinic.is_represented("lee", "two@mail.example")
    ann = clinic.token("ann")
    with clinic.gateway.store.begin("test") as uow:
        held = uow.lookup(tables.contact_point, ("address",), "patient", [ann])
        for (address,) in held:
            suppress(uow, address=address, why="bounced")
        uow.commit()
    clinic.passes("9d")
    states = {(one[0], one[1]) for one in _same(clinic, tmp_path, since).values()}
    assert {("completed", None), ("revoked", "suppressed"), ("revoked", "expired")} <= states
