"""`caregate rules activate` as two people use it: from key to signature to force, and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def edited(text="by: [3d]"):
    path = Path("rules/appointment-reminder.yaml")
    path.write_text(path.read_text().replace("by: [7d, 1d]", text))


@pytest.fixture
def signing(site):
    """A site where two people must sign: anna writes rules, ben approves."""
    people = []
    for name, roles in (("anna", "[analyst]"), ("ben", "[approver]")):
        key = site("rules", "key", "--out", f"{name}.key").out.strip()
        people.append(f"  {name}: {{{key}, roles: {roles}}}")
    config = Path("caregate.yaml")
    config.write_text(config.read_text() + "\napproval: signature\npeople:\n" + "\n".join(people) + "\n")
    return site


def sign(caregate, name, part, *more):
    ran = caregate(
        "rules", "sign", "--by", name, "--key", f"{name}.key", "--part", part, "--out", f"{name}.json", *more
    )
    assert ran.code == 0, ran.err


def test_rules_are_put_in_force_and_back(site):
    """Without approval: the folder; the old ones in one command, and their files to look at."""
    assert "no rule set is in force" in site("rules", "status").out
    first = json.loads(site("rules", "activate", "--json").out)
    edited()
    assert "the folder is another" in site("rules", "status").out
    assert site("rules", "activate").code == 0
    rows = site("rules", "history", "--json").lines
    assert [one["how"] for one in rows] == ["activated", "activated"]
    assert site("rules", "restore", first["activation"]).code == 0
    told = json.loads(site("rules", "status", "--json").out)
    assert (told["in_force"]["digest"], told["same"]) == (first["ruleset"], False)
    assert site("rules", "show", first["activation"], "--out", "old").code == 0
    assert "by: [7d, 1d]" in Path("old/appointment-reminder.yaml").read_text()
    assert "appointment-reminder.yaml" in site("rules", "show", first["activation"]).out
    assert site("rules", "history").out.count("\n") == 4
    assert "there is no activation 5" in site("rules", "restore", 5).err


def test_nothing_runs_before_two_people_signed(signing, write, feed):
    """The folder counts for nothing; a signature of one does not either."""
    path = write(feed.booked())
    assert "no rule set is in force yet" in signing("load", path).err
    assert "no author has signed" in signing("rules", "activate").err
    sign(signing, "anna", "author")
    assert "no approver has signed" in signing("rules", "activate", "--signature", "anna.json").err
    sign(signing, "ben", "approver")
    ran = signing("rules", "activate", "--signature", "anna.json", "--signature", "ben.json")
    assert "by anna, approved by ben" in ran.out, ran.err
    assert signing("load", path).code == 0
    assert signing("rules", "history", "--json").lines[0]["approver"] == "ben"


def test_what_was_edited_after_signing_is_not_put_in_force(signing):
    """Nor by starting: the folder may hold a draft, even one that cannot be read."""
    sign(signing, "anna", "author")
    sign(signing, "ben", "approver")
    words = ("rules", "activate", "--signature", "anna.json", "--signature", "ben.json")
    assert signing(*words).code == 0
    before = signing("rules", "status", "--json").lines[0]["in_force"]["digest"]
    edited()
    assert "for other rules" in signing(*words).err
    Path("rules/policy.yaml").write_text("nonsense: 1\n")
    assert signing("plan", "--open").code == 0
    assert "cannot be read" in signing("rules", "status").out
    assert signing("rules", "status", "--json").lines[0]["in_force"]["digest"] == before


def test_rules_put_in_force_around_the_approval_decide_nothing(signing):
    """By a configuration that asks for none, on the same database."""
    config = Path("caregate.yaml")
    text = config.read_text()
    config.write_text(text.replace("approval: signature", "approval: none"))
    assert signing("rules", "activate").code == 0
    first = signing("rules", "history", "--json").lines[0]["id"]
    config.write_text(text)
    assert "is in force but not approved" in signing("plan", "--open").err
    assert "not approved" in signing("rules", "restore", first).err


def test_a_replay_can_be_asked_for(site):
    """`report: required`: a digest nobody's replay printed does not do, and a start does not go around it."""
    config = Path("caregate.yaml")
    config.write_text(config.read_text() + "\nreport: required\n")
    assert site("rules", "activate").code == 0  # the first: there is nothing to compare with
    edited()
    assert site("plan", "--open").code == 0
    assert len(site("rules", "history", "--json").lines) == 1
    assert "look at a replay first" in site("rules", "activate").err
    assert "there is no such report" in site("rules", "activate", "--report", "f" * 64).err


def test_a_key_is_never_written_over(site):
    """And its file is its owner's alone."""
    assert site("rules", "key", "--out", "anna.key").code == 0
    assert Path("anna.key").stat().st_mode & 0o777 == 0o600
    assert "is there already" in site("rules", "key", "--out", "anna.key").err


def test_a_key_that_is_none_is_told_at_its_line(site):
    """Not at the first signature."""
    config = Path("caregate.yaml")
    config.write_text(config.read_text() + "\npeople:\n  anna: {key: abc, roles: [analyst]}\n")
    assert "must be an Ed25519 public key" in site("rules", "status").err


def test_signatures_where_none_are_asked_for_are_refused(site):
    """Whoever signs believes that it counts."""
    assert site("rules", "key", "--out", "anna.key").code == 0
    sign(site, "anna", "author")
    assert "asks for no signatures" in site("rules", "activate", "--signature", "anna.json").err
    assert "--part is author or approver" in site("rules", "sign", "--by", "a", "--key", "anna.key", "--part", "x").err
