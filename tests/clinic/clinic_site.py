"""One small health system as configuration text: three places, two feeds, no channel but the one a test puts in."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from gateway.packs import shipped
from gateway.settings import Settings, load

SITE = """\
environment: {environment}
{recipients}
organizations:
  lakeside:
    name: Lakeside Health
    zone: America/Chicago
    sender_name: Lakeside Health
    sender_email: care@lakeside.example
    callback: '+1 312 555 0100'
    postal_address: 1 Lake Street, Lakeside
locations:
  main:
    name: Main Street Clinic
    organization: lakeside
    codes: [MAIN]
  north:
    name: North Clinic
    organization: lakeside
    codes: [NORTH]
  seaside:
    name: Seaside Clinic
    organization: lakeside
    zone: America/Los_Angeles
    callback: '+1 213 555 0111'
    codes: [SEASIDE]
  hope:
    name: Hope House for Recovery
    organization: lakeside
    sensitive: yes
    codes: [HOPE]
sources:
  ehr:
    kind: mllp
    organization: lakeside
    authority: LAKESIDE
    port: 2575
    {ehr}
  partner:
    kind: mllp
    organization: lakeside
    authority: PARTNER
    port: 2576
{feeds}database: '{database}'
broker: '{broker}'
keys: keys.json
rules: '{rules}'
{more}"""


def write_site(
    folder: Path,
    *,
    database: str,
    broker: str = "memory://",
    rules: Path | None = None,
    recipients: tuple[str, ...] | None = None,
    ehr: Mapping[str, str] | None = None,
    feeds: str = "",
    more: str = "",
) -> Settings:
    """Write and load the site. `recipients` told: a test system; else production. `ehr`: more of the feed's keys.

    `feeds`: further sources, and `more` further sections, as they stand in the file.
    """
    text = SITE.format(
        environment="production" if recipients is None else "test",
        recipients="" if recipients is None else f"allowed_recipients: [{', '.join(recipients)}]",
        ehr="\n    ".join(f"{key}: {value}" for key, value in (ehr or {}).items()),
        feeds=feeds,
        database=database,
        broker=broker,
        rules=rules or shipped("rules"),
        more=more,
    )
    path = folder / "caregate.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, environ={})


def write_rules(
    folder: Path, rules: Mapping[str, str], *, policy: str = "", templates: Mapping[str, str] | None = None
) -> Path:
    """A rule folder of its own: the shipped templates and policy unless told otherwise, and just these rules.

    `rules`: name → the text of the file. `policy` is the whole policy.yaml. `templates`: name → the text of its body.
    """
    folder.mkdir(parents=True)
    shutil.copytree(shipped("rules") / "templates", folder / "templates")
    for name, text in (templates or {}).items():
        made = folder / "templates" / name
        made.mkdir(exist_ok=True)
        (made / "subject.txt").write_text("A message from {{ organization.sender_name }}\n")
        (made / "body.txt").write_text(text)
    (folder / "policy.yaml").write_text(policy or (shipped("rules") / "policy.yaml").read_text())
    for name, text in rules.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def shipped_rule(name: str, *changes: tuple[str, str]) -> str:
    """The text of a shipped rule with some of it replaced."""
    text = (shipped("rules") / f"{name}.yaml").read_text()
    for old, new in changes:
        assert old in text, f"the rule no longer says {old!r}"
        text = text.replace(old, new)
    return text


def shipped_policy(*changes: tuple[str, str]) -> str:
    """The text of the shipped policy with some of it replaced."""
    text = (shipped("rules") / "policy.yaml").read_text()
    for old, new in changes:
        assert old in text, f"the policy no longer says {old!r}"
        text = text.replace(old, new)
    return text
