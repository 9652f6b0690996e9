"""A rule folder is loaded whole or refused with every problem at its line."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from gateway.model.consent import ChannelKind, Purpose
from gateway.model.errors import ConfigError
from gateway.model.facts import Sensitivity
from gateway.model.policy import Basis, Cap
from gateway.model.request import Priority
from gateway.model.when import DAY, HOUR, MINUTE
from gateway.packs import shipped
from gateway.ruleset import load
from gateway.ruleset.load import load_files, read_files, sound

Write = Callable[..., Path]


def refused(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder)
    return "\n".join(problem.replace(f"{folder}{os.sep}", "") for problem in caught.value.problems)


def test_a_rule_file_becomes_a_rule(write: Write) -> None:
    """Every key finds its place."""
    rules = load(write({"[7d, 36h]": "[7d, 36h, 30m]"}))
    reminder = rules.named("reminder")
    assert reminder is not None
    assert rules.named("other") is None
    assert reminder.events == {"appointment.booked"}
    assert reminder.file == "reminder.yaml"
    assert (reminder.purpose, reminder.priority) == (Purpose.TREAT, Priority.CLINICAL)
    assert (reminder.channels, reminder.preferred_first) == ((ChannelKind.EMAIL,), True)
    assert [(s.label, s.days, s.millis) for s in reminder.schedule.steps] == [
        ("7d", -7, 0),
        ("36h", 0, -36 * HOUR),
        ("30m", 0, -30 * MINUTE),
    ]
    assert (reminder.expires, reminder.expires_after, reminder.max_age) == ("appointment.start", None, 2 * DAY)
    assert [c.line for c in (*reminder.where, *reminder.unless, *reminder.hold)] == [7, 9, 11]


@pytest.mark.parametrize(
    ("purpose", "priority"),
    [("TREAT", Priority.CLINICAL), ("HOPERAT", Priority.ROUTINE), ("HMARKT", Priority.MARKETING)],
)
def test_clinical_goes_before_marketing_unless_the_rule_says_otherwise(
    write: Write, purpose: str, priority: Priority
) -> None:
    """The lane follows the purpose; `priority` overrides it."""
    rules = load(write({"purpose: TREAT": f"purpose: {purpose}"}))
    assert rules.rules["reminder"].priority is priority
    told = load(write({"why:": "priority: clinical\nwhy:", "purpose: TREAT": f"purpose: {purpose}"}))
    assert told.rules["reminder"].priority is Priority.CLINICAL


def test_conditions_of_every_type_are_read(write: Write) -> None:
    """Codes, lists, yes/no, numbers, dates, presence."""
    where = """\
