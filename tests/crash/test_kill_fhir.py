"""kill -9 while a FHIR server is polled and what is wanted is fetched: whoever goes on misses nothing and sends nothing twice."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

import pytest
from crash_parts import START, Child, House, wall
from fhir_there import Asked, Said, appointment, bundle, patient, there

from gateway.model.when import MINUTE, SECOND, to_datetime
from gateway.store import tables

pytestmark = pytest.mark.slow

FEED = """\
  fhir:
    kind: fhir
    organization: lakeside
    base: {base}
    systems: {{'urn:lakeside:mrn': LAKESIDE|MR}}
    client: {{rate: 1000, timeout: 5s, patience: 5s}}
    fetch: {{every: 50ms, lease: 60s}}
    poll: {{resources: [Appointment], every: 1s, baseline: no, deletes: no, count: 4, overlap: 1s}}
"""
POINTS = [f"{when}-{what}-commit" for what in ("listen", "receive", "fetch") for when in ("before", "after")]
PATIENTS = range(9)


class Ehr:
    """Booked visits, and patients who are only referred to: each must be asked for by its id. `now`: by its own clock."""

    def __init__(self) -> None:
        self.now = START - 2 * MINUTE
        self.booked: list[dict[str, Any]] = []
        self.rounds = 0

    def books(self) -> None:
        """Everybody has an appointment, all in one round of a few pages; a minute later."""
        start = to_datetime(wall("2026-03-20 09:30")).isoformat()
        told = {"start": start, "end": start, "serviceType": [{"coding": [{"code": "PCP"}]}]}
        moment = to_datetime(self.now + MINUTE).isoformat()
        self.booked = [
            appointment(str(one), at=moment, **told, participant=[{"actor": {"reference": f"Patient/{one}"}, "status": "accepted"}])
            for one in PATIENTS
        ]  # fmt: skip
        self.now += 2 * MINUTE

    def __call__(self, asked: Asked) -> Said:
        name, _, id_ = asked.path.removeprefix("/fhir/").partition("/")
        if name == "Appointment" and not id_:
            self.rounds += 1
            return self._page(int(asked.query.get("page", "0")), asked)
        if name == "Patient":
            return Said(body=_patient(id_))
        return next((Said(body=one) for one in self.booked if one["id"] == id_), Said(404))

    def _page(self, number: int, asked: Asked) -> Said:
        since = asked.query.get("_lastUpdated", "ge").removeprefix("ge")
        changed = [one for one in self.booked if not since or _instant(one["meta"]["lastUpdated"]) >= _instant(since)]
        found = changed[4 * number : 4 * number + 4]
        next_ = f"http://{asked.headers['host']}/fhir/Appointment?page={number + 1}&_lastUpdated=ge{quote(since)}"
        more = {"next": next_} if 4 * number + 4 < len(changed) else None
        return Said(body=bundle(*found, links=more), headers={"Date": format_datetime(to_datetime(self.now))})


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _patient(id_: str) -> dict[str, Any]:
    number = {"system": "urn:lakeside:mrn", "value": f"M{id_}"}
    mail = [{"system": "email", "value": f"crash-{id_}@mail.example"}]
    name = [{"family": f"Crash{id_}", "given": ["A"]}]
    home = [{"country": "US", "state": "IL", "postalCode": "60601"}]
    return patient(id_, identifier=[number], birthDate="1958-03-14", telecom=mail, name=name, address=home)


@pytest.fixture
def ehr(make_house: Callable[..., House], store_url: str) -> Iterator[tuple[Ehr, House]]:
    """A site that polls it; on PostgreSQL two gateways do."""
    system = Ehr()
    with there(system) as http:
        yield system, make_house(store_url, feeds=FEED.format(base=http.base))


@pytest.mark.parametrize("point", POINTS)
def test_a_gateway_that_is_killed_while_it_asks_loses_nothing_and_doubles_nothing(
    ehr: tuple[Ehr, House], point: str
) -> None:
    """Q-01, Q-02, S-33, A-01: the mark, the wish and what was read are each committed before they count."""
    system, house = ehr
    first = house.starts()
    house.waits(lambda: system.rounds > 0)  # it is the one that polls
    beside = [house.starts()] if house.database.startswith("postgresql") else []
    first.ask(kill=point)
    system.books()
    assert first.gone() == -signal.SIGKILL
    house.goes_to(house.now + 10 * MINUTE, quiet=False)  # leases of who died are over
    alive = beside or [house.starts()]
    _everybody_is_told_once(house, alive[0])


def _everybody_is_told_once(house: House, child: Child) -> None:
    child.ask(now=house.now)
    house.waits(lambda: len(house.every(tables.request, "id")) == 2 * len(PATIENTS), 60)
    assert len(house.every(tables.occurrence, "id")) == len(PATIENTS)
    assert len(house.every(tables.patient, "token")) == len(PATIENTS)
    house.waits(lambda: {one["state"] for one in house.every(tables.fetch, "state")} == {"received"})
    house.goes_to(wall("2026-03-13 09:30") + SECOND, child)
    assert sorted(house.mails().values()) == [1] * len(PATIENTS)
    child.terminate()
    assert child.gone() == 0, child.log()
    assert house.verified().ok
