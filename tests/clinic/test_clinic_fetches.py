"""What a server refuses is seen by staff and asked for again by them; what is over is forgotten."""

from __future__ import annotations

import pytest
from clinic_dsl import Clinic

from gateway.model.alert import AlertKind
from gateway.model.errors import CommandError
from gateway.model.when import HOUR, MINUTE
from gateway.pipeline import conditions, inspect, retention
from gateway.pipeline.fetching import FetchList
from gateway.pipeline.inspect.worklist import worklist
from gateway.pipeline.retention import DUPLICATES


def _fetches(clinic: Clinic) -> FetchList:
    return FetchList(clinic.gateway.store, clinic.gateway.site.sources["ehr"])


def _refused(clinic: Clinic) -> FetchList:
    fetches = _fetches(clinic)
    fetches.want([("Appointment/1", None), ("Appointment/2", None)], "notified")
    for one, fate in zip(fetches.take(2, MINUTE), ("refused", "unreadable"), strict=True):
        fetches.done(one, fate)
    return fetches


def test_what_a_server_refused_is_on_the_worklist_until_somebody_has_it_asked_again(clinic: Clinic) -> None:
    """The line has the command; status says that a person is needed."""
    fetches = _refused(clinic)
    lines = [one for one in worklist(clinic.gateway) if one.kind == "fetch"]
    assert [(one.about, one.count) for one in lines] == [("ehr", 1), ("ehr", 1)]
    assert lines[0].command == "caregate fetches again --source ehr --reason '…' (or drop)"
    assert "fetches" in inspect.status(clinic.gateway).attention
    assert inspect.fetches_again(clinic.gateway, "ehr", reason="scope granted", account="test") == 2
    assert [one.reference for one in fetches.take(9, MINUTE)] == ["Appointment/1", "Appointment/2"]
    assert [one for one in worklist(clinic.gateway) if one.kind == "fetch"] == []


def test_what_was_wanted_again_meanwhile_is_not_asked_for_twice(clinic: Clinic) -> None:
    """A new notification had it asked for already."""
    fetches = _refused(clinic)
    fetches.want([("Appointment/1", None)], "notified")
    inspect.fetches_again(clinic.gateway, "ehr", reason="scope granted", account="test")
    assert sorted(one.reference for one in fetches.take(9, MINUTE)) == ["Appointment/1", "Appointment/2"]


def test_what_is_dropped_is_over(clinic: Clinic) -> None:
    """By a person, with a reason; of an unknown source there is nothing."""
    fetches = _refused(clinic)
    assert inspect.fetches_drop(clinic.gateway, "ehr", reason="gone", account="test") == 2
    assert (fetches.take(9, MINUTE), inspect.fetches(clinic.gateway)) == ([], [])
    with pytest.raises(CommandError):
        inspect.fetches_drop(clinic.gateway, "nobody", reason="gone", account="test")


def test_what_is_not_read_in_time_is_told_to_staff(clinic: Clinic) -> None:
    """Nobody fetches, or the server does not answer."""
    _fetches(clinic).want([("Appointment/1", None)], "notified")
    clinic.clock.set(clinic.clock.now() + HOUR)
    with clinic.gateway.store.read() as unit:
        (found,) = [one for one in conditions.found(unit, clinic.gateway.site) if one.kind is AlertKind.FETCHING_STUCK]
    assert (found.source, found.count) == ("ehr", 1)
    assert [(one.source, one.state, one.count) for one in inspect.fetches(clinic.gateway)] == [("ehr", "open", 1)]


def test_what_was_read_is_forgotten_after_a_month(clinic: Clinic) -> None:
    """What is still wanted stays."""
    fetches = _refused(clinic)
    fetches.want([("Appointment/3", None)], "notified")
    clinic.clock.set(clinic.clock.now() + DUPLICATES + HOUR)
    assert retention.purge_fetches(clinic.gateway.store) == 2
    assert clinic.count("fetch") == 1
