"""What a first evening trips over: every hold, silence, refusal and count says what it is about and what to do next."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gateway.cli.commands import command

PERSON = "50001^^^LAKESIDE^MR"


def unknown_place(feed, **told):
    return feed.booked(**told).replace(b"|MAIN|", b"|WESTX^2|")


# -- codes that no table knows


def test_a_code_that_no_table_knows_is_named_with_its_fact_field_and_table(site, feed, write):
    """PV-08: the list says which fact, from where, and what lacks the code; the code itself is shown with a reason."""
    service = feed.booked(number="9002").replace(b"|FM|", b"|ZZTOP^Rock^L|")
    site("load", write(feed.registered(), unknown_place(feed), service))
    waits = {line["waits_for"] for line in site("holds", "list", "--json").lines}
    assert waits == {
        "appointment.location from AIL-3, PV1-3, participant.actor has a code that is not in `codes` of a location in caregate.yaml",
        "appointment.service from AIS-3, SCH-8, PV1-10, serviceType, specialty, serviceCategory has a code that is not in mappings/codes/service.yaml",
    }
    shown = site("holds", "list")
    assert "WESTX" not in shown.out + shown.err
    assert "say why with --reason" in site("holds", "codes").err
    codes = site("holds", "codes", "--reason", "new clinic", "--json").lines
    assert [(one["fact"], one["place"], one["code"], one["requests"]) for one in codes] == [
        ("appointment.location", "AIL-3", "WESTX^2", 2),
        ("appointment.service", "AIS-3", "ZZTOP^Rock^L", 2),
    ]
    assert "new clinic" in site("trace", "--patient", "-", "--reason", "x", stdin=PERSON).out


def test_a_code_that_got_its_entry_releases_what_waited_for_it(site, feed, write):
    """Then `plan --open`: the message is read again, and nothing waits any more."""
    site("load", write(feed.registered(), unknown_place(feed)))
    ran = site("holds", "codes", "--reason", "x")
    assert "then: caregate lint, restart `caregate run`, caregate plan --open" in ran.err
    path = Path("caregate.yaml")
    path.write_text(path.read_text().replace("codes: [MAIN]", "codes: [MAIN, WESTX]"))
    assert "2 would be withdrawn: superseded" in site("plan", "--open", "--dry-run").out  # a place stands in the text
    assert "2 withdrawn: superseded" in site("plan", "--open").out
    assert site("holds", "list", "--json").lines == []
    assert site("holds", "codes", "--reason", "x", "--json").lines == []


def test_plan_open_counts_what_a_code_in_its_table_released(site, feed, write):
    """Nothing is planned anew by it, but something happened."""
    site("load", write(feed.registered(), feed.booked().replace(b"|FM|", b"|ZZTOP|")))
    held = [line["waits_for"].partition(" ")[0] for line in site("holds", "list", "--json").lines]
    assert held == ["appointment.service"] * 2
    Path("mappings/codes").mkdir(parents=True, exist_ok=True)
    Path("mappings/codes/service.yaml").write_text("table: service\ncodes: {ZZTOP: cardiology}\n")
    assert site("holds", "codes", "--reason", "x", "--json").lines == []  # the table is read, and the message too
    assert "2 would be released: unmapped-code" in site("plan", "--open", "--dry-run").out
    assert "2 released: unmapped-code" in site("plan", "--open").out


def test_no_code_that_a_feed_wrote_stands_in_the_audit_log(site, feed, write, tmp_path):
    """Law 4: a garbled feed puts anything there; a trace names the fact."""
    ran = site("load", "--json", write(feed.registered(), unknown_place(feed)))
    told = site("trace", "--message", ran.lines[1]["message"]).out
    assert "unmapped-code; released by an entry for the code in its table (appointment.location)" in told
    assert b"WESTX" not in (tmp_path / "lakeside/caregate.db").read_bytes()


# -- rules that kept silent


def unheard_of(feed):
    """A change of an appointment nobody knew: it is one now, in a state nobody told."""
    return feed.booked().replace(b"S12", b"S14").replace(b"|Booked", b"")


def test_a_message_that_no_rule_is_about_says_so(site, feed, write):
    """And which rules are about its kind."""
    admitted = feed.message(
        "ADT^A01^ADT_A01", f"EVN|A01|{feed.now:%Y%m%d%H%M}", feed.person(), "PV1|1|I|MAIN" + "|" * 16 + "V1"
    )
    ran = site("load", "--json", write(admitted))
    told = site("trace", "--message", ran.lines[0]["message"]).out
    assert "no rule is about encounter.admitted; rules about its kind: " in told
    assert "; discharge-follow-up (encounter.discharged); " in told


def test_a_rule_that_does_not_apply_names_the_condition_that_decided(site, feed, write):
    """File, line, and the condition as it stands there; never the value."""
    ran = site("load", "--json", write(unheard_of(feed)))
    told = site("trace", "--message", ran.lines[0]["message"]).out
    assert "rule appointment-reminder kept silent: appointment-reminder.yaml line 8, where appointment.status" in told


def test_a_rule_found_by_its_rarest_code_names_that_condition(site, feed, write):
    """Every reminder asks for `booked`, which held; what decided is the service that only this rule asks for."""
    shipped = Path("rules/appointment-reminder.yaml").read_text()
    narrow = shipped.replace("rule: appointment-reminder", "rule: heart-reminder")
    status = next(line for line in narrow.splitlines() if line.strip().startswith("appointment.status:"))
    narrow = narrow.replace(status, f"{status}\n    appointment.service: [cardiology]")
    Path("rules/heart-reminder.yaml").write_text(narrow)
    ran = site("load", "--json", write(feed.registered(), feed.booked()))
    told = site("trace", "--message", ran.lines[1]["message"]).out
    line = 1 + next(at for at, one in enumerate(narrow.splitlines()) if "[cardiology]" in one)
    assert f"rule heart-reminder kept silent: heart-reminder.yaml line {line}, where appointment.service in" in told
    assert "rule appointment-reminder, step" in told


def test_a_rule_whose_sends_stand_already_is_not_called_silent(site, feed, write):
    """An update that changes nothing it tells leaves what it planned."""
    later = feed.booked(days=10).replace(b"S12", b"S14").replace(b"|30|MIN", b"|45|MIN")
    ran = site("load", "--json", write(feed.booked(days=10), later))
    told = site("trace", "--message", ran.lines[1]["message"]).out
    assert "kept silent" not in told
    assert "what it planned before stands" in told or "nothing changed" in told


def test_after_an_edit_nothing_is_claimed_about_the_rules_of_then(site, feed, write):
    """A line number of today says nothing about yesterday."""
    ran = site("load", "--json", write(unheard_of(feed)))
    rule = Path("rules/appointment-reminder.yaml")
    rule.write_text("# edited\n" + rule.read_text())
    told = site("trace", "--message", ran.lines[0]["message"]).out
    assert "was in force then, and the rules have been changed since" in told
    assert "kept silent" not in told


def test_what_was_loaded_as_state_says_why_nothing_was_planned(site, feed, write):
    """Go-live day."""
    ran = site("load", "--json", "--baseline", write(feed.booked()))
    assert "loaded as state (--baseline)" in site("trace", "--message", ran.lines[0]["message"]).out


# -- planning ahead


def test_a_dry_run_counts_what_would_be_sent_wait_and_be_refused(site, feed, write):
    """By the gates that decide at sending, at the due time; nothing is recorded."""
    ann = {"number": "9001", "given": "Ada"}
    site("load", "--baseline", write(feed.registered(), feed.booked(**ann), unknown_place(feed, number="9002")))
    plan = site("plan", "--open", "--dry-run", "--json").lines[0]
    assert plan["held"] == {"unmapped-code": 2}
    assert plan["outlook"] == {"sends": 0, "waits": {}, "refused": {"no-consent": 2}}
    site("consent", "add", "--permit", "--channel", "email", "--evidence", "form 1", stdin=PERSON)
    listed = Path("caregate.yaml").read_text().replace("recipients: []", "recipients: [ada@mail.example]")
    Path("caregate.yaml").write_text(listed)
    plan = site("plan", "--open", "--dry-run", "--json").lines[0]
    assert sum([plan["outlook"]["sends"], *plan["outlook"]["waits"].values()]) == 2
    assert plan["outlook"]["refused"] == {}
    shown = site("plan", "--open", "--dry-run").out
    assert "of these 2 would be on hold: unmapped-code" in shown
    assert "as things stand now, each at its due time:" in shown
    assert site("holds", "list", "--json").lines == []
    assert site("plan", "--open", "--json").lines[0]["outlook"] is None


def test_what_plan_open_planned_has_a_story_of_its_own(site, feed, write):
    """Nobody's message planned it; its trace begins all the same."""
    site("load", "--baseline", write(feed.registered(), unknown_place(feed)))
    site("plan", "--open")
    line = site("holds", "list", "--json").lines[0]
    assert "appointment.location" in line["waits_for"]
    assert "held: rule appointment-reminder" in site("trace", "--request", line["request"]).out


