"""The outbox as an operator handles it: what waits and why, many at once and never by accident, and the big red button."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.cli import outbox

PERSON = "50001^^^LAKESIDE^MR"


@pytest.fixture
def booked(site, feed, write):
    """Two people with a visit each, ten and twelve days ahead: two reminders for each."""
    day = [feed.registered(), feed.booked(), feed.registered(number="50002", given="Ben")]
    site("load", write(*day, feed.booked(days=12, number="9002")))
    return site


@pytest.fixture
def snow(feed):
    """The day of the first visit, as the clinic's calendar has it."""
    start = feed.now + timedelta(days=10)
    return start.astimezone(ZoneInfo("America/Chicago")).date().isoformat()


def held(site):
    return [one["request"] for one in site("outbox", "list", "--held", "--json").lines[:-1]]


def test_what_waits_is_counted_and_listed(booked):
    """By urgency, rule and reason; the keys are a promise to programs; nobody is named."""
    *lines, told = booked("outbox", "list", "--json").lines
    assert told["total"] == 4
    assert told["stopped"] == []
    assert {(one["state"], one["lane"], one["rule"], one["reason"], one["count"]) for one in told["counts"]} == {
        ("waiting", "routine", "appointment-reminder", "", 4)
    }
    assert list(lines[0]) == [
        "request", "patient", "rule", "step", "reason", "due", "expires", "waits_for", "lane", "state", "next",
    ]  # fmt: skip
    assert [one["due"] for one in lines] == sorted(one["due"] for one in lines)
    ran = booked("outbox", "list", "--limit", "1")
    assert "3 more; --limit shows them" in ran.err
    assert "its time" in ran.out
    assert "appointment-reminder" in ran.out


def test_the_list_is_narrowed_by_rule_day_and_person(booked, snow):
    """A person's identifier comes from standard input, with a reason, and the look is audited."""

    def total(*words, **more):
        ran = booked("outbox", "list", "--json", *words, **more)
        assert ran.code == 0, ran.err
        return ran.lines[-1]["total"]

    assert total("--rule", "appointment-reminder") == 4
    assert total("--rule", "another") == 0
    assert total("--held-for", "quiet-hours") == 0
    assert total("--facility", "lakeside") == 4
    assert total("--facility", "lakeside", "--date", snow) == 2
    assert total("--patient", "-", "--reason", "call 3", stdin=PERSON) == 4
    assert "say why with --reason" in booked("outbox", "list", "--patient", "-", stdin=PERSON).err
    assert "never from arguments" in booked("outbox", "list", "--patient", PERSON, "--reason", "x").err
    story = booked("trace", "--patient", "-", "--reason", "check", stdin=PERSON)
    assert "read by a person: outbox call 3" in story.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list", "--facility", "nowhere"], "there is no facility `nowhere`"),
        (["list", "--date", "2026-01-20"], "say --facility too"),
        (["list", "--held-for", "rain"], "there is no reason `rain`"),
        (["list", "--facility", "lakeside", "--date", "tomorrow"], "a day like 2026-01-20"),
        (["hold", "--reason", "x"], "say which"),
        (["hold", "7", "--everything", "--reason", "x"], "say which"),
        (["hold", "7", "--reason", "x"], "request 7 is not planned"),
        (["hold", "--facility", "lakeside", "--reason", "x"], "say --date too"),
        (["hold", "--everything"], "say why with --reason"),
        (["release", "7", "--reason", "x"], "there is no request 7"),
        (["withdraw", "7", "--reason", "x"], "there is no request 7"),
        (["stop"], "say why with --reason"),
        (["stop", "--facility", "lakeside", "--reason", "x"], "say --facility and --date"),
        (["stop", "--channel", "pigeon", "--reason", "x"], "there is no channel `pigeon`"),
        (["stop", "--channel", "sms", "--rule", "y", "--reason", "x"], "say one of"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else "",
)
def test_what_cannot_be_done_is_one_sentence(booked, words, said):
    """Exit code 2, nothing is touched."""
    ran = booked("outbox", *words)
    assert ran.code == 2
    assert said in ran.err
    assert held(booked) == []


def test_one_request_is_held_and_released(booked):
    """Audited with the reason; the same command as `holds release`."""
    request = booked("outbox", "list", "--json").lines[0]["request"]
    assert booked("outbox", "hold", request, "--reason", "ask Dr. Ames").out == "1 requests wait for a person\n"
    (line, _) = booked("outbox", "list", "--held", "--json").lines
    assert (line["request"], line["reason"], line["state"], line["next"]) == (request, "held-by-hand", "held", None)
    assert line["waits_for"] == "a person who releases it (ask Dr. Ames)"
    assert [one["request"] for one in booked("holds", "list", "--json").lines] == [request]
    assert booked("holds", "release", request, "--reason", "she agrees").code == 0
    assert held(booked) == []
    story = booked("trace", "--request", request).out
    assert "ask Dr. Ames" in story
    assert "released: she agrees" in story


