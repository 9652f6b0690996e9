"""A server without subscriptions is asked in rounds: nothing is lost between two of them, and nothing comes twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fhir_memory import Memory, poller
from fhir_there import Asked, Said, appointment, bundle, client, patient, there
from pydantic import ValidationError

from connectors.sources.fhir.polling.options import PollOptions
from connectors.sources.fhir.polling.watermarks import after
from gateway.model.event import Result
from gateway.model.when import HOUR
from gateway.ports import SetClock, SystemClock

DATE = {"Date": "Mon, 02 Mar 2026 15:00:00 GMT"}
STARTED = 1_772_463_600_000


class Ehr:
    """A server whose search honours `_lastUpdated`, two a page, oldest first; deletions stand in its history."""

    def __init__(self, *resources: dict[str, Any]) -> None:
        self.resources = list(resources)
        self.history: list[dict[str, Any]] = []
        self.base = ""
        self.date = DATE
        self.honours = True

    def __call__(self, asked: Asked) -> Said:
        kind = asked.path.removeprefix("/fhir/")
        if kind.endswith("/_history"):
            return Said(body=bundle(*self.history, type="history"), headers=self.date)
        since = asked.query.get("_lastUpdated", "ge0")[2:]
        found = [one for one in self.resources if one["resourceType"] == kind and one["meta"]["lastUpdated"] >= since]
        found.sort(key=lambda one: str(one["meta"]["lastUpdated"]))
        at = int(asked.query.get("page", "0"))
        query = asked.target.partition("?")[2].partition("&page")[0]
        links = {"self": f"{self.base}/{kind}?{query if self.honours else '_count=50'}"}
        if at + 2 < len(found):
            links["next"] = f"{self.base}/{kind}?{query}&page={at + 2}"
        return Said(body=bundle(*found[at : at + 2], links=links), headers=self.date)


def minutes(count: int) -> str:
    return f"2026-03-02T14:{count:02}:00.000Z"


def test_the_first_round_is_a_baseline_and_the_next_brings_what_changed() -> None:
    """Q-01, Q-02, K-16: overlap and dedupe; the mark is the server's; Prefer is strict, the sort stable."""
    system = Ehr(*(appointment(str(number), at=minutes(number)) for number in range(1, 6)))
    memory = Memory()
    with there(system) as ehr, client(ehr.base) as server:
        system.base = ehr.base
        polling = poller(server, memory)
        assert polling.once()
        assert [one.baseline for one in memory.messages] == [True] * 5
        assert json.loads(memory.notes["poll:Appointment"])["changed"] == STARTED - 55 * 60_000
        system.resources += [appointment("2", "2", minutes(9)), appointment("6", at=minutes(4))]  # one committed late
        assert polling.once()
    assert memory.names[5:] == ["Appointment/6", "Appointment/2"]
    assert [one.baseline for one in memory.messages[5:]] == [False, False]
    assert ehr.asked[0].query == {"_sort": "_lastUpdated", "_count": "100"}
    assert ehr.asked[0].headers["prefer"] == "handling=strict"
    assert ehr.asked[3].query["_lastUpdated"] == f"ge{minutes(0)}"


def test_a_restart_begins_where_the_last_round_ended() -> None:
    """Q-02: a new process offers the overlap again, which is a duplicate there, and nothing before it."""
    system = Ehr(appointment("1", at="2026-03-02T12:00:00.000Z"), appointment("2", at=minutes(9)))
    memory = Memory()
    with there(system) as ehr, client(ehr.base) as server:
        system.base = ehr.base
        poller(server, memory).once()
        poller(server, memory).once()
    assert memory.names == ["Appointment/1", "Appointment/2", "Appointment/2"]


