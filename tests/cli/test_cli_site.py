"""A site from the command line alone: made, loaded, asked, mended."""

from __future__ import annotations

import os
import stat
from pathlib import Path

PERSON = "50001^^^LAKESIDE^MR"
KEYS = ["file", "index", "type", "control_id", "outcome", "ack", "events", "reason", "rules", "message"]


def test_a_new_site_is_whole_and_its_keys_are_nobody_elses(site):
    """Configuration, keys with mode 0600, rules to edit, room for overlays; lint and test have nothing to say."""
    assert stat.S_IMODE(Path("caregate.keys").stat().st_mode) == 0o600
    assert stat.S_IMODE(Path.cwd().stat().st_mode) == 0o700
    assert Path("rules/appointment-reminder.yaml").is_file()
    assert os.access("rules/policy.yaml", os.W_OK)
    assert [path.name for path in Path("mappings").iterdir()] == ["README.md"]
    assert site("lint").code == 0


def test_a_site_is_never_made_over_another(site):
    """Above all not over its keys."""
    before = Path("caregate.keys").read_bytes()
    ran = site("init", ".")
    assert ran.code == 2
    assert "is not empty" in ran.err
    assert Path("caregate.keys").read_bytes() == before


def test_a_site_that_could_not_be_made_leaves_nothing(caregate, tmp_path, monkeypatch):
    """Whole or not at all."""

    def full(_path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gateway.app.upkeep.create_keys", full)
    ran = caregate("init", "lakeside")
    assert ran.code == 2
    assert "No space left on device" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_typo_in_the_configuration_is_told_by_lint_and_by_run(site):
    """File, line, column, and what was meant."""
    path = Path("caregate.yaml")
    path.write_text(path.read_text().replace("    port: 2575", "    prot: 2575"))
    ran = site("lint")
    assert ran.code == 1
    assert "caregate.yaml:29:5: CG003 unknown key `prot` of `sources.ehr`; did you mean `port`?" in ran.out
    ran = site("run")
    assert ran.code == 2
    assert "caregate.yaml:29:5: unknown key `prot` of `sources.ehr`; did you mean `port`?" in ran.err


def test_the_configuration_is_shown_without_secrets(site):
    """And needs none to be shown."""
    path = Path("caregate.yaml")
    path.write_text(path.read_text().replace("# database: env:DATABASE_URL", "database: env:NOWHERE_SET"))
    ran = site("run", "--print-config")
    assert ran.code == 0
    assert "database: 'env:NOWHERE_SET'" in ran.out
    assert "audit: 6y" in ran.out


def test_each_message_is_a_json_line_and_the_summary_is_the_last(site, feed, write):
    """The keys are a promise to programs."""
    path = write(feed.registered(), feed.booked(), feed.broken())
    ran = site("load", "--json", path)
    assert ran.code == 1  # one was not taken
    *lines, last = ran.lines
    assert all(list(line) == KEYS for line in lines)
    assert [line["index"] for line in lines] == [1, 2, 3]
    assert [line["type"] for line in lines] == ["ADT^A28", "SIU^S12", "ADT^A01"]
    assert [line["outcome"] for line in lines] == ["accepted", "accepted", "quarantined"]
    assert [line["ack"] for line in lines] == ["AA", "AA", "AE"]
    assert lines[1]["events"] == ["appointment.booked"]
    assert lines[1]["rules"] == ["appointment-reminder"]
    assert lines[2]["reason"] == "the PID segment is missing"
    counts = {"accepted": 2, "ignored": 0, "duplicate": 0, "rejected": 0, "quarantined": 1, "incomplete": 0}
    assert last == {"summary": {"files": 1, "messages": 3, **counts, "problems": []}}


def test_the_same_file_twice_is_recognised(site, feed, write):
    """B-05, D-02: nothing is stored twice."""
    path = write(feed.registered(), feed.booked())
    site("load", "--json", path)
    again = site("load", "--json", path)
    assert [line["outcome"] for line in again.lines[:-1]] == ["duplicate", "duplicate"]


def test_a_person_reads_one_line_a_message(site, feed, write):
    """File and place, control id, acknowledgement, what it meant, which rules, and the number `trace` asks for."""
    ran = site("load", write(feed.booked()))
    first, last = ran.out.splitlines()
    told, _, number = first.rpartition("  message ")
    assert told.endswith("feed.hl7:1  CLI1  AA  accepted  appointment.booked  rules: appointment-reminder")
    assert "appointment.booked" in site("trace", "--message", number).out
    assert last == "1 files, 1 messages: 1 accepted"


def test_half_a_frame_is_rejected_with_a_reason_and_the_rest_is_read(site, feed, write):
    """F-06; the sender would have sent it again."""
    ran = site("load", "--json", write(b"\x0b", feed.registered(), b"\x1c\r\x0b", feed.booked()[:40]))
    assert [(line["outcome"], line["ack"], line["reason"]) for line in ran.lines[:-1]] == [
        ("accepted", "AA", None), ("rejected", None, "frame-not-ended"),
    ]  # fmt: skip


def test_a_batch_whose_count_is_wrong_is_read_and_told(site, feed, write):
    """B-02: on standard error and in the summary."""
    ran = site("load", "--json", write(b"BHS|^~\\&|E\r", feed.registered(), b"BTS|2\r"))
    assert ran.lines[0]["outcome"] == "accepted"
    assert "says 2 messages, found 1" in ran.err
    assert "count-mismatch" in ran.lines[-1]["summary"]["problems"][0]["reason"]


def test_a_file_that_cannot_be_read_is_a_problem_and_the_others_are_read(site, feed, write, monkeypatch):
    """Exit code 1: not everything was taken."""
    good, bad = write(feed.registered()), write(b"", name="a.hl7")
    real = Path.open

    def denied(path, *args, **more):
        if path.name == "a.hl7":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **more)

    monkeypatch.setattr(Path, "open", denied)
    ran = site("load", "--json", bad, good)
    assert ran.code == 1
    assert ran.lines[0]["outcome"] == "accepted"
    assert ran.lines[-1]["summary"]["problems"] == [{"file": str(bad), "reason": "Permission denied"}]


