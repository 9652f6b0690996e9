"""Feeds and the state of the whole gateway as an operator reads them; exit codes say whether anybody is needed."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from gateway.app import assemble
from gateway.pipeline.silence import FeedWatch
from gateway.ports import SetClock, SystemClock
from gateway.settings import load


@pytest.fixture
def loaded(site, feed, write):
    """A site that got a registration, a booking and something nobody can read."""
    site("load", write(feed.registered(), feed.booked(), feed.broken()))
    return site


def dead_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_the_list_of_feeds_tells_state_rate_and_today(loaded):
    """Never spoken, running; what is not known yet is a dash; the keys are a promise to programs."""
    (line,) = loaded("feeds", "list", "--json").lines
    assert list(line) == [
        "name", "state", "held", "silent_since", "excused_until", "last_received", "age", "rate", "usual_rate",
        "usual_silence", "silent_from", "received", "ignored", "quarantined", "queue",
    ]  # fmt: skip
    assert (line["name"], line["state"], line["received"], line["ignored"], line["quarantined"]) == (
        "ehr", "running", 3, 0, 1,
    )  # fmt: skip
    assert (line["rate"], line["usual_rate"], line["usual_silence"]) == (3, None, None)
    assert line["age"] < 600_000
    heads, row = (one.split("\t") for one in loaded("feeds", "list").out.splitlines())
    assert heads[:4] == ["source", "state", "last message", "age"]
    assert row[:2] == ["ehr", "running"]
    assert row[-3:] == ["3", "0", "1"]


def test_a_site_that_heard_nothing_says_so(site):
    """No message, no habit, no error."""
    assert site("feeds", "list", "--json").lines[0]["state"] == "never spoken"
    assert "nothing came within seven days" in site("feeds", "show", "ehr").out


def test_what_a_feed_sent_is_shown_by_type_and_reason(loaded, feed, write):
    """A-06: what was ignored says why."""
    loaded("load", write(feed.message("ADT^A20^ADT_A20", "EVN|A20|20260301", "NPU|MAIN"), name="more.hl7"))
    told = {(one["type"], one["result"]): one for one in loaded("feeds", "show", "ehr", "--json").lines}
    assert told["SIU^S12", "accepted"]["today"] == 1
    assert told["ADT^A01", "quarantined"]["reason"] == "the PID segment is missing"
    assert told["ADT^A20", "ignored"]["reason"]
    assert "the PID segment is missing" in loaded("feeds", "show", "ehr").out
    assert "there is no source `lab`" in loaded("feeds", "show", "lab").err


def test_the_shadow_run_is_told_by_outcome(loaded):
    """Nobody consented, so nothing would leave."""
    lines = loaded("feeds", "would-send", "ehr", "--json").lines
    assert {(one["step"], one["outcome"], one["reason"], one["count"]) for one in lines} == {
        ("7d", "refuse", "no-consent", 1),
        ("1d", "refuse", "no-consent", 1),
    }
    assert "no-consent" in loaded("feeds", "would-send", "ehr").out


def test_a_silence_is_excused_for_a_while_and_taken_back(site):
    """With a reason; a span as everywhere else."""
    ran = site("feeds", "excuse", "ehr", "--for", "20h", "--reason", "Thanksgiving")
    assert ran.code == 0
    assert "silence excused until" in ran.out
    assert site("feeds", "list", "--json").lines[0]["excused_until"] is not None
    assert "excused until" in site("feeds", "list").out
    assert site("feeds", "excuse", "ehr", "--for", "0s", "--reason", "back").out == "source ehr: not excused\n"
    assert site("feeds", "list", "--json").lines[0]["excused_until"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--for", "20h"], "say why with --reason"),
        (["--for", "soon", "--reason", "x"], "--for must be a duration like"),
        (["--for", "5w", "--reason", "x"], "at most 14 days"),
    ],
)
def test_an_excuse_that_cannot_be_is_one_sentence(site, words, said):
    """Exit code 2."""
    ran = site("feeds", "excuse", "ehr", *words)
    assert ran.code == 2
    assert said in ran.err


def test_a_site_that_is_well_has_exit_code_0(site, feed, write):
    """Nothing waits for anybody."""
    site("load", write(feed.registered(), feed.booked()))
    ran = site("status")
    assert ran.code == 0, ran.out
    assert "database reachable, broker reachable" in ran.out
    assert "outbox 2 waiting, nothing overdue" in ran.out
    assert ran.out.endswith("all is well\n")


def test_what_needs_a_person_has_exit_code_1_and_is_named(loaded):
    """Also for programs, in closed words."""
    ran = loaded("status")
    assert ran.code == 1
    assert "needs a person: messages that cannot be read wait in quarantine" in ran.out
    ran = loaded("status", "--json")
    assert ran.code == 1
    (told,) = ran.lines
    assert (told["database"], told["broker"], told["attention"], told["broken"]) == (True, True, ["quarantine"], [])
    assert told["quarantine_open"] == 1
    assert [(one["state"], one["count"]) for one in told["outbox"]] == [("active", 2)]
    assert told["feeds"][0]["name"] == "ehr"


def test_a_broker_that_is_away_is_broken(site):
    """Exit code 2, and the rest is told all the same."""
    path = Path("caregate.yaml")
    path.write_text(path.read_text() + f"\nbroker: redis://127.0.0.1:{dead_port()}/0\n")
    ran = site("status")
    assert ran.code == 2
    assert "broker NOT reachable" in ran.out
    assert "broken: the broker cannot be reached" in ran.out
    assert "ehr" in ran.out


def test_a_database_that_is_away_is_broken(site):
    """It is the answer, not an error."""
    path = Path("caregate.yaml")
    path.write_text(path.read_text() + f"\ndatabase: postgresql://127.0.0.1:{dead_port()}/caregate\n")
    ran = site("status", "--json")
    assert ran.code == 2
    assert ran.lines == [{"database": False, "broker": True, "attention": [], "broken": ["database"]}]


def test_where_nobody_works_any_more_it_is_broken(site):
    """The last look of a process that works is hours ago: sends and the audit log wait."""
    now = SystemClock().now()
    gateway = assemble(load(Path("caregate.yaml"), environ={}), clock=SetClock(now - 7_200_000))
    FeedWatch(gateway.store, gateway.site).once()
    gateway.close()
    ran = site("status", "--json")
    assert ran.code == 2
    assert set(ran.lines[0]["broken"]) == {"nobody-works", "audit-unsealed"}


def test_spans_are_told_in_two_units():
    """3d 4h, 12m 30s."""
    from gateway.cli.terminal import span

    told = {None: "-", 0: "0s", 999: "0s", 1_000: "1s", 90_000: "1m 30s", 3_600_000: "1h", 273_600_000: "3d 4h"}
    assert {millis: span(millis) for millis in told} == told