def test_the_mark_stays_when_something_was_not_stored() -> None:
    """Q-02: saved only after the last page's outcomes."""
    system = Ehr(*(appointment(str(number), at=minutes(number)) for number in range(1, 6)))
    memory = Memory(result=lambda raw: Result.FAILED if b'"id":"5"' in raw.body else Result.ACCEPTED)
    with there(system) as ehr, client(ehr.base) as server:
        system.base = ehr.base
        polling = poller(server, memory)
        assert not polling.once()
        assert memory.notes == {}
        memory.result = lambda _: Result.ACCEPTED
        assert polling.once()
    assert memory.names.count("Appointment/5") == 1
    assert memory.names.count("Appointment/1") == 1  # known to be committed


@pytest.mark.parametrize(
    ("before", "begun", "newest", "expected"),
    [
        (None, 100, None, 100),
        (None, 100, 90, 90),
        (80, 100, None, 80),
        (80, 100, 70, 80),
        (80, 100, 500, 100),  # dated ahead of its clock: what comes meanwhile is not passed over
        (80, None, 90, 90),
        (80, None, 500, 200),  # and of a server without a clock, ahead of ours
        (None, None, None, None),
        (120, 100, 110, 120),
    ],
)
def test_a_mark_is_the_servers_and_never_in_its_future(
    before: int | None, begun: int | None, newest: int | None, expected: int | None
) -> None:
    """Q-02."""
    assert after(before, begun, newest, now=200) == expected


def test_a_server_that_ignores_the_watermark_is_told_of() -> None:
    """Q-04: link `self` shows it; what came is taken all the same."""
    system = Ehr(appointment("1", at=minutes(1)))
    memory = Memory()
    with there(system) as ehr, client(ehr.base) as server:
        system.base = ehr.base
        polling = poller(server, memory)
        polling.once()
        system.honours = False
        polling.once()
        assert polling._tally.counts["fhir.last-updated-ignored"] == 1


def test_deletions_are_found_in_the_history_oldest_first() -> None:
    """Q-06, Q-07: what was made again is not deleted; the same deletion is told once."""

    def entry(number: str, method: str, at: str) -> dict[str, Any]:
        url = f"Appointment/{number}"
        told = {"request": {"method": method, "url": url}, "response": {"status": "204", "lastModified": at}}
        return told if method == "DELETE" else {**told, "resource": appointment(number, at=at)}

    system = Ehr(appointment("1", at=minutes(1)))
    memory = Memory()
    with there(system) as ehr, client(ehr.base) as server:
        system.base = ehr.base
        polling = poller(server, memory, deletes=True)
        polling.once()
        system.history = [
            entry("3", "DELETE", minutes(40)),
            entry("2", "PUT", minutes(30)),
            entry("2", "DELETE", minutes(20)),
            entry("4", "DELETE", minutes(10)),
        ]
        polling.once()
        polling.once()
    assert memory.names == ["Appointment/1", "-Appointment/4", "-Appointment/3"]
    assert memory.told[2]["entry"][0]["response"]["lastModified"] == minutes(40)
    assert [one.query["_since"] for one in ehr.of("Appointment/_history")] == ["2026-03-02T14:55:00.000Z"] * 2


@pytest.mark.parametrize("status", [405, 403])
def test_a_server_without_history_is_asked_for_it_seldom(status: int) -> None:
    """Q-06, O-08: where offered, and to us; the changes are read all the same."""
    system = Ehr(appointment("1", at=minutes(1)))
    with there(lambda asked: Said(status) if "_history" in asked.path else system(asked)) as ehr:
        system.base = ehr.base
        with client(ehr.base) as server:
            polling = poller(server, Memory(), deletes=True)
            assert [polling.once() for _ in range(4)] == [True] * 4
            assert len(ehr.of("Appointment/_history")) == 1
            polling._clock = SetClock(SystemClock().now() + 7 * HOUR)
            assert polling.once()
    first, second = (one.query["_since"] for one in ehr.of("Appointment/_history"))
    assert first == second, "what was deleted meanwhile is asked for"