def test_files_are_read_as_a_source_that_exists(site, feed, write):
    """With several, one must be named."""
    path = write(feed.registered())
    ran = site("load", "--source", "lab", path)
    assert ran.code == 2
    assert "there is no source lab: say --source with one of ehr" in ran.err


def test_without_any_site_files_are_read_and_nothing_is_left_behind(caregate, feed, write, tmp_path):
    """A first look; it says so."""
    ran = caregate("load", "--json", write(feed.booked()))
    assert ran.code == 0
    assert ran.lines[0]["rules"] == ["appointment-reminder"]
    assert "a site for the occasion" in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["feed.hl7"]


def test_without_any_site_resources_are_read_as_fhir(caregate, tmp_path):
    """By the names of the files; what is broken is told in FHIR's words, and not that it is no HL7 v2."""
    (tmp_path / "visit.json").write_text(
        '{"resourceType": "Appointment", "id": "1", "status": "booked", "start": "2036-03-20T09:30:00-05:00",'
        ' "end": "2036-03-20T10:00:00-05:00", "participant": [{"actor": {"reference": "Patient/1"}, "status": "accepted"}]}'
    )
    (tmp_path / "broken.json").write_text('{"resourceType": "Patient",')
    ran = caregate("load", "--json", str(tmp_path / "visit.json"), str(tmp_path / "broken.json"))
    assert ran.code == 1
    assert "reading FHIR R4 into a site for the occasion" in ran.err
    told = {Path(one["file"]).name: (one["outcome"], one["events"]) for one in ran.lines[:-1]}
    assert told == {"visit.json": ("accepted", ["appointment.booked"]), "broken.json": ("quarantined", [])}
    assert any("not JSON" in one["reason"] for one in ran.lines[:-1] if one["reason"])


def test_go_live_day_plans_nothing_and_then_all_of_it(site, feed, write):
    """`--baseline` stores what is booked; `plan --open` plans for it, after a dry run that changes nothing."""
    path = write(feed.registered(), feed.booked(), feed.booked(days=20, number="9002"))
    assert [line["rules"] for line in site("load", "--json", "--baseline", path).lines[:-1]] == [[], [], []]
    dry = site("plan", "--open", "--dry-run", "--json").lines[0]
    assert dry["occurrences"] == 2
    assert dry["planned"] == {"appointment-reminder 1d": 2, "appointment-reminder 7d": 2}
    assert site("plan", "--open", "--json").lines[0]["planned"] == dry["planned"]
    again = site("plan", "--open", "--json")
    assert (again.code, again.err) == (0, "")
    assert again.lines[0]["planned"] == {}
    assert "2 appointments, visits, results and orders looked at" in site("plan", "--open").out


def test_the_story_of_a_person_is_told_by_identifier_from_standard_input(site, feed, write):
    """With a reason, which is audited with the account."""
    site("load", write(feed.registered(), feed.booked()))
    ran = site("trace", "--patient", "-", "--reason", "complaint 88", "--json", stdin=PERSON)
    assert ran.code == 0
    words = [line["words"] for line in ran.lines]
    assert any("understood as appointment.booked" in one for one in words)
    again = site("trace", "--patient", "-", "--reason", "again", stdin=PERSON)
    assert "complaint 88" in again.out
    assert "os:" in again.out
    message = next(line["audit"] for line in ran.lines if "booked" in line["words"])
    assert "appointment-reminder" in site("trace", "--message", message).out
    request = next(line["request"] for line in ran.lines if line["request"])
    assert "planned as request" in site("trace", "--request", request).out


def test_nobody_is_found_without_authority_and_type(site):
    """One sentence; the number is not repeated."""
    ran = site("trace", "--patient", "-", "--reason", "x", stdin="50001")
    assert ran.code == 2
    assert "50001" not in ran.err
    ran = site("trace", "--patient", "-", "--reason", "x", stdin="99999^^^LAKESIDE^MR")
    assert ran.code == 2
    assert "99999" not in ran.err


