"""Lanes and paces: no provider gets more than it takes, what is urgent goes first, and each patient's messages keep their order."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from clinic_dsl import Clinic, OpenClinic

from gateway.model.consent import ChannelKind
from gateway.model.pace import Pace
from gateway.model.when import MINUTE, SECOND
from gateway.pipeline import pacing
from gateway.ports import Envelope
from gateway.store import tables
from gateway.store.engine import Store

FIRST = "2026-03-20 09:30"
TEN = Pace(count=10, per=SECOND)


def paced(clinic: Clinic, pace: Pace) -> Clinic:
    """The mail relay takes so many."""
    clinic.deliverer._paces = {ChannelKind.EMAIL: pace}
    return clinic


def _ask(store: Store, lane: int, pace: Pace = TEN) -> int | None:
    with store.begin("test") as uow:
        told = pacing.wait(uow, "sms", pace, lane=lane)
        uow.commit()
    return told


def test_a_paced_provider_gets_no_more_than_it_takes_and_no_try_is_spent(open_clinic: OpenClinic) -> None:
    """Twelve reminders due at once, six a minute: the last leaves two minutes later; no attempt, no audit of waiting."""
    clinic = paced(open_clinic(), Pace(count=6, per=MINUTE))
    for number in range(12):
        clinic.enrols(f"P{number}")
        clinic.books(f"P{number}", on=FIRST)
    clinic.until("2026-03-13 09:29")
    audited = clinic.count("audit")
    clinic.until("2026-03-13 09:40")
    assert len(clinic.mails()) == 12
    first = clinic.post.times[0]
    gaps = [two - one for one, two in zip(clinic.post.times, clinic.post.times[1:], strict=False)]
    assert min(gaps) >= 10 * SECOND - 250  # what came late is made up for, up to a quarter of a second
    assert clinic.post.times[-1] - first <= 3 * MINUTE
    assert clinic.count("communication") == 12
    assert clinic.count("audit") - audited == 24  # cleared and settled
    assert {one.attempts for number in range(12) for one in clinic.requests(f"P{number}") if one.step == "7d"} == {1}


def test_what_would_only_get_its_place_after_its_end_is_withdrawn(open_clinic: OpenClinic) -> None:
    """SM-17: nothing leaves that has no sense any more."""
    clinic = paced(open_clinic(), Pace(count=1, per=30 * 24 * 60 * MINUTE))
    for handle in ("Ann", "Ben"):
        clinic.enrols(handle)
        clinic.books(handle, on=FIRST)
    clinic.passes("18d")
    assert len(clinic.mails()) == 1
    assert sorted(clinic.ended("Ann") + clinic.ended("Ben")) == ["expired"] * 3


def test_what_is_urgent_takes_the_next_place_before_a_thousand_that_are_not(store: Store, clock) -> None:
    """Strictly by lane: clinical never starves behind marketing, and marketing goes on afterwards."""
    promised = [_ask(store, 2) for _ in range(1000)]
    assert promised[:1] == [None]
    assert promised[-1] - clock.now() > 90 * SECOND
    clinical = _ask(store, 0)
    assert clinical is not None
    assert clinical - clock.now() <= 100
    clock.set(clinical)
    assert _ask(store, 2) is not None  # marketing, back at the same moment, lets it go first
    assert _ask(store, 0) is None
    clock.set(clinical + 100)
    assert _ask(store, 2) is None


def test_the_rate_does_not_suffer_from_late_doorbells(store: Store, clock) -> None:
    """What comes 60 ms late finds its place still there; after an idle hour a quarter of a second's worth may go at once."""
    for _ in range(50):
        assert _ask(store, 1) is None
        clock.set(clock.now() + 100)
    clock.set(clock.now() + 60)
    assert _ask(store, 1) is None
    clock.set(clock.now() + 40)
    assert _ask(store, 1) is None
    clock.set(clock.now() + 3600 * SECOND)
    assert Counter(_ask(store, 1) is None for _ in range(10))[True] == 3


def test_a_thousand_a_second_fit_between_two_milliseconds(store: Store, clock) -> None:
    """Places are counted in microseconds."""
    taken = sum(_ask(store, 1, Pace(count=4000, per=SECOND)) is None for _ in range(1500))
    assert taken == 1001