def test_a_paging_link_that_ends_begins_the_round_anew() -> None:
    """Q-08: 410 in the middle; nothing is offered twice."""
    system = Ehr(*(appointment(str(number), at=minutes(number)) for number in range(1, 4)))
    gone = [True]

    def answer(asked: Asked) -> Said:
        return Said(410) if asked.query.get("page") and gone and gone.pop() else system(asked)

    memory = Memory()
    with there(answer) as ehr, client(ehr.base) as server:
        system.base = ehr.base
        assert poller(server, memory).once()
    assert memory.names == ["Appointment/1", "Appointment/2", "Appointment/3"]


def test_patients_come_first_and_trouble_with_one_type_does_not_keep_others_back() -> None:
    """What refers to a patient finds it; each type has a mark of its own."""
    system = Ehr(appointment("1", at=minutes(1)), patient("1", at=minutes(2)))
    memory = Memory()
    with there(lambda asked: Said(403) if "Encounter" in asked.path else system(asked)) as ehr:
        system.base = ehr.base
        with client(ehr.base) as server:
            assert not poller(server, memory, resources=["Appointment", "Encounter", "Patient"]).once()
    assert memory.names == ["Patient/1", "Appointment/1"]
    assert set(memory.notes) == {"poll:Patient", "poll:Appointment"}


def test_of_several_processes_one_asks() -> None:
    """The lease is another's."""
    memory = Memory(ours=False)
    with there(lambda _: Said(500)) as ehr, client(ehr.base) as server:
        assert poller(server, memory).once()
    assert ehr.asked == []


def test_a_resource_that_is_cut_short_is_asked_for_by_itself() -> None:
    """K-10: unless we asked for all that we read of it: then what is missing was removed, and it is no part any more."""
    cut = appointment("1", meta={"versionId": "1", "lastUpdated": minutes(1), "tag": [{"code": "SUBSETTED"}]})
    system, memory = Ehr(cut), Memory()
    with there(system) as ehr, client(ehr.base) as server:
        system.base = ehr.base
        poller(server, memory).once()
        assert (memory.names, [one.reference for one in memory.wanted]) == ([], ["Appointment/1"])
        poller(server, memory, lambda _: ("status",), baseline=False).once()
    assert memory.names == ["Appointment/1"]
    assert memory.told[0]["meta"] == {"versionId": "1", "lastUpdated": minutes(1)}


def test_a_page_that_can_be_read_in_two_ways_keeps_nobody_back() -> None:
    """S-37: a key told twice; each resource is read by itself, and in a first round plans nothing even so (K-16)."""
    page = json.dumps(bundle(appointment("1"), appointment("2"))).encode()
    page = page.replace(b'"status": "booked"', b'"status": "booked", "status": "cancelled"', 1)
    memory = Memory()
    with there(lambda _: Said(body=page, headers=DATE)) as ehr, client(ehr.base) as server:
        assert poller(server, memory).once()
    assert memory.names == []
    assert [(one.reference, one.why) for one in memory.wanted] == [
        ("Appointment/1", "baseline"),
        ("Appointment/2", "baseline"),
    ]


def test_what_has_neither_version_nor_time_is_known_by_its_content() -> None:
    """Q-09: and a server without a clock gets everything asked for, once the baseline is there."""
    bare = {"resourceType": "Appointment", "id": "1", "status": "booked"}
    memory = Memory()
    with there(lambda _: Said(body=bundle(bare), headers={"Date": ""})) as ehr, client(ehr.base) as server:
        polling = poller(server, memory)
        polling.once()
        polling.once()
        bare["status"] = "cancelled"
        polling.once()
    assert [one["status"] for one in memory.told] == ["booked", "cancelled"]
    assert [one.baseline for one in memory.messages] == [True, False]


@pytest.mark.parametrize("search", ["?status=booked", "_lastUpdated=ge2026", "status", "a=1&_count=5"])
def test_a_search_that_is_none_is_refused(search: str) -> None:
    """What Caregate asks by itself is not asked twice."""
    with pytest.raises(ValidationError):
        PollOptions.model_validate({"resources": {"Appointment": search}})
