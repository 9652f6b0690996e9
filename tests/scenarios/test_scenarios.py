"""The scenarios hold on both stores, and the verdict can be otherwise: each thing broken in the gateway is seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from gateway.model.verdict import Reason
from gateway.pipeline import brakes, clearing, dispatch, restoring
from gateway.pipeline.deliver import Deliverer
from gateway.pipeline.directory import Directory
from tests.scenarios.plans import Plan
from tests.scenarios.playing import Playground, Tally
from tests.scenarios.provider import Asked

WILD = Plan(seed=0, patients=60, rate=0.005, threads=False, restores=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def ground(request: pytest.FixtureRequest) -> Iterator[Playground]:
    """Worlds on each store."""
    server = request.getfixturevalue("postgres_server") if request.param == "postgresql" else None
    with Playground(request.param, server=server, name="scenarios") as made:
        yield made


@pytest.fixture
def small() -> Iterator[Playground]:
    """Worlds on the embedded store."""
    with Playground() as made:
        yield made


def _played(ground: Playground, *plans: Plan) -> Tally:
    total = Tally()
    for plan in plans:
        total.add(ground.play(plan))
    return total


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 4])
def test_whatever_happens_at_most_one_message_leaves(ground: Playground, first: int) -> None:
    """Law 4, SM-07, EM-13: calm, wild, raced and restored worlds; most of what is to leave does."""
    total = _played(ground, *(Plan.drawn(seed, 60) for seed in range(first, first + 4)))
    assert not total.wrong, total.wrong[:10]
    assert sum(total.left.values()) > total.scenarios
    assert total.injected["offer died after-acceptance"] > 0


def test_a_calm_world_sends_all_that_is_due(small: Playground) -> None:
    """A harness that never sends proves nothing."""
    total = small.play(replace(WILD, rate=0.0, patients=40))
    assert not total.wrong, total.wrong[:10]
    assert total.left["expected and seen"] > 40


def _again(wild: Plan, small: Playground) -> list[str]:
    """What is wrong in up to four worlds."""
    wrong: list[str] = []
    for seed in range(4):
        wrong += small.play(replace(wild, seed=wild.seed + seed)).wrong
        if wrong:
            break
    return wrong


def test_a_lost_answer_that_is_tried_again_blindly_is_seen(small: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    """SM-07: `unknown` taken for `never left`."""
    hand_over = Deliverer._hand_over

    def blind(self: Deliverer, cleared: object) -> object:
        outcome = hand_over(self, cleared)  # type: ignore[arg-type]
        return Reason.CHANNEL_UNAVAILABLE if outcome is Reason.OUTCOME_UNKNOWN else outcome

    monkeypatch.setattr(Deliverer, "_hand_over", blind)
    assert any("left 2 times" in one for one in _again(WILD, small))


def test_a_look_up_that_is_skipped_is_seen(small: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    """SM-07: whoever does not ask takes it for absent."""
    monkeypatch.setattr(Asked, "look_up", lambda self, communication, since: None)
    assert any("left 2 times" in one for one in _again(WILD, small))


def test_an_attempt_whose_actor_died_and_is_forgotten_is_seen(
    small: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A-01: the next actor does not ask what the dead one may have sent."""
    monkeypatch.setattr(clearing, "lost", lambda uow, row, tried: False)
    monkeypatch.setattr(dispatch, "sweep_lost", lambda store: 0)
    assert any("left 2 times" in one for one in _again(WILD, small))


def test_what_is_told_again_after_a_restore_and_believed_is_seen(
    small: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lost database sent it at once; the restored one hears of the same booking and knows of no message."""
    monkeypatch.setattr(brakes, "restored", lambda unit: 0)
    wild = replace(WILD, seed=3, rate=0.002, patients=100, restores=True)
    assert any("said 2 times in 1 versions: booked" in one for one in _again(wild, small))


def test_a_death_that_is_not_heard_is_seen(small: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    """PI-12: nothing leaves for the dead."""
    from gateway.pipeline.applying import Applier

    monkeypatch.setattr(Applier, "_death", lambda self, patient, event, was_dead: [])
    monkeypatch.setattr(Directory, "update", _living(Directory.update))
    assert any("deceased" in one for one in _again(replace(WILD, patients=150), small))


def _living(update):  # type: ignore[no-untyped-def]
    def kept(self, patient, *told, **more):  # type: ignore[no-untyped-def]
        entries = update(self, patient, *told, **more)
        patient.deceased = 0
        return entries

    return kept


def test_a_brake_that_does_not_hold_is_seen(small: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person stopped does not leave."""
    monkeypatch.setattr(brakes, "on", lambda unit: [])
    assert any("it is stopped" in one for one in _again(replace(WILD, seed=1), small))


def test_a_restore_that_doubts_nothing_is_seen(small: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the lost database sent, the restored one would send again."""
    monkeypatch.setattr(brakes, "restored", lambda unit: 0)
    monkeypatch.setattr(restoring, "_doubt_requests", lambda store, lost, account: 0)
    assert any("times" in one for one in _again(replace(WILD, seed=3, patients=100, restores=True), small))


def test_what_never_ends_is_seen(small: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every attempt has an end."""
    monkeypatch.setattr(dispatch, "sweep_lost", lambda store: 0)
    monkeypatch.setattr(
        clearing, "lost", lambda uow, row, tried: bool([one for one in tried if one[3] == "in-progress"])
    )
    assert any("no end" in one for one in _again(WILD, small))
