"""The site that is played: one feed, a text and a mail channel, three rules whose words tell rule and visit."""

from __future__ import annotations

from pathlib import Path

from gateway.settings import Settings, load

ZONE = "America/Chicago"
AUTHORITY = "LAKESIDE"
OWN_NUMBER, SENDER = "+13125550100", "care@lakeside.example"

_SITE = """\
environment: production
organizations:
  lakeside:
    name: Lakeside Health
    zone: America/Chicago
    sender_name: Lakeside Health
    sender_email: care@lakeside.example
    callback: '+1 312 555 0100'
    postal_address: 1 Lake Street, Lakeside
locations:
  main: {name: Main Street Clinic, organization: lakeside, codes: [MAIN]}
sources:
  ehr: {kind: mllp, organization: lakeside, authority: LAKESIDE, port: 2575, watch: {silent_after: 30d, holds: no}}
database: 'sqlite:///unused.db'
broker: 'memory://'
keys: keys.json
rules: rules
"""
_POLICY = """\
version: 2026-03-01
basis:
  - {purpose: TREAT, channel: email, topic: appointments, because: what the scenarios declare}
  - {purpose: TREAT, channel: sms, topic: appointments, kinds: [messages, texts], because: what the scenarios declare}
quiet_hours:
  email: {from: "21:00", until: "08:00"}
  sms: {from: "21:00", until: "08:00"}
caps:
  - {per: patient, at_most: 30, within: 1d}
ceilings:
  TREAT: {email: ordinary, sms: ordinary, portal: sensitive}
protected_services: []
minimum_age: 18
adolescent_from: 12
minors_own: []
hold_expires: 30d
look_again: 1h
"""
_RULE = """\
rule: {name}
owner: scenarios@lakeside.example
why: Rule {name} of the scenarios.
priority: routine
when:
  event: [appointment.booked, appointment.rescheduled]
  where:
    appointment.status: booked
send:
  purpose: TREAT
  remuneration: none
  topic: appointments
  channels: [{channels}]
  template: {name}
  at: {at}
  expires: appointment.start
  reveals: [appointment.start]
"""
RULES = {
    "booked": ("sms, email", "{after: event.occurred, by: 0m}"),
    "ahead": ("email, sms", "{before: appointment.start, by: [7d, 3d]}"),
    "soon": ("sms, email", "{before: appointment.start, by: [1d]}"),
}
"""Name → channels in turn, and when."""
STEPS = {"booked": 1, "ahead": 2, "soon": 1}
_WORDS = "[{name}@{{{{ appointment.start | date }}}} {{{{ appointment.start | time }}}}] {{{{ opt_out }}}}"
_MORE = " Main Street, {{ organization.callback }}, {{ organization.postal_address }}"


def write_site(folder: Path) -> Settings:
    """Write and load the site; its database and keys are told by whoever opens it."""
    _write(folder / "rules")
    path = folder / "caregate.yaml"
    path.write_text(_SITE, "utf-8")
    return load(path, environ={})


def _write(rules: Path) -> None:
    rules.mkdir(parents=True)
    (rules / "policy.yaml").write_text(_POLICY, "utf-8")
    for name, (channels, at) in RULES.items():
        (rules / f"{name}.yaml").write_text(_RULE.format(name=name, channels=channels, at=at), "utf-8")
        words = rules / "templates" / name
        words.mkdir(parents=True)
        (words / "subject.txt").write_text("Your visit\n", "utf-8")
        (words / "body.txt").write_text(_WORDS.format(name=name) + _MORE + "\n", "utf-8")
        (words / "sms.txt").write_text("{{ organization.sender_name }}: " + _WORDS.format(name=name) + "\n", "utf-8")