def test_several_processes_share_one_pace(open_store, clock) -> None:
    """The database decides: eight threads on two stores get no more places than one would."""
    stores = [open_store(f"p{number}") for number in range(2)]
    told: list[int | None] = []

    def ask(store: Store) -> None:
        told.extend([_ask(store, 1) for _ in range(10)])

    threads = [threading.Thread(target=ask, args=(stores[number % 2],)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert told.count(None) == 3
    later = sorted(one for one in told if one is not None)
    assert len(later) == 77
    assert len(set(later)) == 77
    assert pacing.behind(stores[0].read().__enter__()) == {"sms": frozenset({1})}


# -- each patient's order


@pytest.fixture
def twice(clinic: Clinic) -> Clinic:
    """Ann has two appointments on one day; both reminders fall due within minutes, and nobody has looked yet."""
    clinic.enrols("Ann")
    clinic.books("Ann", on="2026-03-20 09:30", appointment="A1")
    clinic.books("Ann", on="2026-03-20 09:40", appointment="A2")
    clinic.clock.set(clinic.when("2026-03-13 10:00"))
    return clinic


def _due(clinic: Clinic) -> list[int]:
    return [one.id for one in clinic.requests("Ann") if one.step == "7d"]


def test_two_due_messages_of_one_patient_leave_in_due_order_whichever_is_rung_first(twice: Clinic) -> None:
    """The later one is put off without an attempt and without audit noise, and rung when its turn has come."""
    first, second = _due(twice)
    audited = twice.count("audit")
    twice.deliverer.deliver(second)
    assert (twice.post.offered, twice.count("audit")) == ([], audited)
    twice.deliverer.deliver(first)
    assert twice.rung == [second]  # at once: nobody waits for the clock
    twice.answers_doorbells()
    assert [mail.text.count("9:30") > 0 for mail in twice.mails()] == [True, False]


def test_while_one_is_on_its_way_no_other_worker_sends_the_next(twice: Clinic) -> None:
    """One at a time: the second waits for the first one's outcome, however many workers hear its doorbell."""
    first, second = _due(twice)
    inside, go_on = threading.Event(), threading.Event()
    order: list[str] = []

    def slow(envelope: Envelope) -> None:
        order.append(envelope.text)
        if len(order) == 1:
            inside.set()
            assert go_on.wait(20)

    twice.post.before = slow
    worker = threading.Thread(target=twice.deliverer.deliver, args=(first,))
    worker.start()
    assert inside.wait(20)
    others = [threading.Thread(target=twice.deliverer.deliver, args=(second,)) for _ in range(4)]
    for one in others:
        one.start()
    for one in others:
        one.join(20)
    assert len(order) == 1
    go_on.set()
    worker.join(20)
    twice.passes("2s")
    assert len(order) == 2
    assert "9:30" in order[0]
    assert "9:40" in order[1]


def test_another_patient_waits_for_nobody(twice: Clinic) -> None:
    """The order is each patient's own."""
    twice.enrols("Ben")
    twice.clock.set(twice.when("2026-03-12 10:00"))
    twice.books("Ben", on="2026-03-20 09:50")
    twice.clock.set(twice.when("2026-03-13 10:05"))
    (ben,) = (one.id for one in twice.requests("Ben") if one.step == "7d")
    twice.deliverer.deliver(ben)
    assert len(twice.mailbox("Ben")) == 1


def test_what_waits_for_its_own_time_keeps_nothing_back(twice: Clinic) -> None:
    """Quiet hours, a cap or a relay that is down: the next one does not wait for tomorrow morning."""
    first, second = _due(twice)
    with twice.gateway.store.begin("test") as uow:
        until = uow.now + 60 * MINUTE
        uow.update(tables.request, ("id",), ("reason", "ring_at"), [("frequency-cap", until, first)])
        uow.audit([("request.held", first, "frequency-cap", until)], request=first)
        uow.commit()
    twice.deliverer.deliver(second)
    assert len(twice.mails()) == 1


def test_under_a_pace_the_order_stays(twice: Clinic) -> None:
    """Whoever waits for a place with the provider is still before the next."""
    paced(twice, Pace(count=1, per=5 * MINUTE))
    with twice.gateway.store.begin("test") as uow:
        pacing.wait(uow, "email", Pace(count=1, per=5 * MINUTE), lane=1)
        uow.commit()
    first, second = _due(twice)
    twice.deliverer.deliver(first)
    twice.deliverer.deliver(second)
    assert twice.post.offered == []
    twice.passes("20m")
    assert ["9:30" in mail.text for mail in twice.mails()] == [True, False]


def test_the_dispatcher_looks_again_when_the_next_place_is_free(twice: Clinic) -> None:
    """Places are a tenth of a second apart: half a second between two looks would lose most of them."""
    twice.dispatcher.once()
    assert twice.dispatcher._pause() == twice.dispatcher._every
    first, _ = _due(twice)
    with twice.gateway.store.begin("test") as uow:
        uow.update(tables.request, ("id",), ("ring_at",), [(uow.now + 120, first)])
        uow.commit()
    assert twice.dispatcher._pause() == 0.12