appointment.status: booked
    appointment.service: [cardiology, surgery]
    patient.inpatient: no
    patient.age: {at_least: 18, at_most: 64}
    appointment.end: {after: 2026-03-01, before: 2026-04-01}
    appointment.practitioner: {present: yes}"""
    reminder = load(write({"appointment.status: booked": where})).rules["reminder"]
    by_fact = {condition.fact: condition for condition in reminder.where}
    assert by_fact["appointment.service"].values == {"cardiology", "surgery"}
    assert by_fact["patient.inpatient"].values == {False}
    assert (by_fact["patient.age"].at_least, by_fact["patient.age"].at_most) == (18, 64)
    assert (by_fact["appointment.end"].after, by_fact["appointment.end"].before) == (date(2026, 3, 1), date(2026, 4, 1))
    assert by_fact["appointment.practitioner"].present is True


STATUS = "appointment.status: booked"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("rule: reminder", "rule: other", "reminder.yaml:1:7: the rule must be named like its file: `reminder`"),
        ("rule: reminder", "rule: Reminder!", "reminder.yaml:1:7: `rule` is not of the expected form"),
        ("owner: desk@clinic.example", "owner: ''", "reminder.yaml:2:8: `owner` must have at least"),
        ("why: Fewer missed visits.\n", "", "reminder.yaml:1:1: `why` is missing"),
        ("[appointment.booked]", "[appointment.boked]", "reminder.yaml:5:11: unknown event `appointment.boked`; did you mean `appointment.booked`"),
        ("[appointment.booked]", "appointment.boked", "reminder.yaml:5:10: unknown event"),
        ("[appointment.booked]", "[appointment.booked, appointment.booked]", "reminder.yaml:5:31: `appointment.booked` stands here twice"),
        ("[appointment.booked]", "[]", "reminder.yaml:5:10: `when.event` must have at least this many entries: 1"),
        ("[appointment.booked]", "appointment.booked appointment.rescheduled", "reminder.yaml:5:10: two events in one: a comma is missing"),
        (STATUS, "unless: x", "reminder.yaml:7:5: `unless` is no fact but a section, "),
        (STATUS, "appointment.stauts: booked", "reminder.yaml:7:5: unknown fact `appointment.stauts`; did you mean `appointment.status`"),
        (STATUS, "appointment.status: []", "reminder.yaml:7:25: `appointment.status` takes a code, a list of codes"),
        (STATUS, "appointment.status: ", "reminder.yaml:7:24: `appointment.status` takes a code"),
        (STATUS, "appointment.status: [a, [b]]", "`appointment.status` takes a code"),
        (STATUS, "appointment.status: {at_least: 5}", "reminder.yaml:7:26: `appointment.status` takes a code"),
        (STATUS, "appointment.status: {}", "reminder.yaml:7:25: `appointment.status` takes a code"),
        (STATUS, "appointment.status: unmapped", "reminder.yaml:7:25: no condition can ask for `unmapped`"),
        (STATUS, "patient.age: 18", "reminder.yaml:7:18: `patient.age` takes {at_least: …"),
        (STATUS, "patient.age: {at_least: eighteen}", "reminder.yaml:7:29: `at_least` must be a whole number"),
        (STATUS, "patient.age: {at_least: " + "9" * 5000 + "}", "`at_least` must be a whole number"),
        (STATUS, "patient.age: {at_least: }", "`at_least` must be a whole number"),
        (STATUS, "patient.age: {at_least: [1]}", "`at_least` must be a whole number"),
        (STATUS, "patient.age: {after: 5}", "reminder.yaml:7:19: `patient.age` takes"),
        (STATUS, "patient.age: {present: yes, at_least: 5}", "reminder.yaml:7:19: `present` stands alone"),
        (STATUS, "patient.age: {present: maybe}", "`present` must be yes or no"),
        (STATUS, "patient.inpatient: perhaps", "reminder.yaml:7:24: `patient.inpatient` takes yes, no"),
        (STATUS, "appointment.start: {after: tomorrow}", "reminder.yaml:7:32: `after` must be a date like 2026-03-15"),
        (STATUS, "appointment.practitioner: Smith", "`appointment.practitioner` takes {present: yes|no} only"),
        ("where:\n    appointment.status: booked", "where: booked", "reminder.yaml:6:10: `when.where` must have keys"),
        ("hold:\n  patient.inpatient: yes", "hold:\n  patient.inpatien: yes", "reminder.yaml:11:3: unknown fact"),
        ("purpose: TREAT", "purpose: TREATMENT", "reminder.yaml:13:12: `send.purpose` must be 'TREAT'"),
        ("remuneration: none", "remuneration: paid", "purpose must be HMARKT (45 CFR 164.501)"),
        ("topic: appointments", "topic: A Topic", "`send.topic` is not of the expected form"),
        ("[preferred, email]", "[preferred]", "reminder.yaml:16:13: `preferred` comes first, and the channels"),
        ("[preferred, email]", "[email, preferred]", "`preferred` comes first"),
        ("[preferred, email]", "[email, email]", "reminder.yaml:16:21: `email` stands here twice"),
        ("[preferred, email]", "[fax]", "`send.channels[1]` must be 'preferred', 'email'"),
        ("template: appointment_reminder", "template: apointment_reminder", "reminder.yaml:17:13: there is no template folder `templates/apointment_reminder` with subject.txt and body.txt; did you mean `appointment_reminder`"),
        ("before: appointment.start, by", "before: appointment.satrt, by", "reminder.yaml:18:16: unknown fact `appointment.satrt`"),
        ("before: appointment.start, by", "before: appointment.status, by", "`appointment.status` is no datetime fact"),
        ("before: appointment.start, by", "before: event.occurred, by", "nothing can be sent before an event is known"),
        ("before: appointment.start, by", "by", "reminder.yaml:18:7: tell either `before` or `after`"),
        ("before: appointment.start, by", "before: appointment.start, after: appointment.end, by", "tell either `before` or `after`"),
        ("[7d, 36h]", "[7days]", "reminder.yaml:18:40: `by` must be a duration"),
        ("[7d, 36h]", "[7d, 7d]", "`7d` stands here twice"),
        ("expires: appointment.start", "expires: appointment.status", "reminder.yaml:19:12: `appointment.status` is no datetime fact"),
        ("expires: appointment.start", "expires_after: 0d", "`send.expires_after` must be longer than nothing"),
        ("expires: appointment.start", "expires_after: [3d]", "`send.expires_after` must be a duration"),
        ("  expires: appointment.start\n", "", "tell either `expires` (a datetime fact) or `expires_after`"),
        ("expires: appointment.start", "expires: appointment.start\n  expires_after: 3d", "20:18: `expires` is told as well: one of the two is enough"),
        ("appointment.location]", "appointment.room]", "unknown fact `appointment.room`"),
        ("appointment.location]", "appointment.start]", "`appointment.start` stands here twice"),
        ("why:", "max_age: never\nwhy:", "reminder.yaml:3:10: `max_age` must be a duration"),
        ("why:", "wyh: x\nwhy:", "reminder.yaml:3:1: unknown key `wyh`; did you mean `why`?"),
        ("why: Fewer missed visits.", "why: [", "reminder.yaml:"),
    ],
)  # fmt: skip
def test_a_mistake_an_analyst_would_make_is_named_with_its_place(
    write: Write, old: str, new: str, expected: str
) -> None:
    """File, line, column, and what to do."""
    assert expected in refused(write({old: new}))


def test_a_template_that_leads_out_of_the_folder_is_refused(write: Write, tmp_path: Path) -> None:
    """What it shows would be kept with the rules, and sent to patients; a link within the folder is a file like others."""
    (tmp_path / "keys.txt").write_text("secret")
    folder = write()
    template = next(path for path in (folder / "templates").iterdir() if path.is_dir())
    (template / "footer.txt").symlink_to(template / "body.txt")
    load(folder)
    (template / "other.txt").symlink_to(tmp_path / "keys.txt")
    with pytest.raises(ConfigError, match=r"other\.txt:1:1: leads out of the rule folder"):
        load(folder)


def test_every_problem_of_every_file_is_told_at_once(write: Write) -> None:
    """An analyst mends a folder in one go."""
    write({STATUS: "appointment.stauts: x", "purpose: TREAT": "purpose: X"})
    folder = write({"[7d, 36h]": "[x]"}, name="second")
    (folder / "policy.yaml").write_text("version: 1\n", encoding="utf-8")
    found = refused(folder)
    for piece in ("policy.yaml:1:1", "reminder.yaml:7:5", "reminder.yaml:13:12", "second.yaml:18:40"):
        assert piece in found


def test_the_digest_is_that_of_rules_policy_and_templates_and_of_nothing_else(write: Write) -> None:
    """Tests, notes and an editor's hidden files beside them decide nothing."""
    folder = write()
    before = load(folder)
    (folder / "reminder.test.yaml").write_text("tests: []", encoding="utf-8")
    (folder / "README.md").write_text("notes", encoding="utf-8")
    (folder / ".reminder.yaml").write_text("[", encoding="utf-8")
    (folder / "templates" / "appointment_reminder" / ".body.txt.swp").write_bytes(b"\xff")
    assert load(folder).digest == before.digest
    assert load(folder).templates == before.templates
    body = folder / "templates" / "appointment_reminder" / "body.txt"
    body.write_text(body.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    after = load(folder)
    assert after.digest != before.digest
    assert after.templates["appointment_reminder"] != before.templates["appointment_reminder"]
    assert after.templates["missed_appointment"] == before.templates["missed_appointment"]


def test_a_copied_folder_is_the_same_rule_set(write: Write, tmp_path: Path) -> None:
    """The digest knows nothing of where the folder lies."""
    folder = write()
    shutil.copytree(folder, tmp_path / "copy")
    assert load(tmp_path / "copy").digest == load(folder).digest


def test_a_template_lacking_a_part_is_no_template(write: Write) -> None:
    """subject.txt and body.txt are needed; a stray file beside the folders is none."""
    folder = write()
    (folder / "templates" / "stray.txt").write_text("x", encoding="utf-8")
    (folder / "templates" / "appointment_reminder" / "subject.txt").unlink()
    assert "there is no template folder `templates/appointment_reminder`" in refused(folder)


def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    """One sentence, not a traceback."""
    assert "policy.yaml:1:1: there is no such file" in refused(tmp_path / "none")


def test_a_file_that_cannot_be_read_says_so(write: Write) -> None:
    """A folder where a rule should be, bytes that are no text."""
    folder = write()
    (folder / "odd.yaml").mkdir()
    (folder / "bytes.yaml").write_bytes(b"\xff")
    found = refused(folder)
    assert "odd.yaml:1:1: cannot be read" in found
    assert "bytes.yaml:1:1: is not UTF-8 text" in found


# -- policy.yaml


def policy(folder: Path, text: str) -> Path:
    (folder / "policy.yaml").write_text(text, encoding="utf-8")
    return folder


def test_the_policy_becomes_data(folder: Path) -> None:
    """Basis, hours, caps, ceilings, protected services, and the defaults of what is not told."""
    text = """\
version: 7
basis:
  - {purpose: TREAT, channel: sms, topic: appointments, because: number given for it}
  - {purpose: HOPERAT, channel: email, because: notice}
quiet_hours: {email: {from: "20:30", until: "09:00"}, portal: none}
caps:
  - {per: patient, at_most: 1, within: 1d}
  - {per: address, purpose: HMARKT, topic: news, at_most: 2, within: 36h}
ceilings: {TREAT: {email: ordinary, portal: protected}}
protected_services: [hiv-care]
"""
    found = load(policy(folder, text)).policy
    assert found.version == "7"
    assert found.basis == (
        Basis(purpose=Purpose.TREAT, channel=ChannelKind.SMS, topic="appointments", because="number given for it"),
        Basis(purpose=Purpose.HOPERAT, channel=ChannelKind.EMAIL, topic="*", because="notice"),
    )
    assert found.quiet_hours == {ChannelKind.EMAIL: (1230, 540), ChannelKind.PORTAL: (0, 0)}
    assert found.caps == (
        Cap(per="patient", purpose="*", topic="*", at_most=1, within=DAY),
        Cap(per="address", purpose="HMARKT", topic="news", at_most=2, within=36 * HOUR),
    )
    assert found.ceiling(Purpose.TREAT, ChannelKind.PORTAL) is Sensitivity.PROTECTED
    assert found.ceiling(Purpose.TREAT, ChannelKind.SMS) is Sensitivity.PUBLIC
    assert (found.minimum_age, found.hold_expires, found.look_again) == (18, 30 * DAY, HOUR)


POLICY = "version: 1\nceilings: {}\nprotected_services: []\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (POLICY + "basis: [{purpose: HMARKT, channel: sms, because: x}]\n", "policy.yaml:4:19: `basis[1].purpose` must be 'TREAT'"),
        (
            POLICY + "basis:\n  - {purpose: TREAT, channel: email, kinds: [messages, texts], because: x}\n",
            "policy.yaml:5:45: consent to `texts` is by sms, never by email",
        ),
        (POLICY + "minimum_age: 12\n", "policy.yaml:4:14: `minimum_age` must be at least 18"),
        (POLICY + "quiet_hours: {email: {from: 8, until: '9:00'}}\n", "policy.yaml:4:29: `quiet_hours.email.from` must be a time of day like 08:00"),
        (POLICY + "caps: [{per: patient, at_most: 0, within: 1d}]\n", "`caps[1].at_most` must be at least 1"),
        (POLICY.replace("{}", "{TREAT: {email: protected}}"), "policy.yaml:2:27: `protected` content is for the portal only, never for email"),
        (POLICY.replace("{}", "{TREAT: {fax: public}}"), "`ceilings.TREAT.fax` must be 'email'"),
        ("[", "policy.yaml:"),
        ("", "policy.yaml:1:1: the file is empty"),
    ],
)  # fmt: skip
def test_a_policy_that_would_loosen_the_law_or_mean_nothing_is_refused(folder: Path, text: str, expected: str) -> None:
    """45 CFR 164.508: marketing has no basis; PH-06: protected content is never in the open; PI-14."""
    assert expected in refused(policy(folder, text))


