"""Doubts: what the provider says it has is done, what it provably never had is sent once more, all else waits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from clinic_dsl import Answer, Clinic, Postbox

from gateway.model.consent import ChannelKind
from gateway.model.errors import Unavailable
from gateway.model.when import MINUTE, SECOND, Millis
from gateway.pipeline import inspect
from gateway.pipeline.dispatch import sweep_lost
from gateway.pipeline.doubts import Doubts
from gateway.ports import Envelope, Handover, SetClock

FIRST, WEEK = "2026-03-20 09:30", "2026-03-13 09:30"


class Asked(Postbox):
    """A mail system that can be asked; it knows what it has."""

    def __init__(self, clock: SetClock) -> None:
        super().__init__(clock)
        self.answers = True
        self.questions = 0

    def look_up(self, communication: int, since: Millis) -> Handover | None:
        """As `ports.LooksUp`."""
        assert since <= self.clock.now()
        self.questions += 1
        if not self.answers:
            raise Unavailable("no answer")
        there = any(one.communication == communication for one in self.envelopes)
        return Handover(provider_id=f"found-{communication}") if there else None


@pytest.fixture
def asked(clinic: Clinic) -> Clinic:
    """Ann's mail goes through a system that can be asked."""
    clinic.post = Asked(clinic.clock)
    clinic.gateway.channels[ChannelKind.EMAIL] = clinic.post  # type: ignore[index]
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    return clinic


def _doubts(clinic: Clinic) -> Doubts:
    gateway = clinic.gateway
    return Doubts(gateway.store, gateway.channels, lambda: gateway.rules.current().ruleset.policy, clinic.rung.extend)


@pytest.mark.parametrize(("answer", "mails"), [(Answer.KEEP_SILENT, 1), (Answer.LOSE, 1)])
def test_a_doubt_ends_with_exactly_one_message(asked: Clinic, answer: Answer, mails: int) -> None:
    """SM-07: whether the lost line had taken it or not."""
    asked.post.will(answer)
    asked.until(WEEK)
    assert asked.waiting("Ann") == ["outcome-unknown"]
    asked.passes("2m")
    assert _doubts(asked).once() == 1
    asked.answers_doorbells()
    asked.looks()
    assert len(asked.mails()) == mails
    assert asked.requests("Ann")[0].state == "completed"
    assert _doubts(asked).once() == 0


def test_a_system_that_cannot_say_is_asked_ever_more_rarely_and_nothing_is_sent_meanwhile(asked: Clinic) -> None:
    """After 1, 5, 15 and then every 60 minutes, for a day; then it is a person's."""
    assert isinstance(asked.post, Asked)
    asked.post.will(Answer.LOSE)
    asked.post.answers = False
    asked.until(WEEK)
    doubts = _doubts(asked)
    for _ in range(30 * 60):
        asked.clock.set(asked.clock.now() + 60_000)
        doubts.once()
    assert 24 <= asked.post.questions <= 28
    assert asked.waiting("Ann") == ["outcome-unknown"]
    assert asked.mails() == []


def test_what_a_person_decided_meanwhile_stands(asked: Clinic) -> None:
    """A visit that was cancelled while nobody knew is not announced after all."""
    asked.post.will(Answer.LOSE)
    asked.until(WEEK)
    asked.passes("2m")
    asked.cancels("Ann")
    _doubts(asked).once()
    asked.answers_doorbells()
    asked.passes("10d")
    assert asked.mails() == []


class Recognising(Asked):
    """A provider that knows no tag of ours: it is asked by the words themselves."""

    look_up = None  # type: ignore[assignment]

    def recognise(self, envelope: Envelope, since: Millis) -> Handover | None:
        """As `ports.Recognises`."""
        envelope.verify()
        self.questions += 1
        same = [one for one in self.envelopes if (one.to.value, one.text) == (envelope.to.value, envelope.text)]
        return Handover(provider_id=f"recorded-{same[0].communication}") if same else None


@pytest.mark.parametrize(("answer", "ends"), [(Answer.KEEP_SILENT, "completed"), (Answer.LOSE, "completed")])
def test_a_provider_without_tags_is_asked_by_the_words(asked: Clinic, answer: Answer, ends: str) -> None:
    """SM-07: also after a restart, since the words are sealed in the database."""
    asked.post = Recognising(asked.clock)
    asked.gateway.channels[ChannelKind.EMAIL] = asked.post  # type: ignore[index]
    asked.post.will(answer)
    asked.until(WEEK)
    asked.passes("2m")
    assert _doubts(asked).once() == 1
    asked.answers_doorbells()
    asked.looks()
    assert (len(asked.mails()), asked.requests("Ann")[0].state) == (1, ends)


def _stands_still(clinic: Clinic, meanwhile: Callable[[], None]) -> None:
    """The worker freezes right after its next clearance commits, and goes on when all that happened."""
    taken = clinic.deliverer._cleared

    def frozen(request: int) -> object:
        found = taken(request)
        if found is not None:
            clinic.deliverer._cleared = taken  # type: ignore[method-assign]
            meanwhile()
        return found

    clinic.deliverer._cleared = frozen  # type: ignore[method-assign,assignment]


def test_a_worker_that_stood_still_while_another_sent_sends_nothing(asked: Clinic) -> None:
    """SM-07: given up, looked up as absent, made again elsewhere; then it wakes."""

    def meanwhile() -> None:
        asked.clock.set(asked.clock.now() + 5 * MINUTE)
        assert sweep_lost(asked.gateway.store) == 1
        assert _doubts(asked).once() == 1
        asked.answers_doorbells()
        assert len(asked.mails()) == 1

    _stands_still(asked, meanwhile)
    asked.until(WEEK)
    assert len(asked.mails()) == 1
    (reminder,) = [one for one in asked.requests("Ann") if one.state == "completed"]
    attempts = inspect.attempts(asked.gateway, reminder.id, reason="test", account="test")
    assert [one.status for one in attempts] == ["not-done", "completed"]


def test_a_worker_whose_lease_ends_too_soon_for_the_channel_lets_it_be(asked: Clinic) -> None:
    """What may be taken for lost before the channel has answered does not begin; it provably did not leave."""
    lease = asked.gateway.settings.worker.lease
    _stands_still(asked, lambda: asked.clock.set(asked.clock.now() + lease - SECOND // 2))
    asked.until(WEEK)
    assert (asked.post.offered, asked.requests("Ann")[0].reason) == ([], "channel-unavailable")
    asked.passes("10m")
    assert len(asked.mails()) == 1
