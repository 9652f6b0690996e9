"""The site that is measured: the shipped rules and mappings, one MLLP feed, a basis that puts consent on file."""

from __future__ import annotations

import shutil
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
  ehr: {kind: mllp, organization: lakeside, bind: 127.0.0.1, port: 0, authority: LAKESIDE}
channels:
  email: {kind: email, host: 127.0.0.1, port: 9}
api: {port: 0}
"""
# Nothing that is planned here falls due while it is measured: the channel is never used.

_BASIS = "basis:\n  - {purpose: TREAT, channel: email, topic: appointments, because: what the bench declares}\n"


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