# -- for programs


def test_every_id_in_json_is_text(site, feed, write):
    """64 bits do not fit a JSON number in most programs (RFC 8259 §6)."""
    loaded = site("load", "--json", write(feed.registered(), unknown_place(feed), feed.broken()))
    outs = [
        loaded.out,
        site("holds", "list", "--json").out,
        site("quarantine", "list", "--json").out,
        site("trace", "--message", loaded.lines[1]["message"], "--json").out,
        site("trace", "--patient", "-", "--reason", "x", "--json", stdin=PERSON).out,
        site("plan", "--open", "--dry-run", "--json").out,
    ]
    site("consent", "add", "--deny", "--channel", "email", "--evidence", "call 7", stdin=PERSON)
    outs.append(site("consent", "list", "--reason", "x", "--json", stdin=PERSON).out)
    for out in outs:
        assert out
        assert not re.search(r"[:\[ ]\d{16,}[,}\]]", out), out
    (entry,) = site("quarantine", "list", "--json").lines
    assert site("quarantine", "show", entry["message"], "--reason", "x").code == 0


# -- loading


@pytest.mark.parametrize("what", ["broken", "half", "miscounted"])
def test_what_was_not_taken_is_the_exit_code(site, feed, write, what):
    """B-02, F-06: a script must not believe that a day's file is in when half of it is not."""
    parts = {
        "broken": [feed.registered(), feed.broken()],
        "half": [b"\x0b", feed.registered(), b"\x1c\r\x0b", feed.booked()[:40]],
        "miscounted": [b"BHS|^~\\&|E\r", feed.registered(), b"BTS|2\r"],
    }[what]
    assert site("load", write(*parts)).code == 1
    assert site("load", write(feed.booked(), name="good.hl7")).code == 0