def test_a_broken_message_is_listed_shown_replayed_and_discarded(site, feed, write):
    """Nobody can mend a feed blind; every look has a reason."""
    site("load", write(feed.broken()))
    (entry,) = site("quarantine", "list", "--json").lines
    assert entry["rule"] == "the PID segment is missing"
    shown = site("quarantine", "show", entry["message"], "--reason", "feed broken")
    assert shown.out.splitlines()[0].startswith("MSH|")
    assert len(shown.out.splitlines()) == 3
    replayed = site("quarantine", "replay", entry["message"], "--json")
    assert replayed.code == 1
    assert replayed.lines[0]["outcome"] == "quarantined"
    ran = site("quarantine", "discard", entry["message"], "--reason", "sent again by hand")
    assert ran.code == 0
    assert site("quarantine", "list", "--json").lines == []
    assert len(site("quarantine", "list", "--state", "discarded", "--json").lines) == 1


def test_consent_is_recorded_listed_and_imported(site, feed, write, tmp_path):
    """Entries are added; refused lines of a table are told with their number."""
    site("load", write(feed.registered()))
    ran = site("consent", "add", "--deny", "--channel", "email", "--evidence", "call 7", stdin=PERSON)
    assert ran.code == 0
    (first, *_) = site("consent", "list", "--reason", "asked at the desk", "--json", stdin=PERSON).lines
    assert (first["decision"], first["channel"], first["evidence"]) == ("deny", "email", "call 7")
    table = tmp_path / "preferences.csv"
    table.write_text(
        "system,type,identifier,decision,purpose,channel,topic,from,until,evidence\n"
        "LAKESIDE,MR,50001,permit,TREAT,email,appointments,,2030-01-01,form 12-B\n"
        "LAKESIDE,MR,50001,maybe,TREAT,email,,,,form 12-B\n"
    )
    ran = site("consent", "import", table, "--json")
    assert ran.code == 1
    assert ran.lines[0]["added"] == 1
    assert ran.lines[0]["refused"] == ["line 3: column `decision` must be permit or deny"]
    table.write_text("identifer,decision\n1,permit\n")
    assert "there is no column `identifer`" in site("consent", "import", table).err


def test_a_source_is_held_and_released_with_a_reason(site, feed, write):
    """The shadow run before go-live."""
    site("load", write(feed.registered(), feed.booked()))
    assert site("feeds", "hold", "ehr", "--reason", "upgrade").code == 0
    (line,) = site("feeds", "list", "--json").lines
    assert (line["name"], line["state"], line["received"]) == ("ehr", "held", 2)
    assert {one["step"]: one["count"] for one in site("feeds", "would-send", "ehr", "--json").lines} == {
        "1d": 1,
        "7d": 1,
    }
    assert site("feeds", "release", "ehr", "--reason", "go-live").code == 0
    assert site("feeds", "list", "--json").lines[0]["held"] is False
    assert "there is no source `lab`" in site("feeds", "would-send", "lab").err


def test_holds_of_nobody_are_nothing_and_unknown_requests_are_told(site):
    """One sentence each."""
    assert site("holds", "list", "--json").lines == []
    assert "there is no request 7" in site("holds", "release", "7", "--reason", "x").err
    assert "there is no request 7" in site("holds", "withdraw", "7", "--reason", "x").err
    assert "there is no patient 7" in site("holds", "release-patient", "7", "minor", "--reason", "x").err


def test_keys_are_rotated_and_everything_is_still_found(site, feed, write):
    """Old content stays readable, by identifier too."""
    site("load", write(feed.registered()))
    ran = site("keys", "rotate", "--index", "--json")
    assert ran.code == 0
    assert not ran.lines[0]["resumed"]
    assert site("trace", "--patient", "-", "--reason", "x", stdin=PERSON).code == 0


def test_the_wrong_keys_are_one_sentence(site, feed, write):
    """And nothing is opened with them."""
    path = write(feed.registered())
    site("load", path)
    from gateway.app.upkeep import create_keys

    Path("caregate.keys").unlink()
    create_keys(Path("caregate.keys"))
    ran = site("load", path)
    assert ran.code == 2
    assert ran.err.count("\n") == 1


def test_the_schema_is_made_and_then_up_to_date(site):
    """Forward only; twice is nothing."""
    assert "the schema is now" in site("migrate").out
    assert "up to date" in site("migrate").out


def test_the_audit_log_of_a_site_is_whole(site, feed, write):
    """Whatever was loaded."""
    site("load", write(feed.registered(), feed.booked()))
    ran = site("audit", "verify", "--json")
    assert ran.code == 0
    assert ran.lines[0]["ok"] is True


def test_a_rule_with_a_typo_is_told_by_lint_with_its_line(site):
    """Exit code 1, file and line."""
    path = Path("rules/appointment-reminder.yaml")
    path.write_text(path.read_text().replace("appointment.status", "appointment.statsu"))
    ran = site("lint")
    assert ran.code == 1
    assert "appointment-reminder.yaml:" in ran.out
    assert "statsu" in ran.out
