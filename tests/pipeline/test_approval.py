"""Nobody approves their own rules: every way a signature may not count."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import date, timedelta

import pytest

from gateway.model.errors import CommandError
from gateway.pipeline import approval
from gateway.pipeline.approval import Part, Signer

DAY = date(2026, 3, 2)
DIGEST, OTHER = "a" * 64, "b" * 64


def person(name, *roles):
    pem, public = approval.new_key()
    return pem, Signer(name=name, key=base64.b64decode(public), roles=frozenset(roles))


ANNA_KEY, ANNA = person("anna", "analyst", "approver")
BEN_KEY, BEN = person("ben", "approver")
PEOPLE = {"anna": ANNA, "ben": BEN}


def signed(key=ANNA_KEY, by="anna", part=Part.AUTHOR, ruleset=DIGEST, report="", day=DAY):
    return approval.sign(key, person=by, part=part, ruleset=ruleset, report=report, day=day)


AUTHOR = signed()
APPROVER = signed(BEN_KEY, "ben", Part.APPROVER)


def asked(*signatures, people=PEOPLE, report="", today=DAY):
    return approval.approval(signatures, people, ruleset=DIGEST, report=report, today=today)


def test_an_author_and_another_person_who_approves_are_enough():
    """In whatever order; and what was approved is proven again whenever it is loaded."""
    made = asked(APPROVER, AUTHOR)
    assert (made.author, made.approver) == ("anna", "ben")
    again = approval.loads(approval.dumps(made.evidence))
    assert approval.still_holds(again, PEOPLE, ruleset=DIGEST, report="") is None


@pytest.mark.parametrize(
    ("signatures", "words"),
    [
        ((AUTHOR,), "no approver"),
        ((APPROVER,), "no author"),
        ((AUTHOR, signed(part=Part.APPROVER)), "nobody approves their own"),
        ((AUTHOR, replace(APPROVER, date="2026-03-03")), "does not hold"),
        ((AUTHOR, replace(APPROVER, signature="AAAA")), "does not hold"),
        ((AUTHOR, replace(APPROVER, signature="?")), "does not hold"),
        ((AUTHOR, replace(APPROVER, person="carl")), "does not hold"),
        ((AUTHOR, signed(BEN_KEY, "ben", Part.APPROVER, ruleset=OTHER)), "other rules"),
        ((AUTHOR, signed(BEN_KEY, "ben", Part.APPROVER, report=OTHER)), "another report"),
        ((AUTHOR, signed(ANNA_KEY, "ben", Part.APPROVER)), "does not hold"),
        ((signed(BEN_KEY, "ben"), APPROVER), "has not the role analyst"),
        ((replace(AUTHOR, part="owner"), APPROVER), "does not hold"),
    ],
)
def test_what_does_not_count(signatures, words):
    """Each with the sentence that says why."""
    with pytest.raises(CommandError, match=words):
        asked(*signatures)


def test_two_names_with_one_key_are_one_person():
    """Who holds both keys holds both words."""
    twin = Signer(name="ben", key=ANNA.key, roles=BEN.roles)
    with pytest.raises(CommandError, match="nobody approves their own"):
        asked(AUTHOR, signed(ANNA_KEY, "ben", Part.APPROVER), people={"anna": ANNA, "ben": twin})


def test_what_was_approved_stays_so_when_its_author_has_no_role_any_more():
    """But not when their key is gone, or the evidence is of other rules, or there is none."""
    made = asked(AUTHOR, APPROVER).evidence
    left = {**PEOPLE, "anna": replace(ANNA, roles=frozenset())}
    assert approval.still_holds(made, left, ruleset=DIGEST, report="") is None
    assert "anna" in str(approval.still_holds(made, {"ben": BEN}, ruleset=DIGEST, report=""))
    assert approval.still_holds(made, PEOPLE, ruleset=OTHER, report="") == "a signature is for other rules"
    assert approval.still_holds((), PEOPLE, ruleset=DIGEST, report="") == "it was put in force without an approval"


def test_a_signature_nobody_used_is_no_key_for_ever():
    """Thirty days later, or dated into the future, it is asked for again; what is in force stays approved."""
    for days in (-2, 31, 4000):
        with pytest.raises(CommandError, match="not of the last 30 days"):
            asked(AUTHOR, APPROVER, today=DAY + timedelta(days=days))
    assert asked(AUTHOR, APPROVER, today=DAY + timedelta(days=30)).approver == "ben"
    undated = replace(APPROVER, date="soon")
    assert not approval.holds(undated, PEOPLE)


def test_a_date_that_is_none_is_never_young():
    """Whatever a person's own tool made them sign."""
    odd = type("Odd", (), {"isoformat": lambda _self: "soon"})()
    with pytest.raises(CommandError, match="not of the last 30 days"):
        asked(AUTHOR, signed(BEN_KEY, "ben", Part.APPROVER, day=odd))


def test_a_line_more_makes_no_other_signature():
    """What is signed is divided by lines: a field of two lines would read as two fields (a report as a date)."""
    with pytest.raises(CommandError, match="one line"):
        signed(BEN_KEY, "ben", Part.APPROVER, report=f"{OTHER}\n")
    one = signed(BEN_KEY, "ben", Part.APPROVER, report=OTHER)
    split = replace(one, ruleset=f"{DIGEST}\n{OTHER}", report="2026-03-02", date="")
    assert split.text() == one.text() + b"\n"
    shifted = replace(one, part=f"{one.part}\n{DIGEST}", ruleset=OTHER, report=one.date, date="")
    assert not approval.holds(shifted, PEOPLE)
    assert not approval.holds(replace(one, person="ben\n"), {**PEOPLE, "ben\n": BEN})


def test_evidence_is_of_the_report_that_stands_beside_it():
    """Whoever writes another report into the row unmakes the approval."""
    made = asked(AUTHOR, APPROVER).evidence
    assert approval.still_holds(made, PEOPLE, ruleset=DIGEST, report=OTHER) == "a signature names another report"


def test_what_is_no_key_and_no_signature_is_said():
    """A file of something else."""
    with pytest.raises(CommandError, match="no Ed25519 private key"):
        signed(b"-----BEGIN NONSENSE-----")
    for text in ("", "{", "[1]", '[{"who": "x"}]', "[" * 100_000, b"\xff\xfe\xfa"):
        with pytest.raises(CommandError, match="no signature"):
            approval.loads(text)
