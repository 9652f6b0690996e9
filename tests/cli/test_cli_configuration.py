"""`caregate lint` finds in one go what a first evening with caregate.yaml gets wrong, and says where and how to mend it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def bent(site):
    """Replace text of the site's caregate.yaml, add some, and lint: (line, column, sentence) of every finding."""

    def lint(*changes, add="", words=()):
        path = Path("caregate.yaml")
        text = path.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path.write_text(text + add)
        ran = site("lint", "--json", *words)
        found = [json.loads(line) for line in ran.out.splitlines()]
        assert ran.code == (1 if found else 0)
        return [(one["line"], one["column"], one["sentence"]) for one in found]

    return lint


@pytest.mark.parametrize("name", ["produciton", "prod", "live", "producton"])
def test_a_name_that_was_meant_to_be_production_is_no_silent_test_system(bent, name):
    """Law 6: only `production` writes to patients; a near miss is a mistake, not a name."""
    ((line, column, said),) = bent(("environment: test", f"environment: {name}"))
    assert (line, column) == (5, 14)
    assert "did you mean `production`?" in said


@pytest.mark.parametrize("name", ["test", "staging", "training", "preproduction", "pre-production", "qa"])
def test_a_test_system_may_have_a_name_of_its_own(bent, name):
    """And is one."""
    assert bent(("environment: test", f"environment: {name}")) == []


@pytest.mark.parametrize(
    ("add", "sentence"),
    [
        ("database: postgres://db/care\n", "did you mean postgresql://?"),
        ("database: mysql://db/care\n", "`database` must be sqlite:///path or postgresql://host/name"),
        ("database: sqlite://care.db\n", "`database` needs a file: sqlite:///path"),
        ("database: 'sqlite:///:memory:'\n", "`database` needs a file"),
        ("broker: reddis://mq\n", "did you mean redis://?"),
        ("broker: mq.lakeside.example\n", "`broker` must be memory://, redis://host or amqp://host"),
        ("broker: env:NOT_SET_HERE\n", "the environment variable NOT_SET_HERE is not set"),
        ("broker: file:nowhere\n", "the file it names cannot be read"),
        ("mappings: maps\n", "there is no folder maps"),
        ("rules: rulez\n", "there is no rule folder rulez"),
        ("keys: care.keys\n", "there is no key file care.keys"),
        ("audit: {heads: mnt/elsewhere/heads}\n", "the folder of mnt/elsewhere/heads is not there"),
    ],
)
def test_what_could_not_be_opened_is_found_before_it_is(bent, add, sentence):
    """A scheme nobody speaks, a variable nobody set, a file that is not there: each at its own place."""
    ((line, column, said),) = bent(add=add)
    assert line > 40
    assert column == add.index(": ") + 3 or "heads" in add
    assert sentence in said


def test_a_watched_folder_that_is_not_there_is_found_before_the_start(bent, site):
    """Nobody makes it: a file server that is not mounted looks the same."""
    night = "sources:\n  night: {kind: folder, organization: lakeside, path: drop}\n"
    ((_, _, said),) = bent(("sources:\n", night))
    assert "this folder is not there" in said
    Path("drop").mkdir()
    assert site("lint").code == 0
    assert "caregate.yaml, " in site("lint").err


def test_a_url_from_the_environment_is_judged_and_not_quoted(bent, monkeypatch):
    """It holds a password."""
    monkeypatch.setenv("CAREGATE_DATABASE", "postgress://care:hunter2@db/care")
    ((line, _, said),) = bent()
    assert line == 0
    assert "did you mean postgresql://?" in said
    assert "hunter2" not in said


def test_lint_may_run_where_the_secrets_are_not(bent):
    """`--no-secrets`: a reference is left alone, and what depends on it is not judged."""
    changed = ("    port: 25 ", "    port: env:NOT_SET_HERE\n    # ")
    assert bent(changed, words=("--no-secrets",)) == []
    assert [said for _, _, said in bent()] == ["the environment variable NOT_SET_HERE is not set"]


def test_every_mistake_comes_at_once_at_its_own_line(bent):
    """Of the file, of a source's connector and of a channel's, in our words, with what is allowed and what was meant."""
    found = bent(
        ("environment: test", "environment: prod"),
        ("    port: 2575", "    prot: 2575\n    ack_mode: enhancd\n    idle_timeout: soon"),
        ("    port: 25 ", "    port: twenty\n    # "),
        ("    host: 127.0.0.1", "    host: 127.0.0.1\n    tsl: off"),
        add="broker: rabbit://mq\n",
    )
    said = {line: sentence for line, _, sentence in found}
    *lines, last = sorted(said)
    assert lines == [5, 29, 30, 31, 73, 74]
    assert "rabbit" in Path("caregate.yaml").read_text("utf-8").splitlines()[last - 1]  # what was added at the end
    assert said[29] == "unknown key `prot` of `sources.ehr`; did you mean `port`?"
    assert said[30].startswith("`sources.ehr.ack_mode` must be 'auto', 'original', 'enhanced' or 'none'; did you mean")
    assert said[31].startswith("`sources.ehr.idle_timeout`: write a duration as")
    assert said[73] == "unknown key `tsl` of `channels.email`; did you mean `tls`?"
    assert said[74] == "`channels.email.port` must be a whole number"


def test_a_certificate_is_looked_for_beside_the_configuration(bent, site, tmp_path, monkeypatch):
    """TL-05: wherever one stands when starting it; what cannot be used is told at its own option."""
    tls = "    port: 2575\n    tls: {certificate: tls/a.pem, key: tls/a.key, client_ca: tls/ca.pem}"
    ((line, column, said),) = bent(("    port: 2575", tls))
    assert (line, column) == (30, 24)
    assert "source ehr: tls: certificate: " in said
    monkeypatch.chdir("/")
    assert site("lint", "--config", tmp_path / "lakeside").out.count("CG003") == 1


def test_a_mistake_of_the_shape_does_not_hide_those_of_the_rules(site):
    """Configuration and rules are two files and told together."""
    config, rule = Path("caregate.yaml"), Path("rules/appointment-reminder.yaml")
    config.write_text(config.read_text().replace("environment:", "enviroment:"))
    rule.write_text(rule.read_text().replace("appointment.status", "appointment.statsu"))
    codes = {line["code"] for line in site("lint", "--json").lines}
    assert codes == {"CG001", "CG003"}


def test_a_configuration_that_is_named_and_not_there_is_no_finding(caregate):
    """It is a mistake of the command."""
    ran = caregate("lint", "--config", "nope.yaml")
    assert (ran.code, ran.out) == (2, "")
    assert "nope.yaml: there is no such file" in ran.err


def test_without_a_site_lint_and_test_say_whose_rules_they_look_at(caregate):
    """Nobody believes that theirs were checked."""
    for words in (("lint",), ("lint", "--json"), ("test",)):
        assert "no caregate.yaml here: these are the shipped rules and mappings" in caregate(*words).err


def test_rules_are_tested_although_the_configuration_is_wrong(site):
    """They need nothing of it; that it is wrong is said."""
    path = Path("caregate.yaml")
    path.write_text(path.read_text().replace("    port: 2575", "    prot: 2575"))
    ran = site("test")
    assert ran.code == 0
    assert "caregate.yaml has 1 mistakes; `caregate lint` tells them" in ran.err
