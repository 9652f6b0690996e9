"""A site adds a Z segment, local codes and moved fields by an overlay that names only what differs (X-08, P-15)."""

from __future__ import annotations

from pathlib import Path

import pytest
from mapping_messages import FEED, ROOT, at, message, msh

from gateway.analyst.mapping_tests import run_file
from gateway.er7.separators import DEFAULT
from gateway.mapping.codes import CodeTable, Word
from gateway.mapping.feed import Feed
from gateway.mapping.hl7v2 import Hl7v2Reader
from gateway.mapping.pack import Pack, load_pack
from gateway.model.errors import ConfigError
from gateway.model.event import Format, PatientEvent, RawMessage, Reading
from gateway.model.facts import UNMAPPED, Sensitivity
from gateway.model.verdict import Reason

SHIPPED = ROOT / "mappings"
PID = at("PID", f3="1^^^LAKESIDE^MR", f5="Muster^Max")
BOOKED = (msh("SIU^S12"), at("SCH", f1="P1", f2="F1", f11="^^^20260320090000"), PID)


@pytest.fixture
def site(tmp_path: Path):
    """Read a message under the shipped mappings and files of a site, by their text."""

    def read(*segments: str, hl7v2: tuple[str, ...] = (), codes: str = "", feed: Feed = FEED) -> Reading:
        for name, texts in (("hl7v2", hl7v2), ("codes", (codes,) if codes else ())):
            (tmp_path / name).mkdir(exist_ok=True)
            for number, text in enumerate(texts):
                (tmp_path / name / f"ours-{number}.yaml").write_text(text)
        raw = RawMessage(source="f", format=Format.HL7V2, body=message(*segments), received=0)
        return Hl7v2Reader(load_pack([SHIPPED, tmp_path]), feed)(raw)

    return read


def only(reading: Reading) -> PatientEvent:
    assert len(reading.events) == 1, (reading.ignored, reading.faults)
    return reading.events[0]


SERVICE = "mapping: appointments\nfacts:\n  appointment.service: {paths: [ZSV-2, AIS-3], codes: service}\n"
CODES = """\
table: service
words:
  dialysis: {meaning: kidney replacement, sensitivity: sensitive}
codes:
  HD3: dialysis
  "77^^LOCAL": dialysis
"""


def test_a_fact_from_a_segment_of_the_sites_own(site) -> None:
    """P-15: ZSV-2 first, AIS-3 where it tells nothing; every ZSV counts, the most sensitive decides (PV-08)."""
    ais = at("AIS", f1="1", f3="PCP")
    told = {"hl7v2": (SERVICE,), "codes": CODES}
    assert only(site(*BOOKED, ais, "ZSV|1|HD3", **told)).facts["appointment.service"] == "dialysis"
    assert only(site(*BOOKED, ais, "ZSV|1|", **told)).facts["appointment.service"] == "primary-care"
    assert only(site(*BOOKED, ais, **told)).facts["appointment.service"] == "primary-care"
    assert only(site(*BOOKED, "ZSV|1|PCP", "ZSV|2|HD3", **told)).facts["appointment.service"] == "dialysis"


def test_local_codes_with_and_without_their_coding_system(site) -> None:
    """A code is added in a line; one that is qualified wins over a bare one; an unknown one stays unmapped."""
    told = {"hl7v2": (SERVICE,), "codes": CODES}
    assert only(site(*BOOKED, "ZSV|1|77^Dialysis^LOCAL", **told)).facts["appointment.service"] == "dialysis"
    assert only(site(*BOOKED, "ZSV|1|77^^OTHER", **told)).facts["appointment.service"] == UNMAPPED


def test_a_field_that_the_sender_moved(site) -> None:
    """The place of the appointment in ZAP-3, its start in ZAP-4, its identity in ZAP-1: the rest is ours."""
    overlay = """\
mapping: appointments
key: {paths: [ZAP-1, SCH-3], compute: appointment_key}
facts:
  appointment.location: {paths: [ZAP-3, AIL-3], compute: location}
  appointment.start: {paths: [ZAP-4, TQ1-7, AIS-4], compute: appointment_start}
"""
    segments = (msh("SIU^S12"), "SCH", PID, "ZAP|77^EHR||CARD|20260401100000-0500", at("AIL", f3="MED"))
    event = only(site(*segments, hl7v2=(overlay,)))
    assert event.occurrence is not None
    assert event.occurrence.key == "placer|77|EHR|"
    assert event.facts["appointment.location"] == "cardiology"
    assert event.occurrence.start is not None
    assert event.occurrence.start.local().isoformat() == "2026-04-01T10:00:00-05:00"