# -- consent


def test_a_topic_that_no_rule_knows_is_refused_with_what_was_meant(site, feed, write):
    """An entry that can never mean anything would look like a yes, or a no."""
    site("load", write(feed.registered()))
    words = ("consent", "add", "--permit", "--evidence", "form 1", "--topic")
    ran = site(*words, "apointments", stdin=PERSON)
    assert ran.code == 2
    assert "topic must be one of appointments, " in ran.err
    assert "did you mean appointments?" in ran.err
    assert site(*words, "appointments", stdin=PERSON).code == 0


def test_a_table_is_looked_over_before_it_counts_and_counts_once(site, feed, write, tmp_path):
    """PV-06: a dry run looks everybody up; a second import records nothing twice."""
    site("load", write(feed.registered()))
    table = tmp_path / "preferences.csv"
    table.write_text(
        "system,type,identifier,decision,purpose,channel,topic,from,until,evidence\n"
        "LAKESIDE,MR,50001,permit,TREAT,email,appointments,,2030-01-01,form 12-B\n"
        "LAKESIDE,MR,99999,permit,TREAT,email,,,,form 12-C\n"
        "LAKESIDE,MR,50001,deny,TREAT,sms,apointments,,,call 7\n"
    )
    dry = site("consent", "import", "--dry-run", "--json", table)
    report = dry.lines[0]
    assert (dry.code, report["added"], report["people"]) == (1, 1, {"found": 2, "unknown": 1})
    assert [(one["line"], one["outcome"], one["person"]) for one in report["lines"]] == [
        (2, "recorded", "found"), (3, "refused", "unknown"), (4, "refused", "found"),
    ]  # fmt: skip
    assert site("consent", "list", "--reason", "x", "--json", stdin=PERSON).lines == []
    assert site("consent", "import", "--json", table).lines[0]["added"] == 1
    again = site("consent", "import", table)
    assert "0 recorded, 1 already there, 2 refused" in again.out
    assert "people: 2 found, 1 unknown" in again.out
    assert len(site("consent", "list", "--reason", "x", "--json", stdin=PERSON).lines) == 1


