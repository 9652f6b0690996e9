"""Loading mappings: overlays change single entries, and whatever cannot work is found with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from mapping_messages import FEED, ROOT, at, message, msh

from gateway.er7.reader import parse
from gateway.mapping.hl7v2 import Hl7v2Reader
from gateway.mapping.pack import load_pack
from gateway.mapping.schema import Source
from gateway.mapping.scope import Scope
from gateway.mapping.sources import compile_source
from gateway.model.errors import ConfigError
from gateway.model.event import EventKind, Format, PatientEvent, RawMessage
from gateway.model.facts import UNMAPPED, FactType, Sensitivity
from gateway.model.party import CLEARED

SHIPPED = ROOT / "mappings"


def overlay(folder: Path, hl7v2: str = "", codes: str = "") -> list[Path]:
    """The shipped mappings and one overlay with at most one file of each kind."""
    for name, text in (("hl7v2", hl7v2), ("codes", codes)):
        (folder / name).mkdir(exist_ok=True)
        if text:
            (folder / name / "site.yaml").write_text(text)
    return [SHIPPED, folder]


def problems(folder: Path, hl7v2: str = "", codes: str = "") -> list[str]:
    """The problems of an overlay, without the folder."""
    with pytest.raises(ConfigError) as caught:
        load_pack(overlay(folder, hl7v2, codes))
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]


def reading(folders: list[Path], *segments: str) -> PatientEvent:
    """The one event of a message under these mappings."""
    raw = RawMessage(source="f", format=Format.HL7V2, body=message(*segments), received=0)
    (event,) = Hl7v2Reader(load_pack(folders), FEED)(raw).events
    return event


VISIT = msh("ADT^A01"), at("PID", f3="1^^^A^MR"), at("PV1", f2="I", f10="KIDNEY", f19="V1")


def test_a_site_overrides_one_fact_and_leaves_the_rest(tmp_path: Path) -> None:
    """An overlay names only what it changes."""
    folders = overlay(tmp_path, "mapping: encounters\nfacts:\n  encounter.service: {path: PV1-2, codes: service}\n")
    told = reading(folders, *VISIT[:2], at("PV1", f2="MED", f10="KIDNEY", f19="V1"))
    assert told.facts["encounter.service"] == "internal-medicine"
    assert told.facts["encounter.status"] == "in-progress"


def test_a_site_takes_a_fact_out(tmp_path: Path) -> None:
    """An entry with nothing after it is gone."""
    folders = overlay(tmp_path, "mapping: encounters\nfacts:\n  encounter.service:\n")
    assert "encounter.service" not in reading(folders, *VISIT).facts


def test_a_site_adds_codes_and_words_and_takes_codes_out(tmp_path: Path) -> None:
    """PV-08: its own clinics; a word may be raised, a code may become unknown again."""
    assert reading([SHIPPED], *VISIT).facts["encounter.service"] == UNMAPPED
    folders = overlay(
        tmp_path,
        codes="table: service\nwords:\n  dialysis: {sensitivity: sensitive}\n  sleep:\ncodes:\n  kidney: dialysis\n  MED:\n",
    )
    pack = load_pack(folders)
    assert reading(folders, *VISIT).facts["encounter.service"] == "dialysis"
    assert reading(folders, *VISIT[:2], VISIT[2].replace("KIDNEY", "MED")).facts["encounter.service"] == UNMAPPED
    assert pack.sensitivity("encounter.service", "dialysis") is Sensitivity.SENSITIVE
    assert pack.sensitivity("encounter.service", "sleep") is Sensitivity.ORDINARY


def test_a_value_may_betray_more_than_its_fact(pack) -> None:
    """PV-08: the code table raises, unmapped and vanished words are of the highest."""
    assert pack.sensitivity("appointment.service", "cardiology") is Sensitivity.ORDINARY
    assert pack.sensitivity("appointment.service", "hiv-care") is Sensitivity.PROTECTED
    assert pack.sensitivity("appointment.service", UNMAPPED) is Sensitivity.PROTECTED
    assert pack.sensitivity("appointment.service", "no such word") is Sensitivity.PROTECTED
    assert pack.sensitivity("appointment.location", "anything") is Sensitivity.ORDINARY
    assert pack.sensitivity("appointment.start") is Sensitivity.ORDINARY
    assert pack.sensitivity("patient.given_name", "x") is Sensitivity.ORDINARY


def test_the_pack_tells_its_types_and_changes_its_digest(pack, tmp_path: Path) -> None:
    """The digest is what the audit names."""
    assert {"ADT^A01", "SIU^S12", "ADT^A40"} <= pack.types()
    assert pack.trigger("ADT^A28")[0].name == "person"
    assert pack.trigger("BAR^P01") is None
    assert {"result.available", "encounter.admitted"} <= pack.kinds()
    again = load_pack([SHIPPED])
    assert again.digest == pack.digest
    assert load_pack(overlay(tmp_path, codes="table: vip\ncodes: {STD: open}\n")).digest != pack.digest


def test_a_new_family_of_messages_needs_no_python(tmp_path: Path) -> None:
    """A site maps a standard event nobody shipped."""
    folders = overlay(
        tmp_path,
        "mapping: pending\nabout: Encounter\nmessages:\n  ADT^A51: {event: encounter.registered, status: planned}\n"
        "key: {path: PV1-19, compute: visit_key}\n",
    )
    told = reading(folders, msh("ADT^A51"), *VISIT[1:])
    assert (told.occurrence.status, told.occurrence.key, told.facts) == (
        "planned",
        "visit|V1|LAKESIDE",
        {"encounter.status": "planned"},
    )


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("mapping: new\nfacts: {}\n", 1, "does not say what it is `about`"),
        ("mapping: new\nabout: Encounter\n", 1, "needs a `key`"),
        (
            "mapping: new\nabout: Patient\nvisit_flags:\n  confidential-visit: {path: PD1-12, compute: indicator}\n",
            1,
            "has no `visit_flags`",
        ),
        ("mapping: encounters\nmessages:\n  ADT_A05: {event: encounter.registered}\n", 3, "is not a message type"),
        ("mapping: encounters\nmessages:\n  ADT^A05: {status: planned}\n", 3, "needs either an `event`"),
        (
            "mapping: encounters\nmessages:\n  ADT^A05: {event: encounter.registered, ignored: twice}\n",
            3,
            "needs either an `event`",
        ),
        (
            "mapping: encounters\nmessages:\n  ADT^A05: {event: patient.added}\n",
            3,
            "is not an event about an Encounter",
        ),
        (
            "mapping: encounters\nmessages:\n  ADT^A05: {event: encounter.registered, status: booked}\n",
            3,
            "is not a FHIR status",
        ),
        (
            "mapping: encounters\nmessages:\n  SIU^S12: {event: encounter.registered}\n",
            None,
            "is already told by mapping",
        ),
        ("mapping: encounters\nmessages:\n  ADT^A05: {event: no.such}\n", 3, "must be 'appointment.booked'"),
        ("mapping: encounters\nfacts:\n  encounter.colour: {path: PV1-2}\n", 3, "there is no fact"),
        ("mapping: encounters\nfacts:\n  patient.age: {path: PID-7}\n", 3, "is not a fact about an Encounter"),
        ("mapping: encounters\nfacts:\n  encounter.status: {path: PV1-2}\n", 3, "told by `messages`"),
        (
            "mapping: appointments\nfacts:\n  appointment.status: {path: SCH-25, codes: service}\n",
            3,
            "is not a FHIR status of an Appointment",
        ),
        ("mapping: encounters\nfacts:\n  encounter.class: {path: PV1-2}\n", 3, "needs a code table"),
        (
            "mapping: encounters\nfacts:\n  encounter.class: {path: PV1-2, codes: colours}\n",
            3,
            "there is no code table",
        ),
        ("mapping: encounters\nfacts:\n  encounter.class: {path: PV1.2, codes: service}\n", 3, "is not a path"),
        ("mapping: encounters\nfacts:\n  encounter.class: {path: 'PV1-7[MD]', codes: service}\n", 3, "picks nothing"),
        ("mapping: encounters\nfacts:\n  encounter.class: {path: 'PID-3[0]', codes: service}\n", 3, "count from 1"),
        ("mapping: encounters\nfacts:\n  encounter.class: {codes: service}\n", 3, "needs a `path`"),
        (
            "mapping: encounters\nfacts:\n  encounter.start: {path: PV1-44, codes: service}\n",
            3,
            "only a code takes a code table",
        ),
        ("mapping: encounters\nfacts:\n  encounter.start: {path: PV1-44, never: [SS]}\n", 3, "`never` only goes with"),
        (
            "mapping: encounters\nfacts:\n  encounter.start: {path: PV1-44, compute: magic}\n",
            3,
            "there is no computation `magic`; known:",
        ),
        (
            "mapping: encounters\nfacts:\n  encounter.start: {path: PV1-44, compute: vip}\n",
            3,
            "gives a flag (yes or no), here stands a date and time",
        ),
        (
            "mapping: encounters\nfacts:\n  encounter.class: {path: PV1-3, compute: location, codes: service}\n",
            3,
            "takes no code table",
        ),
        (
            "mapping: encounters\nfacts:\n  encounter.class: {path: PV1-3, compute: location, never: [SS]}\n",
            3,
            "takes no `never`",
        ),
        (
            "mapping: encounters\nvisit_flags:\n  confidential-visit: {path: PV1-16, compute: vip}\n",
            3,
            "needs a code table",
        ),
        ("mapping: encounters\nvisit_flags:\n  confidential-visit: {path: PV1-16}\n", 3, "needs `compute`"),
        ("mapping: encounters\nvisit_flags:\n  no-such-reason: {path: PV1-16}\n", 3, "no-such-reason"),
        (
            "mapping: person\nflags:\n  identity-doubtful: {path: PID-31, compute: identity_doubtful}\n",
            3,
            "takes 2 path(s), here stand 1",
        ),
        (
            "mapping: appointments\nfacts:\n  appointment.start: {path: SCH-11.4, compute: appointment_start}\n",
            3,
            "takes at least 2 path(s)",
        ),
        (
            "mapping: person\nperson:\n  given_name: {path: PID-5, compute: language, codes: language}\n",
            3,
            "gives a language, here stands a name",
        ),
        ("mapping: person\nperson:\n  shoe_size: {path: PID-5}\n", 3, "shoe_size"),
        ("mapping: person\nperson:\n  identifiers:\n", None, "`identifiers`"),
        ("mapping: appointments\nkey: {path: SCH-2}\n", 2, "needs `compute`: a path alone does not give an identity"),
        ("mapping: encounters\nfact: {}\n", 2, "unknown key `fact`"),
    ],
)
def test_whatever_cannot_work_is_found_with_its_line(tmp_path: Path, text: str, line: int | None, says: str) -> None:
    """Unknown facts, paths, tables, computations, events and statuses are errors with file:line."""
    found = problems(tmp_path, text)
    assert any(says in problem for problem in found), found
    if line is not None:
        assert any(problem.startswith(f"hl7v2/site.yaml:{line}:") and says in problem for problem in found), found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "table: service\ncodes:\n  KIDNEY: dialysis\n",
            "codes/site.yaml:3:3: `dialysis` is not among the `words` of table `service`",
        ),
        ("table: service\nwords:\n  unmapped:\n", "codes/site.yaml:3:3: `unmapped` has a meaning of its own"),
        ("table: service\nwords:\n  dialysis: {sensitivity: huge}\n", "codes/site.yaml:3:"),
    ],
)
def test_a_code_without_its_word_is_an_error(tmp_path: Path, text: str, says: str) -> None:
    """A typo in a word would never match a rule."""
    assert any(problem.startswith(says) for problem in problems(tmp_path, codes=text))


def test_every_problem_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    """An analyst mends a file once, not problem by problem."""
    assert len(problems(tmp_path, "mapping: encounters\nfact: {}\n", "table: service\ncode: {}\n")) == 2


def test_a_mistake_of_shape_hides_no_other(tmp_path: Path) -> None:
    """Nor does one word of a source hide the next; what follows from a mistake alone is not told as well."""
    found = problems(
        tmp_path,
        "mapping: encounters\n"
        "messges: {}\n"
        "messages:\n"
        "  ADT^A51: {event: encounter.registerd}\n"
        "  ADT^A5: {event: encounter.registered}\n"
        "facts:\n"
        "  encounter.servce: {path: PV1-10, codes: service}\n"
        "  encounter.service: {paths: [PV1.10, PV1-3x], codes: servic, compute: loction}\n"
        "visit_flags:\n"
        "  confidential-vist: {path: PV1-16, compute: vip}\n",
        "table: service\nwords:\n  dialysis: {sensitivity: secret}\ncodes:\n  DIAL: dialysis\n  KID: kidney\n",
    )
    assert sorted(one.partition("/")[2].replace(":", " ", 2).split(" ", 3)[:3] for one in found) == sorted(
        [
            ["site.yaml", "2", "1:"],
            ["site.yaml", "4", "20:"],
            ["site.yaml", "5", "3:"],
            ["site.yaml", "7", "3:"],
            *[["site.yaml", "8", "3:"]] * 4,
            ["site.yaml", "10", "3:"],
            ["site.yaml", "3", "27:"],
            ["site.yaml", "6", "3:"],
        ]
    )
    assert any("there is no code table `servic`; did you mean `service`" in one for one in found)
    assert any("there is no computation `loction`; did you mean `location`?" in one for one in found)


def test_where_a_file_says_nothing_others_are_not_judged_by_it(tmp_path: Path) -> None:
    """What they lean on may be what it should have told."""
    (told,) = problems(tmp_path, "mapping: encounters\nfacts:\n  encounter.class: {path: x}\n", "words: {}\n")
    assert "`table` is missing" in told
    (tmp_path / "codes" / "site.yaml").write_text("a: [")
    with pytest.raises(ConfigError) as caught:
        load_pack([SHIPPED, tmp_path])
    assert len(caught.value.problems) == 1


def test_a_folder_with_code_tables_alone_reads_nothing_and_is_no_error(tmp_path: Path) -> None:
    """As one that has only the other standard's mappings: no person is told of, and none must be."""
    pack = load_pack(overlay(tmp_path, codes="table: own\npurpose: x\nwords: {a: {meaning: b}}\ncodes: {A: a}\n")[1:])
    assert (set(pack.tables), pack.resources) == ({"own"}, {})


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A mistyped folder must not mean "no overlay"."""
    with pytest.raises(ConfigError, match="there is no such folder"):
        load_pack([SHIPPED, tmp_path / "nowhere"])


def test_plain_paths_give_what_the_fact_is(tmp_path: Path) -> None:
    """Text, whole numbers and times need no computation; what is not one is absent with a warning (T-08)."""
    folders = overlay(
        tmp_path,
        "mapping: appointments\nfacts:\n  appointment.practitioner: {path: AIP-3.2}\n"
        "  appointment.duration: {paths: ['AIS-7', 'SCH-9']}\n",
    )
    reader = Hl7v2Reader(load_pack(folders), FEED)

    def told(duration: str, name: str):
        body = message(msh("SIU^S12"), at("SCH", f2="F1", f9=duration), at("PID", f3="1^^^A^MR"), at("AIP", f3=name))
        return reader(RawMessage(source="f", format=Format.HL7V2, body=body, received=0))

    good = told("30", "1^O\\T\\Neil")
    assert (good.events[0].facts["appointment.duration"], good.events[0].facts["appointment.practitioner"]) == (
        30,
        "O&Neil",
    )
    assert [(fault.code, str(fault.place)) for fault in told("soon", "1").faults] == [(102, "SCH^1^9")]
    assert told('""', '1^""').events[0].cleared == {"appointment.duration", "appointment.practitioner"}
    assert told("", "").events[0].facts == {"appointment.status": "booked"}


@pytest.mark.parametrize(("raw", "value"), [("Y", True), ("n^no", False), ('""', CLEARED), ("maybe", None), ("", None)])
def test_a_yes_or_no_is_table_0136(raw: str, value: object) -> None:
    """Table 0136: Y and N, nothing else."""
    body = message(msh("ADT^A31"), at("PID", f24=raw))
    scope = Scope(
        parse(body, default_charset="UTF-8"), FEED, kind=EventKind.PATIENT_UPDATED, zone="UTC", moment=0, raws=[raw]
    )
    assert compile_source(Source(path="PID-24"), FactType.YESNO, {})(scope) == value


@pytest.mark.parametrize(
    "text",
    [
        "mapping: person\nflags:\n  access-restriction:\n",
        "mapping: person\nflags:\n  access-restriction:\nperson:\n  deceased:\n",
    ],
)
def test_a_site_may_read_less_about_the_person(tmp_path: Path, text: str) -> None:
    """Law 5: whatever a site takes out of the person, the rest is read as before."""
    told = reading(overlay(tmp_path, text), msh("ADT^A01"), at("PID", f3="1^^^A^MR", f5="Ash^Alma", f30="Y"), VISIT[2])
    assert told.demographics.given_name == "Alma"
    assert told.demographics.deceased is (None if "deceased" in text else True)
