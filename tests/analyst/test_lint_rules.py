"""Lint finds what is valid but wrong, at its line, and says what to do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.analyst.lint import Finding, lint
from gateway.packs import shipped

TESTS = """\
given:
  event: appointment.booked
  now: 2026-03-02 10:00
  facts: {appointment.start: 2026-03-20 09:30, appointment.status: booked}
tests:
  - name: sends
    expect: {sends: [{step: 7d, at: 2026-03-13 09:30, by: email}]}
  - name: silent
    event: appointment.missed
    expect: {silent: {because: when.event}}
"""
RULE = """\
rule: reminder
owner: desk@clinic.example
why: Fewer missed visits.
when:
  event: [appointment.booked]
  where:
    appointment.status: booked
send:
  purpose: TREAT
  remuneration: none
  topic: appointments
  channels: [email]
  template: note
  at: {before: appointment.start, by: [7d]}
  expires: appointment.start
  reveals: [patient.given_name]
"""
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a quiet folder with texts of the rule replaced."""

    def _write(changes: dict[str, str] | None = None, *, body: str = "Hello {{ patient.given_name }}\n") -> Path:
        shutil.copy(shipped("rules") / "policy.yaml", tmp_path)
        folder = tmp_path / "templates" / "note"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "subject.txt").write_text("A message\n", encoding="utf-8")
        (folder / "body.txt").write_text(body, encoding="utf-8")
        text = RULE
        for old, new in (changes or {}).items():
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "reminder.yaml").write_text(text, encoding="utf-8")
        (tmp_path / "reminder.test.yaml").write_text(TESTS, encoding="utf-8")
        return tmp_path

    return _write


def shown(folder: Path, found: list[Finding]) -> list[str]:
    return [str(one).replace(f"{folder}{os.sep}", "") for one in found]


def test_a_good_folder_is_quiet(write: Write) -> None:
    """No finding, no noise."""
    assert lint(write()) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("appointment.status: booked", "appointment.stauts: booked", "reminder.yaml:7:5: CG001 unknown fact"),
        ("reveals: [patient.given_name]", "reveals: []", "templates/note/body.txt:1:10: CG010 `patient.given_name` is not revealed by rule reminder"),
        ("purpose: TREAT", "purpose: HMARKT", "templates/note/body.txt:1:1: CG011 marketing must say how to stop it"),
        ("purpose: TREAT", "purpose: HPAYMT", "reminder.yaml:16:13: CG020 `patient.given_name` is ordinary, but policy.yaml lets HPAYMT show only public by email"),
        ("at: {before: appointment.start", "at: {after: appointment.start", "reminder.yaml:14:39: CG030 `7d` after `appointment.start` it has expired"),
        ("at: {before: appointment.start, by: [7d]}\n  expires: appointment.start", "at: {after: event.occurred, by: 7d}\n  expires: event.occurred", "reminder.yaml:15:12: CG030 `event.occurred` is past when the event is known"),
        ("appointment.status: booked", "patient.age: {at_least: 65, at_most: 18}", "reminder.yaml:7:5: CG031 no value lies between"),
        ("appointment.status: booked", "appointment.end: {after: 2026-03-01, before: 2026-03-01}", "reminder.yaml:7:5: CG031 no value lies between"),
        ("appointment.status: booked", "appointment.status: booked\n  unless:\n    appointment.status: [booked, pending]", "reminder.yaml:9:5: CG031 every value `where` asks"),
        ("appointment.status: booked", "encounter.class: inpatient", "reminder.yaml:7:5: CG032 the rule's events never tell `encounter.class`"),
        ("{before: appointment.start", "{before: encounter.start", "reminder.yaml:14:16: CG032 the rule's events never tell `encounter.start`"),
        ("{before: appointment.start", "{after: encounter.start", "reminder.yaml:14:15: CG032"),
    ],
)  # fmt: skip
def test_a_valid_but_wrong_rule_is_found_at_its_line(write: Write, old: str, new: str, expected: str) -> None:
    """The sentence says what to do."""
    folder = write({old: new})
    found = shown(folder, lint(folder))
    assert any(one.startswith(expected) for one in found), found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("appointment.status: booked", "encounter.class: {present: no}"),
        ("appointment.status: booked", "patient.age: {at_least: 18, at_most: 18}"),
        ("appointment.status: booked", "appointment.status: booked\n  unless:\n    appointment.status: pending"),
        ("appointment.status: booked", "appointment.status: booked\n  unless:\n    appointment.service: {present: no}"),
        (
            "appointment.status: booked",
            "appointment.status: {present: yes}\n  unless:\n    appointment.status: pending",
        ),
    ],
)
def test_what_only_looks_wrong_is_left_alone(write: Write, old: str, new: str) -> None:
    """A lint that cries wolf is switched off."""
    assert lint(write({old: new})) == []


def test_an_event_no_mapping_produces_is_found(write: Write) -> None:
    """And a reminder that nothing cancels (SI-04)."""
    folder = write()
    found = shown(folder, lint(folder, events={"appointment.missed"}))
    assert found == [
        "reminder.yaml:5:11: CG040 no mapping produces `appointment.booked`: map a message to it, or drop it"
    ]
    found = shown(folder, lint(folder, events={"appointment.booked"}))
    assert found == [
        (
            "reminder.yaml:5:10: CG042 nobody cancels this: no mapping produces `appointment.cancelled` or"
            " `appointment.deleted`; map a message to it"
        )
    ]
    assert lint(folder, events={"appointment.booked", "appointment.cancelled"}) == []
    missed = write({"appointment.booked": "appointment.missed"})
    assert lint(missed, events={"appointment.missed"}) == []


