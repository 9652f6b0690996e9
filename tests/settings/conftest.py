"""A small site file, and a way to bend one line of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.settings import Settings, load

SITE = """\
environment: test
allowed_recipients: [Nurse@lakeside.example]
organizations:
  lakeside:
    name: Lakeside Health
    zone: America/Chicago
    sender_name: Lakeside Health
    sender_email: care@lakeside.example
    callback: '+1 312 555 0100'
locations:
  main:
    name: Main Street Clinic
    organization: lakeside
    codes: [MAIN, 'MAIN^2']
sources:
  ehr:
    kind: mllp
    organization: lakeside
    port: 2575
channels:
  email:
    kind: email
    host: 127.0.0.1
"""


@pytest.fixture
def site(tmp_path: Path) -> Callable[..., Settings]:
    """Load the small site with some of its text replaced; `environ` is the whole environment."""

    def bent(*changes: tuple[str, str], environ: dict[str, str] | None = None, secrets: bool = True) -> Settings:
        text = SITE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "caregate.yaml"
        path.write_text(text)
        return load(path, environ=environ or {}, secrets=secrets)

    return bent
