"""What a person approved of a rule is known by its digest: all that it does, and nothing of where that is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

from gateway.model.rule import Condition, Effective
from gateway.ruleset import load
from gateway.ruleset.fingerprint import fingerprint

ROOT = Path(__file__).resolve().parents[2]
RULE = load(ROOT / "rules").rules["appointment-reminder"]
KNOWN = fingerprint(RULE, ("a", "b"))


def test_a_line_that_moved_is_the_same_rule() -> None:
    """Comments come and go."""
    moved = tuple(replace(one, line=one.line + 7) for one in RULE.where)
    assert fingerprint(replace(RULE, where=moved, file="rules/other.yaml"), ("a", "b")) == KNOWN


def test_another_template_list_or_bound_is_another_rule() -> None:
    """Of a list what counts is what stands in it."""
    listed = Condition(fact="appointment.service", line=3, values=frozenset({"cardiology", "primary-care"}), listed="x")
    others = [
        fingerprint(RULE, ("a", "c")),
        fingerprint(replace(RULE, where=(*RULE.where, listed)), ("a", "b")),
        fingerprint(replace(RULE, where=(*RULE.where, replace(listed, values=frozenset({"cardiology"})))), ("a", "b")),
        fingerprint(replace(RULE, effective=Effective(start=date(2026, 9, 1), until=None, line=4)), ("a", "b")),
    ]
    assert len({KNOWN, *others}) == 5
