"""The demo's site: the embedded defaults, a feed on any free port, a relay on loopback, a made-up hospital."""

from __future__ import annotations

from pathlib import Path

from gateway.app.upkeep import create_keys
from gateway.cli import newsite
from tests.demo.feed import EVERYBODY

CONFIG = """\
environment: demo
allowed_recipients: [{recipients}]
organizations:
  lakeside:
    name: Lakeside Health
    zone: America/Chicago
    sender_name: Lakeside Health
    sender_email: care@lakeside.example
    callback: '+1 312 555 0100'
    postal_address: 1 Lake Street, Chicago, IL 60601
locations:
  heart-clinic: {{name: Lakeside Heart Clinic, organization: lakeside, codes: [HEART], callback: '+1 312 555 0177'}}
  main-street: {{name: Main Street Clinic, organization: lakeside, codes: [MAIN]}}
  hospital: {{name: Lakeside Hospital, organization: lakeside, codes: [HOSP]}}
sources:
  ehr: {{kind: mllp, organization: lakeside, bind: 127.0.0.1, port: 0, authority: LAKESIDE}}
channels:
  email: {{kind: email, host: 127.0.0.1, port: {port}, tls: off, relay_enforces_tls: yes, agreement: {{none_needed: the demo has its own}}}}
api: {{port: 0}}
"""


def make(folder: Path, smtp_port: int) -> Path:
    """A site folder as `caregate init` makes it, with the demo's configuration; returns the file."""
    newsite.write(folder, create_keys)
    path = folder / "caregate.yaml"
    path.write_text(CONFIG.format(recipients=", ".join(who.email for who in EVERYBODY), port=smtp_port))
    return path