def test_a_field_beyond_the_standard(site) -> None:
    """A sender that adds PID-55: read as any other, and `local` keeps lint from wondering."""
    overlay = (
        "mapping: person\nlocal: [PID-55]\nperson:\n  language: {paths: [PID-55], compute: language, codes: language}\n"
    )
    event = only(site(msh("ADT^A31"), at("PID", f3="1^^^L^MR", f15="ENG", f55="SPA"), hl7v2=(overlay,)))
    assert event.demographics.language == "es"


def test_what_a_segment_of_the_sites_own_says_of_the_person_is_not_taken_for_known(site) -> None:
    """X-06: PID repeats what is known; another ZPI is news all the same."""
    overlay = "mapping: person\nperson:\n  birth_date: {path: ZPI-2, compute: birth_date}\n"
    with_it = only(site(msh("ADT^A31"), PID, "ZPI|1|19700101", hl7v2=(overlay,)))
    assert with_it.demographics.birth_date == "1970-01-01"
    other = only(site(msh("ADT^A31"), PID, "ZPI|1|19700102", hl7v2=(overlay,)))
    again = only(site(msh("ADT^A08"), PID, "ZPI|2|19700101", hl7v2=(overlay,)))
    assert with_it.person.key != other.person.key
    assert with_it.person.key == again.person.key
    assert only(site(msh("ADT^A31"), PID, hl7v2=(overlay,))).demographics.birth_date is None


def test_a_hold_from_a_segment_of_the_sites_own(site) -> None:
    """PV-02: the visit's and the person's."""
    overlays = (
        "mapping: encounters\nvisit_flags:\n  confidential-visit: {path: ZPV-1, compute: indicator}\n",
        "mapping: person\nflags:\n  protection-indicator: {path: ZPI-1, compute: indicator}\n",
    )
    event = only(site(msh("ADT^A01"), PID, at("PV1", f2="I", f19="V1"), "ZPV|Y", "ZPI|N", hl7v2=overlays))
    assert event.visit_flags[Reason("confidential-visit")] is True
    assert event.flags[Reason("protection-indicator")] is False


def test_the_segment_of_an_order_belongs_to_that_order(site) -> None:
    """OR-07: two orders, a ZOB each; the second one's is not lent to the first."""
    overlay = "mapping: results\nfacts:\n  result.code: {paths: [ZOB-1, OBR-4], codes: result}\n"
    orders = [(at("OBR", f1=n, f3=f"7{n}^LAB", f4="X", f25="F"), at("OBX", f1="1", f3="A", f11="F")) for n in "12"]
    segments = (msh("ORU^R01"), PID, *orders[0], "ZOB|58410-2", *orders[1], "ZOB|24331-1")
    first, second = site(*segments, hl7v2=(overlay,)).events
    assert first.facts["result.code"] != second.facts["result.code"]


def test_a_trigger_event_of_the_sites_own(site) -> None:
    """A-06: SIU^Z12 means what the overlay says, and takes everything else from our mapping."""
    overlay = "mapping: appointments\nmessages:\n  SIU^Z12: {event: appointment.booked, status: booked}\n"
    event = only(site(msh("SIU^Z12"), *BOOKED[1:], hl7v2=(overlay,)))
    assert event.kind == "appointment.booked"
    assert site(msh("SIU^Z13"), *BOOKED[1:], hl7v2=(overlay,)).ack == "AR"


def test_what_our_mapping_says_of_the_rest_stays(site) -> None:
    """An overlay is no copy: a fact it does not name is still ours."""
    event = only(site(*BOOKED, at("AIL", f3="MED"), "ZSV|1|PCP", hl7v2=(SERVICE,), codes=CODES))
    assert event.facts["appointment.location"] == "medicine"
    assert event.occurrence is not None
    assert event.occurrence.status == "booked"


def test_a_fact_that_is_none_of_the_vocabulary_is_an_error_with_its_place(site) -> None:
    """Law 5: the vocabulary is closed; a Z segment feeds a fact there is."""
    overlay = "mapping: appointments\nfacts:\n  appointment.parking: {path: ZAP-9}\n"
    with pytest.raises(ConfigError, match=r"ours-0\.yaml:3:3: there is no fact `appointment\.parking`"):
        site(*BOOKED, hl7v2=(overlay,))


