"""A rule folder of any size in which nothing is to mend: every rule has tests of its own, ten share a template."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from gateway.analyst import rule_tests
from gateway.analyst.condition_coverage import uncovered
from gateway.analyst.lint import lint
from gateway.mapping.pack import load_pack
from gateway.packs import shipped

RULE = """\
rule: visit-reminder-{number}
owner: access-center@lakeside.example
why: A reminder a week and a day ahead halves missed visits of this length. Policy AC-{number}.
priority: routine
when:
  event: [appointment.booked, appointment.rescheduled]
  where:
    appointment.status: booked
    appointment.duration: {{at_least: {number}, at_most: {number}}}
  unless:
    appointment.service: [behavioral-health, substance-use, psychotherapy, hiv-care, reproductive-health, genetics]
hold:
  patient.inpatient: yes
send:
  purpose: TREAT
  remuneration: none
  topic: appointments
  channels: [preferred, sms, email]
  template: visit_reminder_{template}
  at: {{before: appointment.start, by: [7d, 1d]}}
  expires: appointment.start
  reveals: [patient.given_name, appointment.start, appointment.location]
"""
TESTS = """\
given:
  zone: America/Chicago
  event: appointment.booked
  now: 2026-03-02 10:00
  facts:
    appointment.start: 2026-03-20 09:30
    appointment.status: booked
    appointment.duration: {number}
    appointment.location: lakeside-clinic
    appointment.service: primary-care
tests:
  - name: a booked visit of this length is announced a week and a day ahead
    expect:
      sends:
        - {{step: 7d, at: 2026-03-13 09:30, by: email}}
        - {{step: 1d, at: 2026-03-19 09:30, by: email}}
  - name: a visit on the waiting list plans nothing
    facts: {{appointment.status: waitlist}}
    expect: {{silent: {{because: appointment.status}}}}
  - name: a longer visit is another rule's
    facts: {{appointment.duration: {longer}}}
    expect: {{silent: {{because: appointment.duration}}}}
  - name: nothing is said about a visit to behavioral health
    facts: {{appointment.service: behavioral-health}}
    expect: {{silent: {{because: appointment.service}}}}
  - name: who is in hospital is reminded when they are home again
    patient: {{inpatient: yes}}
    expect: {{held: {{because: held-by-rule}}}}
"""
_SHARE = 10  # rules that send one template
NAMES = ("rules.lint.500", "rules.test.500")


def write(folder: Path, count: int) -> None:
    """`count` rules, their tests and templates, and the shipped policy, into an empty folder."""
    own = shipped("rules")
    shutil.copy(own / "policy.yaml", folder)
    for number in range(1, count + 1):
        words = {"number": number, "longer": number + 1, "template": (number - 1) // _SHARE}
        name = f"visit-reminder-{number}"
        (folder / f"{name}.yaml").write_text(RULE.format(**words), encoding="utf-8")
        (folder / f"{name}.test.yaml").write_text(TESTS.format(**words), encoding="utf-8")
    for number in range((count + _SHARE - 1) // _SHARE):
        _template(own / "templates" / "appointment_reminder", folder / "templates" / f"visit_reminder_{number}")


def _template(own: Path, folder: Path) -> None:
    """The shipped reminder in words of its own: no two templates of a site are the same."""
    shutil.copytree(own, folder)
    for body in folder.rglob("body.txt"):
        body.write_text(f"{body.read_text(encoding='utf-8')}\n{folder.name.rpartition('_')[2]}\n", encoding="utf-8")


def measure(name: str, folder: Path) -> dict[str, Any]:
    """`rules.lint.<count>` or `rules.test.<count>`: seconds, from nothing read to the last finding or result."""
    _, what, count = name.split(".")
    place = folder / name
    place.mkdir(parents=True)
    write(place, int(count))
    pack = load_pack([shipped("mappings")])
    begun = time.perf_counter()
    left = _linted(place, pack.kinds()) if what == "lint" else _tested(place)
    taken = time.perf_counter() - begun
    if left:
        raise RuntimeError(f"{name}: a folder in which nothing is to mend has {left} findings")
    return {"name": name, "seconds": round(taken, 2), "rules": int(count)}


def _linted(folder: Path, events: frozenset[str]) -> int:
    return len(lint(folder, events=events, codes={}))


def _tested(folder: Path) -> int:
    suite = rule_tests.read(folder)
    failed = sum(bool(result.failures) for result in rule_tests.run_suite(suite))
    return failed + len(uncovered(suite.rules, suite.cases))
