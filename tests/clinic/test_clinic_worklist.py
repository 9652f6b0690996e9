"""One list of everything that waits for a person: nothing is missing, each line says how long and what to type."""

from __future__ import annotations

import shlex

import pytest
from clinic_dsl import Answer, Clinic, OpenClinic

from gateway.cli.commands import command
from gateway.model.when import DAY, HOUR
from gateway.pipeline import brakes, inspect
from gateway.pipeline.brakes import Scope, Stop
from gateway.pipeline.inspect import Choice
from gateway.store import tables

FIRST = "2026-03-20 09:30"


def _lines(clinic: Clinic, *kinds: str) -> list[inspect.WorkItem]:
    return inspect.worklist(clinic.gateway, kinds=kinds)


def _exists(line: inspect.WorkItem) -> bool:
    """Whether what is to be typed is a command of ours."""
    words = shlex.split(line.command.partition(" (")[0])
    assert words[0] == "caregate"
    found = command().commands[words[1]]
    return words[2] in found.commands if getattr(found, "commands", None) else True


@pytest.fixture
def booked(clinic: Clinic) -> Clinic:
    """Ann, who said yes to mail, is booked for Friday 2026-03-20 at 9:30."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    return clinic


def test_a_quiet_clinic_has_nothing_for_anybody(booked: Clinic) -> None:
    """What only waits for its time needs nobody."""
    assert _lines(booked) == []


def test_an_unknown_outcome_waits_since_it_was_due(booked: Clinic) -> None:
    """With the request and what to type."""
    booked.post.will(Answer.LOSE)
    booked.until("2026-03-14 09:30")
    (line,) = _lines(booked)
    request = booked.requests("Ann")[0].id
    assert (line.kind, line.about, line.age) == ("outcome-unknown", str(request), DAY)
    assert line.command == f"caregate outbox release {request} --reason '…' (or withdraw)"


def test_everything_that_waits_is_listed_oldest_first(booked: Clinic) -> None:
    """Held by hand, flagged, unreadable, doubtful, replied, undelivered opt-out, silent, stopped."""
    clinic = booked
    clinic.enrols("Ben")
    clinic.books("Ben", on=FIRST, visit=["PV1|1|O|MAIN" + "|" * 13 + "VIP"])
    clinic.enrols("Cleo")
    clinic.changes("Cleo", pid={31: "Y"})
    inspect.hold_requests(clinic.gateway, Choice(patient=clinic.token("Ann")), reason="x", account="os:operator")
    bad = clinic.schedules("S12", "Ann", start=FIRST, appointment="A9").replace(b"SCH|A9^PLACER|A9^SCHED", b"SCH||")
    clinic.hears(bad)
    clinic.passes("2h")
    request = clinic.requests("Ann")[0].id
    with clinic.gateway.store.begin("test") as uow:
        uow.insert(
            tables.inbound,
            ("id", "channel", "provider_event", "address", "sender", "received", "feed_key", "meaning", "state", "request"),
            [(uow.new_id(), "sms", "e1", 1, "+13125550100", uow.now - HOUR, 1, "free-text", "open", request)],
        )  # fmt: skip
        columns = ("id", "consent", "target", "state", "legal_by", "next_at")
        uow.insert(tables.revocation, columns, [(uow.new_id(), 7, "cdp", "failed", uow.now - 1, 0)])
        uow.update(tables.source, ("name",), ("silent_since", "held"), [(uow.now - 3 * DAY, 1, "partner")])
        uow.audit([("test",)])
        uow.commit()
    day = (clinic.when("2026-03-20 00:00"), clinic.when("2026-03-21 00:00"))
    for what in (Stop(scope=Scope.EVERYTHING), Stop(scope=Scope.FACILITY, value="main", day=day)):
        brakes.stop(clinic.gateway.store, what, why="snow", account="os:operator")
    lines = _lines(clinic)
    assert {(one.kind, one.about if one.kind in ("held", "quarantine", "feed-silent") else "") for one in lines} == {
        ("held", "held-by-hand"),
        ("held", "confidential-visit"),
        ("quarantine", "ehr"),
        ("patient", ""),
        ("reply", ""),
        ("revocation", ""),
        ("feed-silent", "partner"),
        ("feed-held", ""),
        ("stopped", ""),
    }
    ages = [one.age for one in lines if one.age is not None]
    assert ages == sorted(ages, reverse=True)
    assert lines[0].kind == "feed-silent"
    assert all(map(_exists, lines))
    told = {one.kind: one for one in lines}
    assert told["patient"].command == (
        f"caregate holds release-patient {clinic.token('Cleo')} identity-doubtful --reason '…'"
    )
    assert told["patient"].age is not None
    assert told["patient"].age >= 2 * HOUR
    assert "late by law" in told["revocation"].what
    assert told["revocation"].command == f"caregate consent told {told['revocation'].about} --reason '…'"
    assert told["reply"].command.startswith(f"caregate replies decide {told['reply'].about} done --reason '…'")
    assert f"about request {request}" in told["reply"].what
    assert {one.command for one in lines if one.kind == "stopped"} == {
        "caregate outbox resume --reason '…'",
        "caregate outbox resume --facility main --date 2026-03-20 --reason '…'",
    }
    assert [one.kind for one in _lines(clinic, "reply", "stopped")] == ["reply", "stopped", "stopped"]


def test_a_possible_duplicate_is_a_line_of_its_own(clinic: Clinic) -> None:
    """AD-31: a merge brought the same appointment twice."""
    for one in ("Ann", "Bea"):
        clinic.enrols(one)
        clinic.books(one, on=FIRST)
    clinic.merges("Bea", into="Ann")
    kinds = [one.kind for one in _lines(clinic)]
    assert kinds.count("possible-duplicate") >= 1


def test_a_code_nobody_knows_names_the_command_that_shows_it(clinic: Clinic) -> None:
    """PV-08."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST, service="XYZZY")
    (line,) = _lines(clinic)
    assert (line.kind, line.count, line.command) == ("unmapped-code", 2, "caregate holds codes --reason '…'")


def test_a_replayed_draft_waits_until_it_is_put_in_force(booked: Clinic) -> None:
    """Rules that were looked at and not activated."""
    in_force = booked.gateway.rules.current().ruleset.digest
    with booked.gateway.store.begin("os:analyst") as uow:
        columns = ("digest", "ruleset", "against", "at", "by")
        uow.insert(tables.rule_report, columns, [("d1", "f" * 64, in_force, uow.now, "os:analyst")])
        uow.audit([("test",)])
        uow.commit()
    (line,) = _lines(booked)
    assert (line.kind, line.command) == ("rules", "caregate rules activate --report d1")


def test_a_held_source_is_listed_once_not_each_of_its_sends(open_clinic: OpenClinic) -> None:
    """What its release settles is no work of its own."""
    clinic = open_clinic(ehr={"start": "held"})
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    clinic.passes("12d")
    assert [(one.kind, one.about) for one in _lines(clinic)] == [("feed-held", "ehr")]
