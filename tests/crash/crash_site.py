"""The site that crashes: one feed over MLLP on any free port, mail over SMTP on loopback, consent from a declared basis."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from gateway.packs import shipped
from gateway.settings import Settings, load

CONFIG = """\
environment: production
organizations:
  lakeside:
    name: Lakeside Health
    zone: America/Chicago
    sender_name: Lakeside Health
    sender_email: care@lakeside.example
    callback: '+1 312 555 0100'
locations:
  main: {{name: Main Street Clinic, organization: lakeside, codes: [MAIN]}}
sources:
  ehr: {{kind: mllp, organization: lakeside, bind: 127.0.0.1, port: {mllp}, authority: LAKESIDE{ehr}}}
{feeds}channels:
  email: {{kind: email, host: 127.0.0.1, port: {smtp}, tls: off, relay_enforces_tls: yes, timeout: {timeout}, agreement: {{none_needed: its own}}}}
database: '{database}'
broker: '{broker}'
keys: keys.json
rules: rules
api: {{port: 0}}
{more}
"""
_BASIS = """\
basis:
  - {purpose: TREAT, channel: email, topic: appointments, because: the notice these made-up people were given}
  - {purpose: TREAT, channel: email, topic: follow-up, because: the notice these made-up people were given}
"""


def write_rules(folder: Path, changes: Mapping[str, tuple[str, str]] | None = None) -> None:
    """The shipped rules with a basis; `changes`: file → (old text, new text)."""
    shutil.copytree(shipped("rules"), folder)
    for name, (old, new) in {"policy.yaml": ("basis: []\n", _BASIS), **(changes or {})}.items():
        path = folder / name
        text = path.read_text()
        assert old in text, f"{name} no longer says {old!r}"
        path.write_text(text.replace(old, new))


def write_site(
    folder: Path,
    *,
    database: str,
    smtp: int,
    broker: str = "memory://",
    mllp: int = 0,
    timeout: float = 5,
    ehr: str = "",
    feeds: str = "",
    more: str = "",
) -> Path:
    """Write the site and its rules into `folder`; returns the configuration file. `feeds`, `more`: as they stand there."""
    if not (folder / "rules").exists():
        write_rules(folder / "rules")
    path = folder / "caregate.yaml"
    path.write_text(
        CONFIG.format(
            database=database,
            broker=broker,
            smtp=smtp,
            mllp=mllp,
            timeout=timeout,
            ehr=f", {ehr}" if ehr else "",
            feeds=feeds,
            more=more,
        )
    )
    return path


def settings(path: Path) -> Settings:
    """What it says."""
    return load(path, environ={})
