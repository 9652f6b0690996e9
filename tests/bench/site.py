"""The site that is measured: the shipped rules and mappings, one MLLP feed, a basis that puts consent on file."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from gateway.packs import shipped
from gateway.store.keyring import Keyring

_CONFIG = """\
environment: production
organizations:
  lakeside:
    name: Lakeside Health
    zone: America/Chicago
    sender_name: Lakeside Health
    sender_email: care@lakeside.example
    callback: '+1 312 555 0100'
locations:
  main: {name: Main Street Clinic, organization: lakeside, codes: [MAIN]}
  north: {name: North Clinic, organization: lakeside, codes: [NORTH]}
  lake: {name: Lakeshore Clinic, organization: lakeside, codes: [LAKE]}
  harbor: {name: Harbor Clinic, organization: lakeside, codes: [HARBOR]}
  hospital: {name: Lakeside Hospital, organization: lakeside, codes: [4W, 5E, 6N]}
sources:
  ehr: {kind: mllp, organization: lakeside, bind: 127.0.0.1, port: 0, authority: LAKESIDE, max_connections: 128}
channels:
  email: {kind: email, host: 127.0.0.1, port: 9, agreement: {none_needed: the bench has its own}}
api: {port: 0}
"""
# Nothing that is planned here falls due while it is measured, unless `make_due` has it fall due.

_BASIS = "basis:\n  - {purpose: TREAT, channel: email, topic: appointments, because: what the bench declares}\n"


_ANOTHER = """\
rule: {name}
owner: bench@lakeside.example
why: One of many rules for clinics that the feed never names.
priority: routine
when:
  event: {events}
  where:
    appointment.status: booked
    {fact}: {values}
{more}send:
  purpose: TREAT
  remuneration: none
  topic: appointments
  channels: [email]
  template: appointment_reminder
  at: {{before: appointment.start, by: [{days}d]}}
  expires: appointment.start
  reveals: [patient.given_name, appointment.start, appointment.location]
"""


def make_rules(site: Path, count: int) -> None:
    """Add rules to the shipped ones until there are `count`: for other services, other places, and by age.

    They begin as the shipped reminder does, listen to the events of the feed and plan nothing, so that only the
    matching differs. One in ten asks for no code of its own and is looked at for every booking.
    """
    folder = site / "rules"
    shipped_rules = [one for one in folder.glob("*.yaml") if one.stem != "policy" and ".test" not in one.name]
    for number in range(count - len(shipped_rules)):
        (folder / f"another-{number:03d}.yaml").write_text(_another(number), "utf-8")


def _another(number: int) -> str:
    fact, values, more = "appointment.service", f"[service-{number}, service-{number + 1}]", ""
    if number % 10 == 9:
        fact, values = "patient.age", "{at_least: 130}"
    elif number % 2:
        fact, values = "appointment.location", f"[clinic-{number}]"
        more = "  unless:\n    appointment.service: [genetics]\n"
    events = "[appointment.booked, appointment.rescheduled]"
    return _ANOTHER.format(
        name=f"another-{number:03d}", events=events, fact=fact, values=values, more=more, days=1 + number % 9
    )


def make_due(site: Path, port: int, *, count: int, rate: int | None = None) -> None:
    """Let so many known reminders fall due from now on, `rate` a second or all at once, by e-mail to a relay at `port`, at any hour."""
    config, policy = site / "caregate.yaml", site / "rules" / "policy.yaml"
    _edit(config, "port: 9,", f"port: {port}, tls: off, relay_enforces_tls: true,")
    _edit(policy, '  email: {from: "21:00", until: "08:00"}', "  email: none")
    begin, every = time.time_ns() // 1_000_000, 1000 / rate if rate else 0
    with closing(sqlite3.connect(site / "caregate.db")) as link, link:
        found = link.execute(
            "SELECT id FROM request WHERE state = 'active' AND step = '7d' ORDER BY id LIMIT ?", (count,)
        ).fetchall()
        assert len(found) == count, "the known world has too few reminders"
        link.executemany(
            "UPDATE request SET due = ?1, ring_at = ?1 WHERE id = ?2",
            [(begin + int(at * every), one) for at, (one,) in enumerate(found)],
        )


def _edit(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert text.count(old) == 1, old
    file.write_text(text.replace(old, new), "utf-8")


def make(folder: Path) -> Path:
    """Write a site into an empty folder; returns its configuration file."""
    shutil.copytree(shipped("rules"), folder / "rules")
    policy = folder / "rules" / "policy.yaml"
    text = policy.read_text("utf-8")
    assert "\nbasis: []\n" in text
    policy.write_text(text.replace("\nbasis: []\n", f"\n{_BASIS}"), "utf-8")
    Keyring.create(folder / "caregate.keys")
    config = folder / "caregate.yaml"
    config.write_text(_CONFIG, "utf-8")
    return config
