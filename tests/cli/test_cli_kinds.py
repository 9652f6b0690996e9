"""Consent of every kind, representatives and agreements at the command line; nothing personal is an argument."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

PERSON = "50001^^^LAKESIDE^MR\n"


@pytest.fixture
def known(site, feed, write):
    """A site to which a feed has told a person."""
    assert site("load", "--source", "ehr", write(feed.registered())).code == 0
    return site


def test_open_mail_is_recorded_with_the_warning_that_was_read(known):
    """PH-01; regulation 11: text version, language and who recorded it are shown."""
    more = ("--kind", "open-email", "--channel", "email", "--text-version", "warning 3", "--language", "es")
    ran = known("consent", "add", "--permit", "--evidence", "form 12", *more, stdin=PERSON)
    assert ran.code == 0, ran.err
    lines = known("consent", "list", "--json", "--reason", "look", stdin=PERSON).lines
    assert {(one["kind"], one["text_version"], one["language"]) for one in lines} == {("open-email", "warning 3", "es")}
    assert "open-email" in known("consent", "list", "--reason", "look", stdin=PERSON).out
    assert all(one["recorded_by"].startswith("os:") for one in lines)


def test_an_authorization_comes_from_a_file(known, tmp_path):
    """45 CFR 164.508(c): complete or refused; what is missing is named and nothing quoted."""
    whole = Path("form.json")
    told = dict.fromkeys(
        (
            "description",
            "discloser",
            "recipient",
            "purpose",
            "signature",
            "revocation",
            "no_conditioning",
            "redisclosure",
        ),
        "kept in folder 7",
    )
    whole.write_text(json.dumps({**told, "expiry": "end of the campaign", "signed_on": "2026-01-05"}))
    words = ("--kind", "authorization", "--purpose", "HMARKT", "--text-version", "7", "--evidence", "form 7")
    ran = known("consent", "add", "--permit", *words, "--elements", whole, stdin=PERSON)
    assert ran.code == 0, ran.err
    whole.write_text(json.dumps(told))
    ran = known("consent", "add", "--permit", *words, "--elements", whole, stdin=PERSON)
    assert (ran.code, "expiry, signed_on" in ran.err, "folder" in ran.err) == (2, True, False)
    for text in ("[1]", "{", '{"purpose": 1}'):
        whole.write_text(text)
        assert known("consent", "add", "--permit", *words, "--elements", whole, stdin=PERSON).code == 2
    assert known("consent", "add", "--permit", "--kind", "texting", "--evidence", "x", stdin=PERSON).code == 2


def test_a_representative_is_recorded_listed_and_ended(known):
    """45 CFR 164.502(g): names and addresses come from standard input."""
    words = ("guardian", "add", "--role", "parent", "--evidence", "form 9")
    ran = known(*words, stdin=PERSON + "Pat Doe\npat@mail.example\n+13125550111\n")
    assert ran.code == 0, ran.err
    number = ran.out.split()[-1]
    (line,) = known("guardian", "list", "--json", "--reason", "look", stdin=PERSON).lines
    assert (str(line["id"]), line["role"], line["name"], line["topics"]) == (number, "parent", "Pat Doe", "*")
    shown = known("guardian", "list", "--reason", "look", stdin=PERSON).out
    assert "Pat Doe" in shown
    assert "pat@mail.example" not in shown
    assert known("guardian", "end", number, "--reason", "order 3").code == 0
    assert known("guardian", "end", number, "--reason", "order 3").code == 2
    assert known(*words, stdin=PERSON).code == 2


def test_what_was_told_to_others_is_shown(known):
    """47 CFR 64.1200(a)(10): nobody was told of anything yet."""
    ran = known("consent", "revocations", "--json")
    assert (ran.code, ran.lines) == (0, [])
    assert "legal by" in known("consent", "revocations").out


@pytest.mark.parametrize(
    ("agreement", "sentence"),
    [
        ("", "has no `agreement`"),
        ("    agreement: {party: Relay, signed: 2020-01-05, expires: 2021-01-05}\n", "this agreement is over"),
        ("    agreement: {party: Relay, signed: 2020-01-05}\n", "must have `party`, `signed` and `expires`"),
        ("    agreement: {none_needed: ours, party: Relay}\n", "must have `party`, `signed` and `expires`"),
        ("    agreement: {party: R, signed: 2021-01-05, expires: 2020-01-05}\n", "must not expire before"),
        ("    agreement: {party: R, signed: soon, expires: 2020-01-05}\n", "must be a date like 2026-03-15"),
    ],
)
def test_a_channel_without_an_agreement_in_force_is_a_finding(site, agreement, sentence):
    """Regulation 26; 45 CFR 164.308(b)."""
    path = Path("caregate.yaml")
    text = path.read_text()
    start = text.index("    agreement:")
    end = text.index("    # username")
    path.write_text(text[:start] + agreement + text[end:])
    ran = site("lint")
    assert ran.code == 1
    assert sentence in ran.out + ran.err


def test_an_agreement_that_ends_soon_is_told_a_month_ahead(site):
    """Regulation 26: by the lint and by the status; an agreement in force is no finding."""
    from datetime import UTC, datetime, timedelta

    path = Path("caregate.yaml")
    text = path.read_text()
    start = text.index("    agreement:")
    end = text.index("    # username")
    for days, code in ((10, 1), (400, 0)):
        ends = (datetime.now(UTC) + timedelta(days=days)).date()
        told = f"    agreement: {{party: Relay Inc, signed: 2020-01-05, expires: {ends}}}\n"
        path.write_text(text[:start] + told + text[end:])
        ran = site("lint")
        assert (ran.code, "ends within 30 days" in ran.out + ran.err) == (code, bool(code)), ran.out
        assert ("agreements" in site("status", "--json").lines[0]["attention"]) is bool(code)
    assert f"expires: {ends}" in site("run", "--print-config").out


def test_an_explanation_says_which_version_of_the_law_it_asked(caregate):
    """Regulation 44: as each clearance does."""
    told = (
        "--event",
        "appointment.booked",
        "--fact",
        "appointment.start=2026-03-20 09:30",
        "--now",
        "2026-03-02 10:00",
    )
    assert "legal.csv 2026-03-01" in caregate("explain", *told).out
