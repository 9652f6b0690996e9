"""A small site with two feeds as configuration text."""

from __future__ import annotations

from collections.abc import Callable

from gateway.app import Gateway

SITE = """\
environment: production
organizations:
  lakeside:
    name: Lakeside Health
    zone: America/Chicago
    sender_name: Lakeside Health
    sender_email: care@lakeside.example
    callback: '+1 312 555 0100'
sources:
  ehr: {{kind: mllp, organization: lakeside, port: 0}}
  lab: {{kind: mllp, organization: lakeside, port: 0}}
database: '{database}'
broker: '{broker}'
api: {{port: 0}}
keys: keys.json
rules: '{rules}'
{more}
"""

OpenSite = Callable[..., Gateway]
