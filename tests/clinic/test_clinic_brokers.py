"""The same clinic with real doorbells: whichever broker carries them, a mail leaves once, and the broker knows an id and no more."""

from __future__ import annotations

import json

import pytest
from clinic_dsl import Answer, Clinic

FIRST, WEEK, DAY_BEFORE = "2026-03-20 09:30", "2026-03-13 09:30", "2026-03-19 09:30"


@pytest.fixture(params=["memory", "redis", "amqp"])
def busy_clinic(request: pytest.FixtureRequest, clinic: Clinic) -> Clinic:
    """A clinic whose doorbells go through a broker to Dramatiq's workers; Ann is enrolled and booked."""
    kind = request.param
    clinic.rings_through("memory://" if kind == "memory" else request.getfixturevalue(f"{kind}_url"))
    clinic.works()
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    return clinic


def test_a_booking_is_announced_through_every_broker(busy_clinic: Clinic) -> None:
    """Law 4; SI-01: dispatch, ring, lease, clear, send, settle, each on its own thread."""
    busy_clinic.passes("18d")
    assert busy_clinic.arrivals("Ann") == [WEEK, DAY_BEFORE]
    assert [one.state for one in busy_clinic.requests("Ann")] == ["completed", "completed"]


def test_a_cancelled_visit_is_silent_through_every_broker(busy_clinic: Clinic) -> None:
    """SI-04."""
    busy_clinic.cancels("Ann")
    busy_clinic.passes("18d")
    assert busy_clinic.mails() == []


def test_trouble_is_retried_by_the_database_and_not_by_the_broker(busy_clinic: Clinic) -> None:
    """Law 4: unavailable once: one retry a minute later; lost once: none."""
    busy_clinic.post.will(Answer.UNAVAILABLE, Answer.ACCEPT, Answer.LOSE)
    busy_clinic.until("2026-03-19 12:00")
    assert busy_clinic.arrivals("Ann") == ["2026-03-13 09:31"]
    assert len(busy_clinic.post.offered) == 3
    assert busy_clinic.waiting("Ann") == ["outcome-unknown"]


def test_the_same_doorbell_rung_a_dozen_times_sends_one_mail(busy_clinic: Clinic) -> None:
    """Law 4: two threads, twelve doorbells, one lease."""
    busy_clinic.clock.set(busy_clinic.when(WEEK))
    first = busy_clinic.requests("Ann")[0].id
    busy_clinic.gateway.doorbell([first] * 12)
    busy_clinic.answers_doorbells()
    assert busy_clinic.arrivals("Ann") == [WEEK]


def test_redis_holds_request_ids_and_nothing_else(clinic: Clinic, redis_url: str) -> None:
    """Law 4: with no worker to take them, the doorbells lie in Redis: an id each, and no word about anybody."""
    import redis

    clinic.rings_through(redis_url)
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    clinic.clock.set(clinic.when(WEEK))
    assert clinic.dispatcher.once() == 1
    link = redis.Redis.from_url(redis_url)
    bells = [json.loads(text) for text in link.hgetall("caregate:caregate.msgs").values()]
    link.close()
    assert [bell["args"] for bell in bells] == [[clinic.requests("Ann")[0].id]]
    assert {key for bell in bells for key in bell["options"]} <= {"redis_message_id", "eta"}
    assert not any(bell["kwargs"] for bell in bells)