def test_a_misspelt_fact_word_or_mapping_is_told_what_was_surely_meant(site) -> None:
    """Each names the closest there is."""
    with pytest.raises(ConfigError, match=r"no fact `appointment\.servise`; did you mean `appointment\.service`"):
        site(*BOOKED, hl7v2=(SERVICE.replace("service: {", "servise: {"),))
    with pytest.raises(ConfigError, match=r"nothing below it does; did you mean `appointments`"):
        site(*BOOKED, hl7v2=(SERVICE.replace("mapping: appointments", "mapping: apointments"),))
    with pytest.raises(ConfigError, match=r"words` of table `service`; did you mean `dialysis`\?"):
        site(*BOOKED, hl7v2=(SERVICE,), codes=CODES.replace("HD3: dialysis", "HD3: dyalisis"))


def test_a_type_picks_nothing_in_a_segment_nobody_knows(site) -> None:
    """Which component tells the type of a ZPI field is not known: a repetition is picked by its number."""
    with pytest.raises(ConfigError, match=r"has no component that tells a type"):
        site(*BOOKED, hl7v2=("mapping: person\nperson:\n  birth_date: {path: 'ZPI-2[MR].1', compute: birth_date}\n",))
    overlay = "mapping: person\nperson:\n  birth_date: {path: 'ZPI-2[2].1', compute: birth_date}\n"
    event = only(site(msh("ADT^A31"), PID, "ZPI|1|x^19600101~19700101", hl7v2=(overlay,)))
    assert event.demographics.birth_date == "1970-01-01"


# -- one source and another

