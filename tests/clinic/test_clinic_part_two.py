"""What 42 CFR Part 2 protects is told to no sink at all: not planned, not withheld, not withdrawn, by no rule's name and no number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from clinic_dsl import OpenClinic
from clinic_site import shipped_policy, shipped_rule, write_rules
from test_clinic_events import ALL, FIRST, Hub
from told_events import Bus, Stream

from gateway.model.when import DAY
from gateway.pipeline.retention import purge_facts
from tests.queues.redis_there import valkey


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    """A stream of a Valkey of its own."""
    folder = tmp_path / "valkey"
    folder.mkdir()
    with valkey(folder) as server, closing(Stream(server)) as stream:
        yield stream


def permitted(open_clinic: OpenClinic, folder: Path) -> OpenClinic:
    """A clinic whose own people are written to about such visits."""
    policy = shipped_policy(("behavioral-health, substance-use, ", "behavioral-health, "))
    rule = shipped_rule("appointment-reminder", ("substance-use, ", ""))
    rules = write_rules(folder / "own", {"appointment-reminder": rule}, policy=policy)
    return lambda **told: open_clinic(rules=rules, **told)  # type: ignore[return-value]


@pytest.mark.parametrize("written_to", [True, False])
@pytest.mark.parametrize("more", [ALL + "facts: [appointment.start]", ""])
def test_of_a_part_2_visit_no_sink_hears_a_word(
    open_clinic: OpenClinic, tmp_path: Path, bus: Bus, more: str, *, written_to: bool
) -> None:
    """42 CFR 2.12(d)(2), 2.13: that there is such a visit is what may not be told."""
    opened = permitted(open_clinic, tmp_path) if written_to else open_clinic
    hub = Hub(opened, bus, more)
    hub.clinic.books("Ann", FIRST, service="SUD")
    assert hub.hears() == []
    hub.clinic.cancels("Ann", service="SUD")
    assert hub.hears("12d") == []


def test_once_its_facts_are_forgotten_nothing_is_told_of_a_visit_that_may_have_been_one(
    open_clinic: OpenClinic, tmp_path: Path, bus: Bus
) -> None:
    """`caregate sinks rewind` reads years: by then nobody knows of which visits nothing may be told."""
    hub = Hub(permitted(open_clinic, tmp_path), bus, "")
    hub.clinic.books("Ann", FIRST, service="SUD")
    hub.clinic.until("2026-03-21 12:00")
    hub.clinic.clock.set(hub.clinic.clock.now() + 300 * DAY)
    purge_facts(hub.clinic.gateway.store, 30 * DAY)
    assert hub.hears() == []