def test_a_code_no_table_produces_is_found(write: Write) -> None:
    """`booked` spelled as the feed spells it, or a service nobody has."""
    folder = write()
    found = shown(folder, lint(folder, codes={"appointment.status": frozenset({"pending"})}))
    assert found == [
        "reminder.yaml:7:25: CG041 no code table turns anything into `booked`: add it to the table, or drop it"
    ]
    assert lint(folder, codes={"appointment.status": frozenset({"booked"})}) == []
    other = write({"appointment.status: booked": "result.abnormal: {present: no}\n    patient.age: {at_least: 1}"})
    assert lint(other, codes={"result.abnormal": frozenset(), "patient.age": frozenset()}) == []


@pytest.mark.parametrize("asked", ["where", "unless"])
def test_what_is_known_only_when_a_message_is_due_cannot_decide_whether_it_is_planned(write: Write, asked: str) -> None:
    """A rule for people in hospital would never plan anything, while its own tests pass: `hold` is where to ask."""
    told = {"where": "    patient.inpatient: yes\n", "unless": "  unless:\n    patient.has_email: no\n"}[asked]
    folder = write({"    appointment.status: booked\n": "    appointment.status: booked\n" + told})
    fact = told.strip().removeprefix("unless:").strip().partition(":")[0]
    line = 8 if asked == "where" else 9
    assert shown(folder, lint(folder)) == [
        f"reminder.yaml:{line}:5: CG032 `{fact}` is not known before the message is due: ask for it under `hold`"
    ]


@pytest.mark.parametrize(
    ("tests", "missing"),
    [
        (None, "in which it sends and none in which nothing leaves"),
        (TESTS[: TESTS.index("  - name: silent")], "in which nothing leaves"),
        (
            TESTS.replace(TESTS[TESTS.index("  - name: sends") : TESTS.index("  - name: silent")], ""),
            "in which it sends",
        ),
    ],
)
def test_a_rule_needs_a_test_that_sends_and_one_that_stays_silent(
    write: Write, tests: str | None, missing: str
) -> None:
    """What is not tested is not activated."""
    folder = write()
    path = folder / "reminder.test.yaml"
    path.unlink() if tests is None else path.write_text(tests, encoding="utf-8")
    found = shown(folder, lint(folder))
    assert found == [f"reminder.yaml:1:1: CG050 rule reminder has no test {missing}: add one to reminder.test.yaml"]


def test_a_test_file_that_cannot_be_read_is_a_finding(write: Write) -> None:
    """With its own place."""
    folder = write()
    (folder / "reminder.test.yaml").write_text("tests: []\n", encoding="utf-8")
    assert shown(folder, lint(folder)) == [
        "reminder.test.yaml:1:8: CG001 `tests` must have at least this many entries: 1"
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            "Hello\n\nin {{ appointment.location.name }}\n",
            "body.txt:3:7: CG010 `appointment.location.name` is not revealed",
        ),
        ("{{ patient.given_name", "body.txt:1:1: CG010 template note: body.txt:1: this is not valid template syntax"),
        ("{% for x in y %}{% endfor %}", "body.txt:1:1: CG010 template note: body.txt:1: For is not allowed"),
    ],
)
def test_a_template_is_read_with_its_rule(write: Write, body: str, expected: str) -> None:
    """Every use of something not revealed is found at its line, in every language."""
    folder = write(body=body)
    (folder / "templates" / "note" / "es").mkdir()
    assert any(expected in one for one in shown(folder, lint(folder)))


def test_a_templates_folder_the_renderer_refuses_is_a_finding(write: Write) -> None:
    """What could not be rendered must not be activated."""
    folder = write()
    (folder / "templates" / "note" / "picture.png").write_bytes(b"\x89PNG")
    found = shown(folder, lint(folder))
    assert len(found) == 1
    assert "CG010" in found[0]
    assert "templates/note/body.txt:1:1" in found[0]


def test_findings_come_in_the_order_of_the_files(write: Write) -> None:
    """The same folder gives the same list."""
    folder = write({"purpose: TREAT": "purpose: HPAYMT", "appointment.status: booked": "encounter.class: x"})
    found = lint(folder)
    assert found == sorted(found)
    assert [one.code for one in found] == ["CG032", "CG020"]


def test_a_mistake_of_shape_in_one_file_hides_nothing_in_the_others(write: Write) -> None:
    """One round is enough; what only seems unused while a file cannot be read is left alone."""
    folder = write({"by: [7d]": "by: [7d, 0d]"})
    (folder / "other.yaml").write_text(RULE.replace("rule: reminder", "rule: other").replace("topic:", "topik:"))
    (folder / "other.test.yaml").write_text(TESTS)
    (folder / "templates" / "unused").mkdir()
    for name in ("subject.txt", "body.txt"):
        (folder / "templates" / "unused" / name).write_text("A message\n")
    told = shown(folder, lint(folder))
    assert any(one.startswith("other.yaml:11:3: CG001 unknown key `topik`") for one in told), told
    assert any(one.startswith("reminder.yaml:14:") and "CG030" in one for one in told), told
    assert not any("CG035" in one or "CG050" in one for one in told), told
    (folder / "other.yaml").unlink()
    assert any("CG035" in one for one in shown(folder, lint(folder)))