LAB = "mapping: encounters\nsources: [lab]\nfacts:\n  encounter.service: {path: ZLB-1, codes: service}\n"
LAB_CODES = "table: service\nsources: [lab]\nwords:\n  phlebotomy: {sensitivity: sensitive}\ncodes: {MED: phlebotomy}\n"
VISIT = msh("ADT^A01"), PID, at("PV1", f2="I", f10="MED", f19="V1"), "ZLB|MED"


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    """The shipped mappings, and files that are for the source `lab` alone."""
    for name, text in (("hl7v2", LAB), ("codes", LAB_CODES)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lab.yaml").write_text(text)
    return load_pack([SHIPPED, tmp_path])


def test_a_file_for_one_source_changes_nothing_for_the_others(pack: Pack) -> None:
    """X-08: the laboratory's MED is not the hospital's."""

    def service(source: str) -> object:
        raw = RawMessage(source=source, format=Format.HL7V2, body=message(*VISIT), received=0)
        return only(Hl7v2Reader(pack.of(source), FEED)(raw)).facts["encounter.service"]

    assert (service("ehr"), service("lab")) == ("internal-medicine", "phlebotomy")
    assert pack.of("ehr") is pack
    assert pack.of("lab").digest != pack.digest == load_pack([SHIPPED]).digest


def test_what_a_word_of_one_source_betrays_is_known_everywhere(pack: Pack) -> None:
    """PV-08: gates ask the whole pack, and a rule may name the word; a word of nobody's is of the highest."""
    assert pack.sensitivity("encounter.service", "phlebotomy") is Sensitivity.SENSITIVE
    assert pack.sensitivity("encounter.service", "internal-medicine") is Sensitivity.ORDINARY
    assert pack.sensitivity("encounter.service", "nobody-said") is Sensitivity.PROTECTED
    assert {"phlebotomy", "internal-medicine"} <= pack.words()["encounter.service"]
    assert "encounter.start" not in pack.words()


def test_the_messages_of_one_source_are_among_those_that_are_read(tmp_path: Path) -> None:
    """Lint sees that somebody produces the event a rule waits for."""
    (tmp_path / "hl7v2").mkdir()
    text = "mapping: parking\nabout: Encounter\nsources: [lab]\nmessages:\n  ADT^Z01: {event: encounter.registered}\nkey: {path: PV1-19, compute: visit_key}\n"
    (tmp_path / "hl7v2" / "lab.yaml").write_text(text)
    pack = load_pack([SHIPPED, tmp_path])
    assert "ADT^Z01" in pack.types()
    assert "parking" not in pack.families
    assert "encounter.registered" in pack.kinds()


def test_a_file_for_a_source_that_is_not_configured_is_an_error(pack: Pack) -> None:
    """A name mistyped would leave a feed unread the way the site wants it: refused, with its place."""
    assert pack.check_sources({"lab", "ehr"}) == ()
    (problem,) = pack.check_sources({"ehr"})
    assert problem.endswith("codes/lab.yaml:2:11: there is no source `lab`; known: ehr")
    assert "known: none" in pack.check_sources(())[0]


def test_a_mistake_for_one_source_is_told_once(tmp_path: Path) -> None:
    """Every pack is checked; the same sentence is not repeated for each."""
    (tmp_path / "hl7v2").mkdir()
    (tmp_path / "hl7v2" / "a.yaml").write_text("mapping: encounters\nfacts:\n  encounter.start: {paths: []}\n")
    (tmp_path / "hl7v2" / "b.yaml").write_text(
        "mapping: encounters\nsources: [lab]\nfacts:\n  encounter.parking: {path: ZZZ-1}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_pack([SHIPPED, tmp_path])
    assert len(caught.value.problems) == 2


def test_the_tests_beside_a_mapping_name_the_source_they_are_about(pack: Pack, tmp_path: Path) -> None:
    """`feed: {source: lab}`: the messages are read as that source's."""
    lines = "".join(f"      {line}\n" for line in VISIT)
    case = "  - name: {}\n    {}message: |\n{}    expect: {{events: {{facts: {{encounter.service: {}}}}}}}\n"
    path = tmp_path / "lab.test.yaml"
    path.write_text(
        "tests:\n"
        + case.format("the hospital", "", lines, "internal-medicine")
        + case.format("the laboratory", "feed: {source: lab}\n    ", lines, "phlebotomy")
    )
    assert [finding.failures for finding in run_file(pack, path)] == [(), ()]


@pytest.mark.parametrize("spelt", ["L\\T\\D", "L\\T\\D^^LOCAL", "x^^^l\\T\\d ^^HL70069"])
@pytest.mark.parametrize("written", ["L&D", "L\\T\\D"])
def test_a_local_code_with_a_delimiter_in_it_is_found(site, spelt, written) -> None:
    """P-07: a site writes its code as people do, or as it comes."""
    codes = f"table: service\nwords:\n  maternity: {{sensitivity: sensitive}}\ncodes:\n  '{written}': maternity\n"
    told = only(site(*BOOKED, at("AIS", f1="1", f3=spelt), codes=codes))
    assert told.facts["appointment.service"] == "maternity"
    other = only(site(*BOOKED, at("AIS", f1="1", f3="X\\T\\D"), codes=codes))
    assert other.facts["appointment.service"] == UNMAPPED


def test_a_flag_whose_code_has_a_delimiter_in_it_is_read(site) -> None:
    """P-07: of codes that are looked up alone, too."""
    codes = "table: vip\ncodes:\n  'N&O': open\n"
    for code, holds in (("N\\T\\O", False), ("Y\\T\\O", True)):
        told = only(site(*BOOKED, at("PV1", f2="O", f16=code), codes=codes))
        assert told.visit_flags[Reason.CONFIDENTIAL_VISIT] is holds


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("MED\\T\\SURG^201", "med-surg-201"),
        ("MED\\T\\SURG^^^GENHOSP", "med-surg"),
        ("MED\\T\\SURG&x~ICU", "med-surg"),
        ("ICU\\T\\SURG", UNMAPPED),
    ],
)
def test_a_place_with_a_delimiter_in_it_is_found(site, place, found) -> None:
    """P-07: `locations` names it as people do."""
    feed = Feed(name="f", zone="UTC", locations={"MED&SURG^201": "med-surg-201", "MED&SURG": "med-surg"})
    told = only(site(*BOOKED, at("AIL", f1="1", f3=place), feed=feed))
    assert told.facts["appointment.location"] == found


@pytest.mark.parametrize("told", ["A&D", r"A\T\D"])
def test_a_protected_code_counts_on_any_path_however_it_is_escaped(told: str) -> None:
    """PV-08, P-07."""
    words = {"visit": Word(), "ward": Word(sensitivity=Sensitivity.PROTECTED)}
    table = CodeTable("service", words, {"OV": "visit", told: "ward"})
    assert table.decide([["OV"], [r"A\T\D"]], DEFAULT) == "ward"