def test_a_second_import_does_not_undo_what_was_decided_since(site, feed, write, tmp_path):
    """SM-14: the same form is no new yes."""
    site("load", write(feed.registered()))
    table = tmp_path / "preferences.csv"
    table.write_text("system,identifier,decision,channel,evidence\nLAKESIDE,50001,permit,email,form 12-B\n")
    site("consent", "import", table)
    site("consent", "add", "--deny", "--channel", "email", "--evidence", "call 7", stdin=PERSON)
    before = site("consent", "list", "--reason", "x", "--json", stdin=PERSON).lines
    assert "1 already there" in site("consent", "import", table).out
    assert site("consent", "list", "--reason", "x", "--json", stdin=PERSON).lines == before


def test_the_story_of_a_consent_says_until_when_and_how_we_know(site, feed, write):
    """PV-06."""
    site("load", write(feed.registered()))
    words = ("--purpose", "TREAT", "--channel", "email", "--until", "2030-01-01", "--evidence", "form 12-B")
    site("consent", "add", "--permit", *words, stdin=PERSON)
    told = site("trace", "--patient", "-", "--reason", "x", stdin=PERSON).out
    assert re.search(r"permit TREAT, email, any topic, from 20\S+ \S+ UTC until 2030-01-01 00:00 UTC; form 12-B", told)


# -- what could not be read


def test_an_unreadable_message_is_told_by_type_error_and_field(site, feed, write):
    """E-08: table 0357 in words, the place with the standard's name for it; the control id with the message itself."""
    nobody = feed.registered().replace(b"|50001^^^LAKESIDE^MR|", b"||")
    site("load", write(nobody))
    (entry,) = site("quarantine", "list", "--json").lines
    assert (entry["type"], entry["code"], entry["means"]) == ("ADT^A28", 101, "Required field missing")
    assert entry["field"] == "PID-3 Patient identifier list"
    listed = site("quarantine", "list")
    assert "101 Required field missing\tPID-3 Patient identifier list" in listed.out
    assert "CLI1" not in listed.out
    assert "ADT^A28, control id CLI1" in site("quarantine", "show", entry["message"], "--reason", "x").err


# -- a merge taken back


def test_a_merge_is_taken_back_after_a_look_at_what_would_move(site, feed, write):
    """AD-31: by merge, by person or by message; a dry run moves nothing; both wait until somebody looked."""
    site("load", write(feed.registered(), feed.registered(number="50002"), feed.booked(number="50002-1")))
    booked = feed.booked(number="9009").replace(b"50001^^^", b"50002^^^")
    merge = feed.message("ADT^A40^ADT_A39", f"EVN|A40|{feed.now:%Y%m%d%H%M}", feed.person(), "MRG|50002^^^LAKESIDE^MR")
    ran = site("load", "--json", write(booked, merge, name="more.hl7"))
    message = ran.lines[1]["message"]
    told = site("trace", "--message", message).out
    number = re.search(r"undone by `caregate patient unmerge (\d+)`", told)[1]
    assert "say why with --reason" in site("patient", "unmerge", number).err
    dry = site("patient", "unmerge", number, "--dry-run", "--json", "--reason", "ticket 9").lines[0]
    assert len(dry["returned"]) == 2
    assert "would be undone" in site("patient", "unmerge", message, "--dry-run", "--reason", "ticket 9").out
    done = site("patient", "unmerge", dry["loser"], "--reason", "ticket 9")
    assert f"merge {number} undone" in done.out
    assert f"caregate holds release-patient {dry['loser']} reversed" in done.err
    again = site("patient", "unmerge", number, "--reason", "ticket 9")
    assert (again.code, "is undone already" in again.err) == (2, True)
    assert "there is no merge 5" in site("patient", "unmerge", "5", "--reason", "x").err
    story = site("trace", "--patient", "-", "--reason", "x", stdin="50002^^^LAKESIDE^MR").out
    assert f"merge {number} undone" in story


