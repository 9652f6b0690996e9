"""A result sent for the wrong patient is taken back, and somebody has to look who was told of it (OR-05; 5.5(6))."""

from __future__ import annotations

from pathlib import Path

import clinic_messages as hl7
import pytest
from clinic_dsl import Clinic, OpenClinic
from clinic_site import shipped_rule, write_rules

from gateway.model.event import Outcome
from gateway.pipeline import inspect
from gateway.pipeline.inspect.worklist import WorkKind, worklist

FIRST, WEEK, DAY_BEFORE = "2026-03-20 09:30", "2026-03-13 09:30", "2026-03-19 09:30"
TOLD = """\
rule: {name}
owner: results@lakeside.example
why: {name}.
when: {{event: {event}}}
send:
  purpose: TREAT
  remuneration: none
  topic: results
  channels: [email]
  template: news
  at: {{after: event.occurred, by: 1h}}
  expires_after: 1d
  reveals: [patient.given_name]
"""

NEWS = "Dear {{ patient.given_name }}, there is news in your portal. {{ opt_out }}\n"


@pytest.fixture
def clinic(open_clinic: OpenClinic, tmp_path: Path) -> Clinic:
    """Ann, who said yes to mail, is booked for Friday 2026-03-20, and told of results new and corrected."""
    rules = {one: TOLD.format(name=one, event=f"result.{one}") for one in ("available", "corrected")}
    rules["appointment-reminder"] = shipped_rule("appointment-reminder")
    clinic = open_clinic(rules=write_rules(tmp_path / "rules", rules, templates={"news": NEWS}))
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    return clinic


def result(clinic: Clinic, report: str, observation: str | None = None) -> Outcome:
    obr = hl7.segment("OBR", {1: "1", 3: "F7^LAB", 4: "24323-8^X^LN", 25: report})
    obx = hl7.segment("OBX", {1: "1", 2: "NM", 3: "2345-7", 5: "99", 8: "N", 11: observation or report})
    head = hl7.msh("ORU^R01^ORU_R01", clinic._control(), clinic.clock.now())
    return clinic.hears(hl7.body(head, hl7.pid(clinic.person("Ann")), obr, obx))


def incidents(clinic: Clinic) -> list[str]:
    return [one.command for one in worklist(clinic.gateway, kinds=[WorkKind.PATIENT])]


def test_a_result_of_somebody_else_is_an_incident_though_all_was_told_before(clinic: Clinic) -> None:
    """5.5(6); OR-02, OR-04, OR-05: P nothing, F a notice, C a correction; then W, with nothing left to withdraw."""
    for status in ("P", "F", "C"):
        result(clinic, status)
        clinic.passes("3h")
    assert [one.rule for one in clinic.requests("Ann") if one.state == "completed"] == ["available", "corrected"]
    assert incidents(clinic) == []
    assert result(clinic, "C", "W").events == ("result.retracted",)
    (command,) = incidents(clinic)
    assert f"holds release-patient {clinic.token('Ann')} wrong-patient" in command


def test_nothing_is_sent_until_somebody_has_looked_into_the_incident(clinic: Clinic) -> None:
    """OR-05; law 6: what else is told of her may be somebody else's too; the same W again is nothing new."""
    result(clinic, "F", "W")
    clinic.until("2026-03-14 09:00")
    assert (clinic.mails(), clinic.waiting("Ann")) == ([], ["wrong-patient"])
    token = clinic.token("Ann")
    inspect.release_patient(clinic.gateway, token, "wrong-patient", reason="incident 7 is closed", account="os:officer")
    result(clinic, "F", "W")
    assert incidents(clinic) == []
    clinic.passes("7d")
    assert clinic.arrivals("Ann") == ["2026-03-14 09:00", DAY_BEFORE]
