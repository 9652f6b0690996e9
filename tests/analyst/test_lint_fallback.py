"""A second message on silence is one that can leave and that the site allows."""

from __future__ import annotations

import pytest

from gateway.analyst.lint import lint
from gateway.model.errors import ConfigError
from gateway.ruleset.load import load
from tests.analyst.test_lint_rules import Write, shown, write  # noqa: F401 - a fixture

TWO = {"channels: [email]": "channels: [email, sms]\n  fallback: {on_silence: 24h}"}
FOUND = "reminder.yaml:13:13: CG047 "


def _found(write: Write, changes: dict[str, str], *caps: str) -> list[str]:  # noqa: F811
    folder = write(changes)
    policy = folder / "policy.yaml"
    policy.write_text(policy.read_text().replace("caps:\n", "caps:\n" + "".join(f"  - {one}\n" for one in caps)))
    return [one for one in shown(folder, lint(folder)) if "CG047" in one]


@pytest.mark.parametrize(
    ("changes", "cap", "found"),
    [
        ({}, "{per: patient, at_most: 1, within: 2d}", [f"{FOUND}cap 1 of policy.yaml allows one message"]),
        ({}, "{per: patient, topic: appointments, at_most: 1, within: 2d}", [f"{FOUND}cap 1"]),
        ({}, "{per: patient, topic: results, at_most: 1, within: 2d}", []),
        ({}, "{per: patient, at_most: 1, within: 1d}", []),
        ({}, "{per: patient, channel: sms, at_most: 1, within: 7d}", []),
        ({}, "{per: patient, at_most: 2, within: 7d}", []),
        ({"expires: appointment.start": "expires_after: 24h"}, "", [f"{FOUND}every message has expired"]),
        ({"expires: appointment.start": "expires_after: 25h"}, "", []),
        ({"by: [7d]": "by: [7d, 1d]"}, "", []),
        ({"by: [7d]": "by: [24h]"}, "", [f"{FOUND}every message has expired"]),
    ],
)
def test_a_second_message_that_cannot_be_is_told(
    write: Write,  # noqa: F811
    changes: dict[str, str],
    cap: str,
    found: list[str],
) -> None:
    """Issue 5: only where the regulations and the site allow two messages."""
    said = _found(write, {**TWO, **changes}, *([cap] if cap else []))
    assert len(said) == len(found), said
    assert all(one.startswith(start) for one, start in zip(said, found, strict=True))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"channels: [email]": "channels: [email]\n  fallback: {on_silence: 24h}"}, "no second channel"),
        ({"channels: [email]": "channels: [preferred, email]\n  fallback: {on_silence: 24h}"}, "no second channel"),
        ({**TWO, "purpose: TREAT": "purpose: HMARKT"}, "silence is no reason for a second marketing message"),
        ({"channels: [email]": "channels: [email]\n  read_within: 2d"}, "only what lies in the portal"),
    ],
)
def test_what_makes_no_sense_is_no_rule(write: Write, changes: dict[str, str], sentence: str) -> None:  # noqa: F811
    """It does not load: no second marketing message is ever planned (45 CFR 164.508)."""
    with pytest.raises(ConfigError, match=sentence):
        load(write(changes))


def test_both_times_are_read_from_the_rule(write: Write) -> None:  # noqa: F811
    """In millis; unknown counts only where it is said."""
    told = "channels: [email, portal]\n  read_within: 2d\n  fallback: {on_silence: 24h, on_unknown: yes}"
    rule = load(write({"channels: [email]": told})).rules["reminder"]
    assert (rule.read_within, rule.silent_after, rule.unknown_is_silence) == (172_800_000, 86_400_000, True)
    rule = load(write(TWO)).rules["reminder"]
    assert (rule.read_within, rule.silent_after, rule.unknown_is_silence) == (None, 86_400_000, False)