# -- keeping watch


def test_nothing_sealed_is_not_called_intact(site, feed, write):
    """AU-05: the verdict says what is covered and what nothing proves yet."""
    site("load", write(feed.registered()))
    ran = site("audit", "verify")
    assert ran.code == 0
    assert re.match(r"nothing is sealed yet: \d+ rows are not sealed yet, and nothing proves those", ran.out)


def test_a_send_that_is_withdrawn_is_called_so(site, feed, write):
    """What FHIR calls revoked."""
    site("load", write(feed.registered(), unknown_place(feed)))
    line = site("holds", "list", "--json").lines[0]
    assert site("holds", "withdraw", line["request"], "--reason", "called").code == 0
    assert "is withdrawn, not on hold" in site("holds", "release", line["request"], "--reason", "x").err


# -- help


def helped(group=None, prefix=("caregate",)):
    for name, one in (group or command()).commands.items():
        yield " ".join((*prefix, name)), one
        if getattr(one, "commands", None):
            yield from helped(one, (*prefix, name))


@pytest.mark.parametrize("words", [(), *((name,) for name in ("quarantine", "holds", "consent", "feeds", "patient"))])
def test_no_line_of_help_is_cut_off(caregate, monkeypatch, words):
    """On a terminal of eighty columns."""
    monkeypatch.setenv("COLUMNS", "80")
    out = caregate(*words, "--help").out
    assert not [line for line in out.splitlines() if line.rstrip().endswith("...") and "Usage:" not in line]


def test_a_reason_is_asked_for_in_the_words_of_what_is_done(caregate):
    """Deciding is not reading."""
    for words, said in (
        (("holds", "release"), "Why you decide this"),
        (("holds", "withdraw"), "Why you decide this"),
        (("feeds", "release"), "Why you decide this"),
        (("quarantine", "discard"), "Why you decide this"),
        (("patient", "unmerge"), "Why you decide this"),
        (("quarantine", "show"), "Why you read"),
        (("holds", "codes"), "Why you read"),
        (("trace",), "Why you read"),
    ):
        assert said in " ".join(caregate(*words, "--help").out.split()), words


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (
            ("consent", "add"),
            ("'--permit' or '--deny'", "caregate consent add --permit", "see caregate consent add --help"),
        ),
        (("holds", "release", "x"), ("must be a whole number", "for example: caregate holds release")),
        (("quarantine", "lst"), ("Did you mean 'list'?", "see caregate quarantine --help")),
        (("trace", "--mesage", "4"), ("--message", "see caregate trace --help")),
    ],
)
def test_a_mistake_in_the_arguments_points_at_the_commands_own_help(caregate, words, parts):
    """With an example, in one line, and in no framework's words."""
    ran = caregate(*words)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert all(part in ran.err for part in parts), ran.err
    assert "Input should be" not in ran.err


def test_a_test_system_says_so_when_it_starts(site, monkeypatch):
    """How many may be written to; nobody waits for mail of a test system, or takes production for one."""
    from gateway.app.assembly import Gateway

    monkeypatch.setattr(Gateway, "run", lambda *_args, **_more: None)
    assert "test system (test): writes to nobody: `allowed_recipients` is empty" in site("run").err
    path = Path("caregate.yaml")
    path.write_text(path.read_text().replace("recipients: []", "recipients: [a@b.example, c@d.example]"))
    ran = site("run")
    assert "writes to 2 listed recipients only" in ran.err
    assert "a@b.example" not in ran.err
    path.write_text(re.sub(r"(?m)^environment: .*\n|^allowed_recipients: .*\n", "", path.read_text()))
    path.write_text("environment: production\n" + path.read_text())
    assert "test system" not in site("run").err


def test_a_database_that_is_none_says_what_to_look_at(site):
    """Not SQLITE_NOTADB."""
    Path("caregate.db").write_text("canary " * 1000)
    ran = site("trace", "--message", "7")
    assert ran.code == 2
    assert "is no SQLite database: check `database` in caregate.yaml, or restore the file" in ran.err
    assert json.dumps(ran.err).count("canary") == 0