def test_a_facilitys_day_is_held_released_and_withdrawn(booked, snow):
    """The snow day; a dry run says how many, and touches nothing."""
    day = ("--facility", "lakeside", "--date", snow, "--reason", "snow")
    assert booked("outbox", "hold", *day, "--dry-run").out == "2 requests would be held\n"
    assert held(booked) == []
    assert "2 requests wait" in booked("outbox", "hold", *day).out
    assert len(held(booked)) == 2
    assert booked("outbox", "hold", *day).out == "0 requests would be held\n"
    assert "2 requests will be judged again, 0 were withdrawn" in booked("outbox", "release", *day).out
    assert held(booked) == []
    assert "2 requests are withdrawn" in booked("outbox", "withdraw", *day).out
    assert booked("outbox", "list", "--json").lines[-1]["total"] == 2


def test_very_many_are_only_touched_by_whoever_types_their_number(booked, monkeypatch):
    """Or says --yes."""
    monkeypatch.setattr(outbox, "MANY", 3)
    words = ("outbox", "withdraw", "--rule", "appointment-reminder", "--reason", "wrong text")
    ran = booked(*words, stdin="y\n")
    assert (ran.code, "type their number" in ran.err) == (2, True)
    assert booked("outbox", "list", "--json").lines[-1]["total"] == 4
    assert booked(*words, stdin="4\n").code == 0
    assert booked("outbox", "list", "--json").lines[-1]["total"] == 0
    assert booked("outbox", "hold", "--everything", "--reason", "x", "--yes").out == "0 requests would be held\n"


def test_the_big_red_button_is_shown_until_it_is_let_go(booked, snow):
    """With who, since when and why; and each stop is let go by the same words."""
    day = ("--facility", "lakeside", "--date", snow)
    assert booked("outbox", "stop", "--reason", "wrong texts").code == 0
    assert "stopped: facility lakeside" in booked("outbox", "stop", *day, "--reason", "snow").out
    (told,) = booked("outbox", "list", "--limit", "0", "--json").lines
    assert [(one["scope"], one["value"], one["why"]) for one in told["stopped"]] == [
        ("everything", None, "wrong texts"),
        ("facility", "lakeside", "snow"),
    ]
    ran = booked("outbox", "resume", "--reason", "fixed")
    assert "0 requests will be judged again" in ran.out
    assert "still stopped since" in ran.err
    assert booked("outbox", "resume", *day, "--reason", "thaw").err == ""
    for words in (("--channel", "sms"), ("--rule", "appointment-reminder")):
        assert booked("outbox", "stop", *words, "--reason", "x").code == 0
        assert " ".join(words).removeprefix("--") in booked("outbox", "list").err
        assert booked("outbox", "resume", *words, "--reason", "x").code == 0
    assert booked("outbox", "list", "--json").lines[-1]["stopped"] == []


def test_a_day_is_that_of_the_facility():
    """From midnight to midnight there; the day on which the clock changes has 23 hours."""
    from types import SimpleNamespace

    from gateway.pipeline.inspect import day_of

    told = {"facility": lambda name: name, "zone_of": lambda _name: "America/Chicago"}
    site = SimpleNamespace(organizations={"lakeside": 1}, locations={}, **told)
    start, end = day_of(site, "lakeside", datetime(2026, 3, 8).date())
    assert end - start == 23 * 3_600_000
    assert datetime.fromtimestamp(start / 1000, ZoneInfo("America/Chicago")).isoformat() == "2026-03-08T00:00:00-06:00"


def test_the_worklist_is_for_people_and_programs(booked):
    """Keys are a promise; a kind that does not exist is one sentence; a site where nothing waits says so."""
    assert booked("worklist").err == "nothing waits for a person\n"
    assert booked("outbox", "stop", "--reason", "wrong texts").code == 0
    (line,) = booked("worklist", "--json").lines
    assert list(line) == ["kind", "about", "what", "count", "since", "age", "command"]
    assert "caregate outbox resume" in booked("worklist", "--kind", "stopped").out
    assert booked("worklist", "--kind", "reply").err == "nothing waits for a person\n"
    assert "there is no kind `rain`" in booked("worklist", "--kind", "rain").err
    ran = booked("status")
    assert (ran.code, "somebody stopped what leaves" in ran.out) == (1, True)