def test_the_shipped_packs_are_found_in_a_checkout_and_in_a_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One function for both; an incomplete installation says so."""
    assert (shipped("rules") / "policy.yaml").is_file()
    monkeypatch.setattr("gateway.packs._HERE", tmp_path / "gateway")
    with pytest.raises(ConfigError, match="missing from this installation"):
        shipped("mappings")
    inside = tmp_path / "gateway" / "_packs" / "mappings"
    inside.mkdir(parents=True)
    assert shipped("mappings") == inside


def test_what_is_whole_of_a_folder_can_be_looked_at(write: Write) -> None:
    """For the lint: a rule that cannot be read hides no other; a policy that cannot be read leaves nothing to judge by."""
    folder = write()
    rules, problems = sound(folder)
    assert (rules, problems) == (load(folder), ())
    (folder / "broken.yaml").write_text("rule: broken\n")
    rules, problems = sound(folder)
    assert rules is not None
    assert list(rules.rules) == ["reminder"]
    assert problems
    assert all(f"{folder}{os.sep}broken.yaml" in one for one in problems)
    (folder / "policy.yaml").write_text("version: 1\nversoin: 2\n")
    rules, more = sound(folder)
    assert rules is None
    assert set(problems) < set(more)


def test_the_bytes_that_decide_are_the_rules_wherever_they_lie(write: Write) -> None:
    """What the database keeps is what the folder said; tests beside rules decide nothing."""
    folder = write()
    (folder / "reminder.test.yaml").write_text("tests: []\n")
    files = read_files(folder)
    assert "reminder.yaml" in files
    assert "reminder.test.yaml" not in files
    again = load_files(folder / "elsewhere", files)
    assert (again.digest, list(again.rules)) == (load(folder).digest, ["reminder"])
    (folder / "policy.yaml").unlink()
    with pytest.raises(ConfigError, match=r"policy\.yaml:1:1: there is no such file"):
        read_files(folder)
