"""A rule folder to write into: the shipped policy and templates, and one rule that tests change."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.packs import shipped

REMINDER = """\
rule: reminder
owner: desk@clinic.example
why: Fewer missed visits.
when:
  event: [appointment.booked]
  where:
    appointment.status: booked
  unless:
    appointment.service: [hiv-care]
hold:
  patient.inpatient: yes
send:
  purpose: TREAT
  remuneration: none
  topic: appointments
  channels: [preferred, email]
  template: appointment_reminder
  at: {before: appointment.start, by: [7d, 36h]}
  expires: appointment.start
  reveals: [patient.given_name, appointment.start, appointment.location]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A rule folder with the shipped policy and templates and no rule."""
    target = tmp_path / "rules"
    target.mkdir()
    shutil.copy(shipped("rules") / "policy.yaml", target)
    shutil.copytree(shipped("rules") / "templates", target / "templates")
    return target


@pytest.fixture
def write(folder: Path) -> Callable[..., Path]:
    """Writes the reminder into the folder, with texts replaced: `write({"7d": "3d"})`; returns the folder."""

    def _write(changes: dict[str, str] | None = None, *, name: str = "reminder") -> Path:
        text = REMINDER.replace("rule: reminder", f"rule: {name}")
        for old, new in (changes or {}).items():
            assert old in text
            text = text.replace(old, new)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        return folder

    return _write
