"""What a message about orders says is decided order by order, and what is not released tells nobody (OR-*, RX-*, DO-01, VX-01)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mapping_messages import ROOT, at, msh

from gateway.er7.reader import parse
from gateway.mapping.orders import order_groups
from gateway.mapping.pack import Pack, load_pack
from gateway.model.errors import ConfigError
from gateway.model.event import EventKind, OccurrenceKind
from gateway.model.facts import Sensitivity
from gateway.model.verdict import Reason

PID = "PID|1||1234^^^LAKESIDE^MR"


def obr(status: str, order: str = "F7^LAB", **more: str) -> str:
    return at("OBR", **{"f3": order, "f4": "24323-8^CMP^LN", "f25": status, **more})


def obx(status: str, flag: str = "N") -> str:
    return at("OBX", f2="NM", f3="2345-7", f5="99", f8=flag, f11=status)


def kinds(reading) -> list[str]:
    return [event.kind.value for event in reading.events]


@pytest.mark.parametrize(
    ("report", "observations", "kind"),
    [
        ("F", "F", "available"),
        ("F", "FU", "available"),
        ("F", "FABV", "available"),
        ("F", "FC", "corrected"),
        ("C", "FF", "corrected"),
        ("F", "FD", "corrected"),
        ("F", "FP", "pending"),
        ("F", "FX", "pending"),
        ("F", "R", "pending"),
        ("F", "I", "pending"),
        ("F", "S", "pending"),
        ("F", "O", "pending"),
        ("F", "N", "pending"),
        ("F", "", "pending"),
        ("A", "F", "pending"),
        ("P", "F", "pending"),
        ("R", "F", "pending"),
        ("", "F", "pending"),
        ("F", "?", "pending"),
        ("F", "DD", "retracted"),
        ("F", "XX", "retracted"),
        ("F", "FW", "retracted"),
        ("X", "", "retracted"),
    ],
)
def test_a_result_is_available_only_when_report_and_every_observation_say_so(read, report, observations, kind) -> None:
    """OR-01, OR-02, OR-05, OR-06: table 0123 of the report and table 0085 of each observation, together."""
    told = read(msh("ORU^R01"), PID, obr(report), *(obx(one) for one in observations))
    assert kinds(told) == [f"result.{kind}"]


def test_an_observation_without_a_status_is_not_final(read) -> None:
    """OR-01: OBX-11 is required; what is not told is not final."""
    assert kinds(read(msh("ORU^R01"), PID, obr("F"), "OBX|1|NM|2345-7||99")) == ["result.pending"]


def test_no_rule_may_name_what_is_not_released() -> None:
    """OR-02, DO-01: these kinds are recorded, and fire nothing."""
    silent = {EventKind.RESULT_PENDING, EventKind.DOCUMENT_PENDING, EventKind.OBSERVATION_PENDING}
    assert {kind for kind in EventKind if not kind.fires} == silent


def test_the_order_and_its_test_name_a_result_not_the_set_id(event) -> None:
    """OR-07: filler before placer, ORC where OBR is empty; the test, because one accession holds several."""
    assert event(msh("ORU^R01"), PID, obr("F")).occurrence.key == "filler|F7|LAB|24323-8|LAKESIDE|MR|1234"
    placer = at("OBR", f1="9", f2="P7", f4="718-7", f25="F")
    assert event(msh("ORU^R01"), PID, placer).occurrence.key == "placer|P7|LAKESIDE|718-7|LAKESIDE|MR|1234"
    orc = event(msh("ORU^R01"), PID, "ORC|RE|P7|F8^^1.2.3^ISO", at("OBR", f25="F"))
    assert orc.occurrence.key == "filler|F8|1.2.3||LAKESIDE|MR|1234"
    assert orc.occurrence.kind is OccurrenceKind.DIAGNOSTIC_REPORT


def test_the_reports_own_time_orders_its_versions(event) -> None:
    """OR-03: OBR-22 orders the result; the person is as new as the message."""
    told = event(msh("ORU^R01"), PID, obr("F", f22="20260302083000"), obx("F"))
    assert told.occurrence.version == told.facts["result.issued"].utc == told.recorded - 30 * 60_000
    assert event(msh("ORU^R01"), PID, obr("F"), obx("F")).occurrence.version is None


def test_values_are_never_kept(event) -> None:
    """OR-08; law 5: no fact holds what OBX-5 says."""
    told = event(msh("ORU^R01"), PID, obr("F"), obx("F").replace("|99|", "|REACTIVE|"))
    assert "REACTIVE" not in repr(dict(told.facts))


@pytest.mark.parametrize(
    ("flags", "abnormal", "held"),
    [("N", False, False), ("H~N", True, False), ("HH", True, True), ("ZZ", True, True), ('""', None, None)],
)
def test_a_critical_value_is_never_first_told_by_a_machine(event, flags, abnormal, held) -> None:
    """OR-09: table 0078; an unknown flag is as good as critical."""
    told = event(msh("ORU^R01"), PID, obr("F"), obx("F", flags))
    assert told.facts.get("result.abnormal") is abnormal
    assert told.visit_flags.get(Reason.CRITICAL_RESULT) is held


def test_a_result_for_the_wrong_patient_is_flagged(event) -> None:
    """OR-05: OBX-11 = W."""
    assert event(msh("ORU^R01"), PID, obr("C"), obx("W")).visit_flags[Reason.WRONG_PATIENT]
    assert Reason.WRONG_PATIENT not in event(msh("ORU^R01"), PID, obr("C"), obx("F")).visit_flags


def test_protected_tests_are_of_the_highest_sensitivity(pack: Pack) -> None:
    """PV-08: the word of the code table says so; codes in no table too."""
    assert pack.sensitivity("result.code", "hiv-care") is Sensitivity.PROTECTED
    assert pack.sensitivity("result.code", "lipids") is Sensitivity.SENSITIVE
    assert pack.sensitivity("result.issued") is Sensitivity.ORDINARY
    assert pack.sensitivity("prescription.drug", "Aspirin") is Sensitivity.SENSITIVE


def test_order_groups_are_never_mixed() -> None:
    """OR-07, P-19: a group begins at ORC, or at an anchor where the one at hand has its own."""
    body = "\r".join((msh("ORU^R01"), PID, "ORC|1", "OBR|1", "OBX|1", "OBR|2", "OBX|2", "ORC|3", "OBR|3", "ORC|4"))
    groups = order_groups(parse(body.encode(), default_charset="UTF-8"), ("OBR",))
    assert [[line[:5] for line in group.lines[2:]] for group in groups] == [
        ["ORC|1", "OBR|1", "OBX|1"],
        ["OBR|2", "OBX|2"],
        ["ORC|3", "OBR|3"],
    ]


def test_several_patients_have_their_own_orders(read) -> None:
    """SI-20, C7 ORU_R01: PATIENT_RESULT repeats."""
    told = read(msh("ORU^R01"), PID, obr("F"), obx("F"), PID.replace("1234", "99"), obr("P"), obx("P"))
    assert [(one.kind.value, one.identifiers[0].value) for one in told.events] == [
        ("result.available", "1234"),
        ("result.pending", "99"),
    ]


def test_an_order_message_without_a_patient_is_ignored(read) -> None:
    """C4, C7: the PATIENT group is optional."""
    for type_ in ("ORU^R01", "ORM^O01", "RDE^O11", "RDS^O13", "OMP^O09"):
        assert read(msh(type_), obr("F")).ignored == "no patient in the message"


def rde(control: str, remaining: str) -> tuple[str, ...]:
    return (PID, f"ORC|{control}|O1", at("RXE", f2="0378^Aspirin", f16=remaining))


@pytest.mark.parametrize(
    ("control", "remaining", "kind"),
    [
        ("NW", "0", "new"),
        ("NW", "", "new"),
        ("RE", "0", "no-refills-left"),
        ("XX", "0.0", "no-refills-left"),
        ("RE", "", "changed"),
        ("RE", '""', "changed"),
        ("RE", "many", "changed"),
        ("XX", "2", "renewed"),
        ("OF", "", "renewed"),
        ("CA", "0", "cancelled"),
        ("OD", "", "discontinued"),
        ("HR", "", "held"),
        ("RL", "", "resumed"),
    ],
)
def test_not_every_pharmacy_order_is_a_new_prescription(read, control, remaining, kind) -> None:
    """RX-01, RX-03: ORC-1 decides; none are left only where the number is told and zero."""
    assert kinds(read(msh("RDE^O11"), *rde(control, remaining))) == [f"prescription.{kind}"]


@pytest.mark.parametrize("control", ["RF", "DF", "UA", "??", ""])
def test_what_has_not_happened_is_no_event(read, control) -> None:
    """RX-03: a request, a refusal, or a code that says nothing."""
    told = read(msh("RDE^O11"), *rde(control, "1"))
    assert (told.events, told.ack) == ((), "AA")
    assert told.ignored


def test_each_dispense_of_a_prescription_is_its_own(event) -> None:
    """RX-02: RXD-1 and RXD-3 with the prescription; what takes it back names the same."""
    keys = {
        event(msh("RDS^O13"), PID, f"ORC|{control}|O1", at("RXD", f1=one, f2="A", f3="20260302", f8="0")).occurrence.key
        for control, one in (("RE", "1"), ("CA", "1"), ("RE", "2"))
    }
    assert keys == {"placer|O1|LAKESIDE|1|20260302", "placer|O1|LAKESIDE|2|20260302"}


def test_a_truncated_number_is_no_number(read) -> None:
    """P-14: a value cut off is never compared."""
    header = msh("RDE^O11").replace("^~\\&", "^~\\&#")
    assert kinds(read(header, PID, "ORC|NW|O123#", at("RXE", f2="A"))) == ["patient.updated"]


def test_a_text_cut_off_says_nothing(read) -> None:
    """P-14: what is left of a dose is another dose; it is absent with warnings."""
    header = msh("RDE^O11").replace("^~\\&", "^~\\&#")
    told = read(header, PID, "ORC|NW|O123", at("RXE", f2="0002^Insulin 10#"))
    assert "prescription.drug" not in told.events[0].facts
    assert [(fault.code, fault.severity) for fault in told.faults] == [(104, "W"), (102, "W")]
    whole = read(header, PID, "ORC|NW|O123", at("RXE", f2="0002^Insulin 100 U\\R\\ml"))
    assert whole.events[0].facts["prescription.drug"] == "Insulin 100 U~ml"


@pytest.mark.parametrize(
    ("completion", "confidentiality", "availability", "kind"),
    [
        ("AU", "U", "AV", "available"),
        ("LA", "", "AV", "available"),
        ("DO", "U", "AV", "pending"),
        ("", "U", "AV", "pending"),
        ("AU", "V", "AV", "pending"),
        ("AU", "U", "UN", "pending"),
        ("AU", "U", "", "pending"),
        ("AU", "U", "CA", "withdrawn"),
    ],
)
def test_only_a_released_document_is_available(read, completion, confidentiality, availability, kind) -> None:
    """DO-01: TXA-17 in AU, LA; TXA-18 usual; TXA-19 = AV."""
    txa = at("TXA", f12="D1", f17=completion, f18=confidentiality, f19=availability)
    assert kinds(read(msh("MDM^T02"), PID, txa)) == [f"document.{kind}"]


def test_a_document_whose_state_nobody_tells_is_pending(read) -> None:
    """DO-01: nothing told is nothing released."""
    assert kinds(read(msh("MDM^T02"), PID, "TXA|1|DS||||||||||D1")) == ["document.pending"]


@pytest.mark.parametrize(
    ("completion", "action", "source", "kind"),
    [
        ("CP", "A", "00", "given"),
        ("", "U", "", "given"),
        ("CP", "D", "01", "retracted"),
        ("RE", "A", "00", None),
        ("NA", "A", "00", None),
        ("PA", "A", "00", None),
        ("CP", "A", "01", None),
        ("RE", "U", "00", "retracted"),
        ("NA", "U", "00", "retracted"),
        ("CP", "U", "00", "given"),
    ],
)
def test_only_a_dose_given_now_is_an_event(read, completion, action, source, kind) -> None:
    """VX-01: RXA-20, RXA-21; a dose told from history (RXA-9) earns no thanks years later."""
    rxa = at("RXA", f3="20260302", f5="140^FLU^CVX", f9=source, f20=completion, f21=action)
    assert kinds(read(msh("VXU^V04"), PID, "ORC|RE||V1", rxa)) == ([f"immunization.{kind}"] if kind else [])


def overlay(folder: Path, text: str) -> list[Path]:
    (folder / "hl7v2").mkdir()
    (folder / "hl7v2" / "site.yaml").write_text(text, encoding="utf-8")
    return [ROOT / "mappings", folder]


_KEY = "key: {path: PV1-19, compute: visit_key}\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            f"mapping: n\nabout: Encounter\n{_KEY}messages:\n  ADT^A51: {{when: {{otherwise: {{ignored: x}}}}}}\n",
            "`decide`",
        ),
        ("mapping: results\nmessages:\n  ORU^R03: {when: {final: {event: result.available}}}\n", "write `otherwise`"),
        (
            "mapping: results\nmessages:\n  ORU^R03: {event: result.pending, when: {otherwise: {ignored: x}}}\n",
            "either",
        ),
        (
            "mapping: results\nmessages:\n  ORU^R03: {when: {otherwise: {event: patient.added}}}\n",
            "is not an event about",
        ),
        (
            "mapping: results\nmessages:\n  ORU^R03: {when: {otherwise: {when: {otherwise: {ignored: x}}}}}\n",
            "another `when` in it",
        ),
        ("mapping: results\nmessages:\n  ORU^R03: {event: result.pending, replaces: yes}\n", "has no `replaces`"),
        ("mapping: results\nfacts:\n  result.status: {path: OBR-25, codes: result}\n", "told by `messages`"),
        ("mapping: results\ndecide: {path: OBR-25}\n", "needs a code table"),
    ],
)
def test_a_decision_that_cannot_work_is_refused_with_its_place(tmp_path: Path, text, says) -> None:
    """E-08 of analysts: file, line, and what to write."""
    with pytest.raises(ConfigError) as refused:
        load_pack(overlay(tmp_path, text))
    assert any(says in problem and re.search(r"site\.yaml:\d+:\d+", problem) for problem in refused.value.problems)


def test_a_site_may_release_partial_reports(tmp_path: Path, pack: Pack) -> None:
    """OR-02: "and, by site, A": one line in an overlay of the code table."""
    (tmp_path / "codes").mkdir()
    (tmp_path / "codes" / "ours.yaml").write_text(
        'table: result-status\ncodes:\n  "A^^HL70123": final\n', encoding="utf-8"
    )
    assert load_pack([ROOT / "mappings", tmp_path]).tables["result-status"].codes["a^^hl70123"] == "final"
    assert pack.tables["result-status"].codes["a^^hl70123"] == "preliminary"
