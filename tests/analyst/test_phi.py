"""The PHI budget says what the code does: what is read, who uses it, where it goes, what is dropped, what is excess."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.analyst.lint import lint
from gateway.analyst.phi import _PERSON, GATES, Budget, FieldRead, Kept, budget
from gateway.analyst.phi_standard import BUILT_IN
from gateway.analyst.phi_words import page, summary
from gateway.mapping.check import SLOTS
from gateway.mapping.pack import load_pack
from gateway.model.policy import GATE_FACTS
from gateway.packs import shipped
from gateway.render.templates import Templates
from gateway.ruleset import load

KEPT = Kept(raw="30d", facts="30d", bodies="90d")


@pytest.fixture(scope="module")
def told() -> Budget:
    """The shipped set's."""
    return made(shipped("rules"))


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The shipped rule folder, to be changed."""
    return Path(shutil.copytree(shipped("rules"), tmp_path / "rules"))


def made(folder: Path, *overlays: Path) -> Budget:
    """The budget of a rule folder."""
    return budget(load(folder), load_pack([shipped("mappings"), *overlays]), Templates(folder / "templates"), KEPT)


def lines(told: Budget, field: str) -> dict[str, FieldRead]:
    """What becomes of one field."""
    return {one.becomes: one for one in told.fields if one.field == field}


def test_the_page_of_the_shipped_set_is_the_one_in_the_folder(told: Budget) -> None:
    """Whoever changes a rule, a template or a mapping runs `make reference` and sees what changed for privacy."""
    assert (shipped("rules") / "PHI.md").read_text(encoding="utf-8") == page(told)


def test_a_field_names_its_fact_and_everything_that_uses_it(told: Budget) -> None:
    """SCH-11.4 is when the visit begins."""
    line = lines(told, "SCH-11.4")["`appointment.start`"]
    assert line.asks == ("appointment-reminder",)
    assert line.shows == ("appointment-reminder", "missed-appointment-follow-up")
    assert line.templates == ("appointment_reminder", "missed_appointment")
    assert line.reaches == ("email for TREAT", "sms for TREAT")
    assert "time-uncertain" in line.gates
    assert line.kept == "sealed; 30d after it is over; in sealed texts 90d"


def test_what_no_rule_template_or_gate_uses_is_dropped(told: Budget) -> None:
    """Law 5: the reader is given `facts_used`, and the page says what is not in it."""
    dropped = {one.becomes.strip("`") for one in told.dropped}
    assert {"appointment.practitioner", "prescription.refills_remaining", "result.abnormal"} <= dropped
    used = load(shipped("rules")).facts_used
    assert not dropped & used


def test_sensitivity_is_told_with_what_code_tables_make_of_it(told: Budget) -> None:
    """PV-08: a service is ordinary until it is behavioral health."""
    assert lines(told, "SCH-8")["`appointment.service`"].sensitivity == "ordinary, values up to protected"


def test_every_part_of_a_person_and_every_fact_of_a_gate_is_on_the_page() -> None:
    """A new slot or gate fact without its words breaks this."""
    assert set(_PERSON) == set(SLOTS)
    assert set(GATES) == GATE_FACTS


def test_no_segment_that_the_code_names_is_called_never_read(told: Budget) -> None:
    """The page is made from mappings; what the code reads by itself is listed by hand, and this finds what was forgotten."""
    root = Path(load_pack.__code__.co_filename).parent
    code = "".join(path.read_text(encoding="utf-8") for path in root.glob("*.py"))
    calls = re.findall(r'\.(?:all|first|startswith)\(\(?((?:"[A-Z][A-Z0-9]{2}"(?:, )?)+)', code)
    named = {segment for call in calls for segment in re.findall(r'"([A-Z0-9]{3})"', call)} | {
        "AIS",
        "AIG",
        "AIL",
        "AIP",
    }
    assert {"OBX", "CON", "ARV", "PV1"} <= named
    listed = {field.partition("-")[0] for one in told.fields for field in (one.field,)} | {
        word[:3] for fields in BUILT_IN for word in fields.split(", ")
    }
    assert named - listed - {"ACK"} == set()
    assert not named & {name for name, _ in told.never}


def test_a_reveal_that_no_template_shows_is_excess_at_its_place(copied: Path) -> None:
    """CG070; the summary and the page say it too."""
    path = copied / "appointment-reminder.yaml"
    path.write_text(path.read_text().replace("reveals: [", "reveals: [patient.family_name, "))
    (found,) = [one for one in lint(copied) if one.code == "CG070"]
    row = path.read_text().splitlines()[found.line - 1]
    assert row[found.column - 1 :].startswith("patient.family_name")
    assert "take it out of `reveals`" in found.sentence
    told = made(copied)
    assert [one.fact for one in told.shown if one.unused] == ["patient.family_name"]
    assert "no template shows it" in "\n".join(summary(told))
    assert "**none: excess**" in page(told)


def test_the_shipped_rules_reveal_nothing_in_vain() -> None:
    """No CG070."""
    assert [one for one in lint(shipped("rules")) if one.code == "CG070"] == []


def test_a_field_that_an_overlay_adds_is_no_longer_called_never_read(tmp_path: Path) -> None:
    """And a fact it tells that nobody uses is listed as dropped."""
    overlay = tmp_path / "hl7v2"
    overlay.mkdir()
    (overlay / "appointments.yaml").write_text(
        "mapping: appointments\nfacts:\n  appointment.practitioner: {path: PV1-7, compute: person_name}\n"
    )
    told = made(shipped("rules"), tmp_path)
    assert "PV1-7" not in {name for name, _ in told.never}
    assert lines(told, "PV1-7")["`appointment.practitioner`"].dropped


def test_two_budgets_of_the_same_files_are_the_same_and_others_differ_in_a_line(told: Budget) -> None:
    """So that pages can be compared."""
    assert made(shipped("rules")) == told
    other = page(replace(told, kept=replace(KEPT, raw="7d"))).splitlines()
    assert sum(one != two for one, two in zip(page(told).splitlines(), other, strict=True)) == 1
