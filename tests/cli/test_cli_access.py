"""`caregate access`: a key is shown once, listed without what opens, and ended with a reason."""

from __future__ import annotations


def test_a_key_is_made_listed_and_ended(site):
    """Regulation 19: roles, an end, and what opens is nowhere afterwards."""
    made = site(
        "access", "add", "maria", "--role", "privacy-officer", "--role", "auditor", "--expires", "90d", "--json"
    )
    (key,) = made.lines
    assert key["key"].startswith("cgk_")
    assert sorted(key["roles"]) == ["auditor", "privacy-officer"]
    listed = site("access", "list", "--json")
    assert key["key"] not in listed.out
    assert listed.lines[0]["name"] == "maria"
    assert site("access", "add", "maria", "--role", "auditor").code == 2
    assert site("access", "revoke", "maria").code == 2
    assert site("access", "revoke", "maria", "--reason", "left").code == 0
    assert site("access", "revoke", "maria", "--reason", "left").code == 2
    assert site("access", "add", "maria", "--role", "auditor").code == 0


def test_a_key_for_nobody_or_nothing_is_not_made(site):
    """One sentence each, exit code 2."""
    for words in (
        ("Maria Smith", "--role", "auditor"),
        ("maria", "--role", "root"),
        ("maria", "--role", "auditor", "--expires", "soon"),
        ("maria", "--role", "auditor", "--expires", "0s"),
    ):
        assert site("access", "add", *words).code == 2, words
    assert "there is no key" in site("access", "list").out + site("access", "list").err
