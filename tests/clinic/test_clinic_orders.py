"""Results, medicines, documents and vaccinations: told once released, corrected by a notice of its own, withdrawn when taken back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import clinic_messages as hl7
import pytest
from clinic_dsl import Clinic, OpenClinic
from clinic_site import write_rules

from gateway.model.event import Outcome

RULE = """\
rule: {name}
owner: results@lakeside.example
why: People who hear of news look at it.
when:
  event: {event}
send:
  purpose: TREAT
  remuneration: none
  topic: results
  channels: [email]
  template: news
  at: {{after: event.occurred, by: {by}}}
  expires_after: 10d
  reveals: [patient.given_name]
"""
NEWS = "Dear {{ patient.given_name }}, there is news in your portal. {{ opt_out }}\n"
RULES = {
    "result-available": "result.available",
    "result-corrected": "result.corrected",
    "no-refills": "prescription.no-refills-left",
    "medicine-ready": "prescription.dispensed",
    "document-available": "document.available",
    "thanks": "immunization.given",
    "welcome": "encounter.admitted",
}


def own_rules(folder: Path, by: str = "2h") -> Path:
    """One rule for each kind of news, which leaves a while after it."""
    rules = {name: RULE.format(name=name, event=event, by=by) for name, event in RULES.items()}
    return write_rules(folder, rules, templates={"news": NEWS})


@pytest.fixture
def news(open_clinic: OpenClinic, tmp_path: Path) -> Clinic:
    """A clinic that tells its patients of news two hours later; Ann said yes to mail."""
    clinic = open_clinic(rules=own_rules(tmp_path / "own"))
    clinic.enrols("Ann")
    return clinic


def tells(clinic: Clinic, kind: str, handle: str, *segments: str, pid: hl7.Fields | None = None) -> Outcome:
    """A message of another kind about somebody."""
    at = clinic.clock.now()
    head = hl7.msh(kind, clinic._control(), at)
    return clinic.hears(hl7.body(head, hl7.pid(clinic.person(handle), pid), *segments))


def result(clinic: Clinic, status: str, *, handle: str = "Ann", flag: str = "N", order: str = "F7", code: str = "24323-8",
           at: Mapping[int, str] | None = None) -> Outcome:  # fmt: skip
    """ORU^R01 with one order and one observation."""
    obr = hl7.segment("OBR", {1: "1", 3: f"{order}^LAB", 4: f"{code}^X^LN", 25: status, **(at or {})})
    obx = hl7.segment("OBX", {1: "1", 2: "NM", 3: "2345-7", 5: "99", 8: flag, 11: status})
    return tells(clinic, "ORU^R01^ORU_R01", handle, obr, obx)


def rules_sent(clinic: Clinic, handle: str = "Ann") -> list[str]:
    return [one.rule for one in clinic.requests(handle) if one.state == "completed"]


def test_a_final_result_is_told_once_and_its_repeat_is_not(news: Clinic) -> None:
    """OR-02, D-06: final and released; told again under another control id, nothing more leaves."""
    assert result(news, "F").events == ("result.available",)
    news.passes("3h")
    result(news, "F")
    news.passes("1d")
    assert rules_sent(news) == ["result-available"]


def test_a_preliminary_result_tells_nobody_until_it_is_final(news: Clinic) -> None:
    """OR-02: recorded silently; the final report is the news."""
    result(news, "P")
    news.passes("1d")
    assert (news.mails(), news.requests("Ann")) == ([], [])
    result(news, "F")
    news.passes("1d")
    assert rules_sent(news) == ["result-available"]


def test_a_result_that_is_not_final_after_all_is_not_told(news: Clinic) -> None:
    """OR-02: what waits is withdrawn when the report goes back to preliminary."""
    result(news, "F")
    result(news, "P")
    news.passes("1d")
    assert (news.mails(), news.ended("Ann")) == ([], ["no-longer-matches"])


def test_a_correction_is_a_notice_of_its_own(news: Clinic) -> None:
    """OR-04: after a final one was told; the corrected report told again, as F too, is no new result."""
    result(news, "F")
    news.passes("3h")
    assert result(news, "C").events == ("result.corrected",)
    news.passes("3h")
    assert result(news, "F").events == ("result.corrected",)
    news.passes("1d")
    assert rules_sent(news) == ["result-available", "result-corrected"]


@pytest.mark.parametrize("status", ["D", "X", "W"])
def test_a_retracted_result_is_withdrawn(news: Clinic, status: str) -> None:
    """OR-05: deleted, not obtainable, of the wrong patient."""
    result(news, "F")
    assert result(news, status).events == ("result.retracted",)
    news.passes("1d")
    assert (news.mails(), news.ended("Ann")) == ([], ["cancelled"])


def test_a_result_once_sent_for_the_wrong_patient_waits_for_a_person(news: Clinic) -> None:
    """OR-05: whatever comes under that order later."""
    result(news, "W")
    result(news, "F")
    assert news.waiting("Ann") == ["wrong-patient"]


def test_a_critical_value_waits_for_a_person_until_it_is_corrected(news: Clinic) -> None:
    """OR-09: never automatically as the first notice."""
    result(news, "F", flag="HH")
    news.passes("1d")
    assert (news.mails(), news.waiting("Ann")) == ([], ["critical-result"])
    result(news, "C", flag="N")
    news.passes("1d")
    assert rules_sent(news) == ["result-corrected"]


def test_an_overtaken_report_changes_nothing(news: Clinic) -> None:
    """OR-03: OBR-22 orders the reports, whenever they arrive."""
    now = news.clock.now()
    result(news, "F", at={22: hl7.stamp(now - 60_000)})
    result(news, "P", at={22: hl7.stamp(now - 3_600_000)})
    news.passes("1d")
    assert rules_sent(news) == ["result-available"]


def test_a_result_of_protected_care_is_never_told(news: Clinic) -> None:
    """PV-08; 42 CFR Part 2: the kind of test betrays it."""
    result(news, "F", code="75622-1")
    assert news.reasons("Ann") == ["protected-service"]


def test_a_test_in_no_table_waits_for_a_person(news: Clinic) -> None:
    """PV-08: unmapped is of the highest sensitivity."""
    result(news, "F", code="LOCAL-1")
    assert news.waiting("Ann") == ["unmapped-code"]


def test_the_same_order_number_of_another_person_is_another_result(news: Clinic) -> None:
    """OR-07: laboratories use their numbers again."""
    news.enrols("Ben")
    result(news, "F")
    result(news, "F", handle="Ben")
    assert (news.holds("Ann"), news.holds("Ben"), news.count("occurrence")) == (set(), set(), 2)


# -- medicines


def prescription(clinic: Clinic, control: str, remaining: str = "") -> Outcome:
    rxe = hl7.segment("RXE", {2: "0378^Aspirin^NDC", 16: remaining})
    return tells(clinic, "RDE^O11^RDE_O11", "Ann", f"ORC|{control}|O7^EHR", rxe)


def dispense(clinic: Clinic, control: str, number: str) -> Outcome:
    return tells(clinic, "RDS^O13^RDS_O13", "Ann", f"ORC|{control}|O7^EHR", f"RXD|{number}|0378^Aspirin|20260302|30")


def test_no_refills_left_is_told_until_it_is_renewed(news: Clinic) -> None:
    """RX-01, RX-03: only a zero that is told; a renewal withdraws what waits."""
    prescription(news, "NW", "2")
    prescription(news, "RE", "")
    assert news.requests("Ann") == []
    prescription(news, "RE", "0")
    assert len(news.planned("Ann")) == 1
    assert prescription(news, "AF", "3").events == ("prescription.renewed",)
    assert news.ended("Ann") == ["no-longer-matches"]
    assert prescription(news, "AF", "3").events == ("prescription.changed",)


def test_a_cancelled_prescription_withdraws_what_waits(news: Clinic) -> None:
    """RX-03: CA, and nothing revives it but a new order."""
    prescription(news, "RE", "0")
    prescription(news, "CA")
    prescription(news, "RE", "0")
    assert "cancelled" in news.ended("Ann")


def test_each_dispense_is_told_and_a_cancelled_one_is_not(news: Clinic) -> None:
    """RX-02: RDS with ORC-1 = CA."""
    dispense(news, "RE", "1")
    news.passes("3h")
    dispense(news, "RE", "2")
    dispense(news, "CA", "2")
    news.passes("1d")
    assert rules_sent(news) == ["medicine-ready"]
    assert news.ended("Ann") == ["cancelled"]


# -- documents and vaccinations


def document(clinic: Clinic, trigger: str, number: str, *, parent: str = "", state: str = "AV") -> Outcome:
    txa = {1: "1", 2: "DS", 12: f"{number}^DOC", 13: parent and f"{parent}^DOC", 17: "AU", 18: "U", 19: state}
    return tells(clinic, f"MDM^{trigger}", "Ann", hl7.segment("TXA", txa))


def test_a_replaced_document_is_told_once(news: Clinic) -> None:
    """DO-01: T10 takes the place of its parent; T11 and unavailability withdraw."""
    document(news, "T02", "D1")
    document(news, "T10", "D2", parent="D1")
    assert news.ended("Ann") == ["superseded"]
    document(news, "T06", "D3", parent="D2")
    assert len(news.planned("Ann")) == 2
    document(news, "T11", "D3")
    document(news, "T04", "D2", state="UN")
    news.passes("1d")
    assert news.mails() == []


def test_an_older_replacement_replaces_nothing(news: Clinic) -> None:
    """DO-01; N-06: told before what stands."""
    earlier = news.clock.now()
    news.passes("1h")
    document(news, "T02", "D1")
    txa = {1: "1", 2: "DS", 12: "D0^DOC", 13: "D1^DOC", 17: "AU", 18: "U", 19: "AV"}
    head = hl7.msh("MDM^T10", news._control(), earlier)
    news.hears(hl7.body(head, hl7.pid(news.person("Ann")), hl7.segment("TXA", txa)))
    assert "superseded" not in news.ended("Ann")


@pytest.mark.parametrize(("action", "done"), [("D", "CP"), ("U", "RE"), ("U", "NA")])
def test_a_retracted_dose_earns_no_thanks(news: Clinic, action: str, done: str) -> None:
    """VX-01: RXA-21 = D, or U to a dose that was refused or not given after all."""
    for change, completion in (("A", "CP"), (action, done)):
        rxa = {3: "20260302", 5: "140^FLU^CVX", 9: "00", 20: completion, 21: change}
        tells(news, "VXU^V04^VXU_V04", "Ann", "ORC|RE||V1^CLINIC", hl7.segment("RXA", rxa))
    news.passes("1d")
    assert (news.mails(), news.ended("Ann")) == ([], ["cancelled"])


# -- visits


def test_a_transfer_or_change_of_class_welcomes_nobody_again(news: Clinic) -> None:
    """AD-02, AD-06, AD-09: the same visit."""
    news.admits("Ann")
    for trigger in ("A02", "A12", "A06", "A07"):
        news._visited(trigger, "Ann", {2: "I"})
    news.passes("1d")
    assert rules_sent(news) == ["welcome"]
    assert news.count("occurrence") == 1


def test_a_transfer_after_the_discharge_opens_nothing(news: Clinic) -> None:
    """AD-02, AD-03: what is over stays over."""
    news.admits("Ann")
    news.discharges("Ann")
    news._visited("A02", "Ann", {2: "I"})
    news._visited("A05", "Ann", {2: "I"})
    assert visit_status(news) == "finished"


@pytest.mark.parametrize(("first", "then"), [("A05", "A38"), ("A14", "A27")])
def test_an_expected_visit_may_be_cancelled_but_not_one_that_began(news: Clinic, first: str, then: str) -> None:
    """AD-05, AD-11, AD-17."""
    news._visited(first, "Ann", {2: "P"}, visit="V1")
    assert visit_status(news) == "planned"
    news._visited(then, "Ann", {2: "P"}, visit="V1")
    assert visit_status(news) == "cancelled"
    news._visited("A01", "Ann", {2: "I"}, visit="V1")
    news._visited(then, "Ann", {2: "P"}, visit="V1")
    assert visit_status(news) == "in-progress"


def test_a_deleted_visit_is_withdrawn(news: Clinic) -> None:
    """AD-13: A23."""
    news.admits("Ann")
    news._visited("A23", "Ann", {2: "I"})
    assert (visit_status(news), news.ended("Ann")) == ("entered-in-error", ["cancelled"])


def test_charges_complete_a_visit(news: Clinic) -> None:
    """DF-01: PV1-45 in a DFT."""
    news.registers("Ann")
    pv1 = hl7.segment("PV1", {1: "1", 2: "O", 3: "MAIN", 19: "V001^^^LAKESIDE", 45: hl7.stamp(news.clock.now())})
    assert tells(news, "DFT^P03^DFT_P03", "Ann", pv1).events == ("encounter.discharged",)
    assert visit_status(news) == "finished"
    without = hl7.segment("PV1", {1: "1", 2: "O", 19: "V001^^^LAKESIDE"})
    assert tells(news, "DFT^P03^DFT_P03", "Ann", without).result == "ignored"


def visit_status(clinic: Clinic) -> str:
    from gateway.store import tables

    with clinic.gateway.store.read() as unit:
        rows = unit.lookup(tables.occurrence, ("status",), "patient", [clinic.token("Ann")])
    assert len(rows) == 1
    return str(rows[0][0])


# -- appointments


def test_a_list_books_moves_and_cancels_but_what_it_leaves_out_stays(clinic: Clinic) -> None:
    """SI-10: S27 adds and updates; a status that says cancelled ends (SI-25), absence does not."""
    clinic.enrols("Ann")
    clinic.books("Ann", on="2026-03-20 09:30", trigger="S27", appointment="L1")
    clinic.books("Ann", on="2026-03-23 09:30", trigger="S27", appointment="L2")
    assert len(clinic.planned("Ann")) == 4
    clinic.books("Ann", on="2026-03-20 09:30", trigger="S27", appointment="L1", status="Cancelled")
    assert (clinic.ended("Ann"), len(clinic.planned("Ann"))) == (["cancelled"] * 2, 2)
    clinic.books("Ann", on="2026-03-24 09:30", trigger="S27", appointment="L3", status="Cancelled")
    assert len(clinic.planned("Ann")) == 2


def test_a_change_that_says_cancelled_cancels(clinic: Clinic) -> None:
    """SI-25: the status decides the state, and nothing is sent about what is cancelled."""
    clinic.enrols("Ann")
    clinic.books("Ann", on="2026-03-20 09:30")
    assert clinic.modifies("Ann", status="Cancelled").events == ("appointment.cancelled",)
    assert clinic.ended("Ann") == ["cancelled", "cancelled"]


@pytest.mark.parametrize("trigger", ["S18", "S19", "S20", "S21", "S22"])
def test_a_change_of_resources_leaves_the_appointment(clinic: Clinic, trigger: str) -> None:
    """SI-07: whatever the filler status says of the resource."""
    clinic.enrols("Ann")
    clinic.books("Ann", on="2026-03-20 09:30")
    clinic._again(trigger, "Ann", None, status="Cancelled")
    assert len(clinic.planned("Ann")) == 2
