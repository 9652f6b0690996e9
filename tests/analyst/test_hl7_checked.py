"""What deviates matters when something reads it: places and rules, never a value."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.analyst.hl7v2.asking import Child, NoAnswer
from gateway.analyst.hl7v2.checked import Deviation, Subject, check
from gateway.analyst.hl7v2.lineage import Lineage
from gateway.analyst.hl7v2.shown import raw
from gateway.er7.batch import Piece, split
from gateway.er7.reader import parse
from gateway.mapping.feed import Feed
from gateway.mapping.pack import Pack, load_pack
from gateway.mapping.trace import TracedReader
from gateway.model.errors import Unreadable
from gateway.packs import shipped

FEED = Feed(name="ehr", zone="America/Chicago", default_authority="LAKESIDE", locations={"CARD": "cardiology"})
USED = frozenset({"appointment.service", "appointment.start"})
MSH = "MSH|^~\\&|EHR|HOSP|GATE|HUB|20260302090000{}||SIU^S12^SIU_S12|C1|P|2.5.1"
PID = "PID|1||1^^^LAKESIDE^MR||Muster^Max||19700101|M"
SCH = "SCH|P1|F1||||R^Routine|||30||^^30^{}|||||9^Doe||||9^Doe|||||Booked"


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack([shipped("mappings")])


@pytest.fixture(scope="module")
def child():
    with Child() as one:
        yield one


@pytest.fixture(scope="module")
def checked(pack: Pack, child: Child):
    """Check a message given as segments."""

    def deviations(*segments: str, feed: Feed = FEED, configured: bool = True, by: Child = child) -> list[Deviation]:
        body = "\r".join(segments).encode()
        traced = TracedReader(pack, feed, facts=USED).trace(raw(body))
        message = parse(body, default_charset=feed.charset, fallbacks=feed.charset_fallbacks)
        lineage = Lineage(pack, traced.reading.type, USED)
        return check(Subject(message=message, traced=traced, lineage=lineage, feed=feed, configured=configured), by)

    return deviations


def by_place(found: list[Deviation]) -> dict[str, Deviation]:
    return {one.place: one for one in found}


def booked(*more: str, start: str = "20260320090000-0500", sent: str = "-0600", **_: str) -> tuple[str, ...]:
    return (MSH.format(sent), SCH.format(start), PID, "RGS|1", "AIS|1|A|PCP", *more)


def test_a_message_by_the_book_has_nothing_to_tell(checked) -> None:
    """C10 SIU_S12."""
    assert checked(*booked()) == []


def test_a_deviation_matters_where_a_mapping_reads(checked) -> None:
    """The birth date is read, the race is not; what no rule uses does not matter either."""
    found = by_place(checked(*booked("AIL|1|A|CARD", "AIP|1|A|9^Doe^Jo|||20260320090000-0500|x")))
    assert (found["AIP^1^7^1"].rule, found["AIP^1^7^1"].matters) == ("not a valid NM (HL7 2.5.1)", False)
    late = [one.replace("19700101", "1970-01-01") for one in booked()]
    first, *_ = checked(*late)
    assert first.matters
    assert (first.place, first.rule) == ("PID^1^7", "the birth date is not a date")
    standard = by_place([one for one in checked(*late) if one.by == "hl7"])["PID^1^7^1"]
    assert (standard.matters, standard.why) == (True, "read for patient.birth_date")
    unused = by_place(checked(*(one.replace("||30||", "||soon||") for one in booked())))["SCH^1^9^1"]
    assert not unused.matters
    assert unused.why == "appointment.duration would come from here, but nothing in force uses it"


def test_what_matters_comes_first(checked) -> None:
    """Somebody reads the first line."""
    found = checked(*(one.replace("PCP", "NEVERHEARD").replace("|R^Routine|", "||") for one in booked()))
    assert [one.matters for one in found] == sorted((one.matters for one in found), reverse=True)
    assert len({one.matters for one in found}) == 2


def test_a_code_that_no_table_knows_matters(checked) -> None:
    """PV-08: which table, and where; a place that is not configured is named as such."""
    found = by_place(checked(*booked("AIS|2|A|NEVERHEARD", "AIL|1|A|NOWHERE")))
    service = found["AIS^1^3"]
    assert (service.matters, service.rule) == (True, "the code is not known: appointment.service is `unmapped`")
    assert service.why == "it waits for a person; add the code to the table `service`"
    assert found["AIL^1^3"].why == "it waits for a person; name the place under `locations:`"


def test_times_without_a_zone_are_told_once(checked) -> None:
    """T-02: the zone of the source is taken; without a site nobody said which."""
    told = by_place(checked(*booked(start="20260320090000", sent="")))["MSH^1^7"]
    assert (told.rule, told.matters) == ("times come without a zone", False)
    assert told.why == "read in America/Chicago, the zone of the source"
    assumed = by_place(checked(*booked(start="20260320090000", sent=""), configured=False))["MSH^1^7"]
    assert assumed.why == "no site says which: read in America/Chicago"
    assert checked(*booked(start="20260320090000")) == [], "MSH-7 tells the zone of the message"
    assert checked(*booked(start="20260320", sent="")) == [], "a day has no zone"


@pytest.mark.parametrize(
    ("start", "rule"),
    [
        ("20260308023000", "a time that America/Chicago skips when clocks are put forward"),
        ("20261101013000", "a time that comes twice in America/Chicago when clocks are put back"),
    ],
)
def test_a_local_time_that_is_none_or_two_matters(checked, start: str, rule: str) -> None:
    """T-06: gap and fold."""
    found = by_place(checked(*booked(start=start, sent="")))["SCH^1^11"]
    assert (found.rule, found.matters) == (rule, True)
    assert checked(*booked(start=f"{start}-0500")) == [], "with an offset it is one"


def test_a_time_that_is_none_is_told_by_both(checked) -> None:
    """T-08: hl7apy's table and our reader."""
    found = [one for one in checked(*booked(start="20261332")) if one.place.startswith("SCH^1^11")]
    assert {one.by for one in found} == {"hl7", "caregate"}
    assert checked(*booked(start='""')) == [], "a deletion is no time"


def test_an_identifier_without_its_authority(checked) -> None:
    """PI-01: with a default of the source it is taken; without one two facilities' numbers would be one person."""
    lines = [one.replace("1^^^LAKESIDE^MR", "1^^^LAKESIDE^MR~2^^^^MR~3^^^^SS~~4") for one in booked()]
    found = by_place(checked(*lines))
    assert (found["PID^1^3^2^4"].matters, found["PID^1^3^2^4"].why) == (
        False,
        "LAKESIDE is taken, the authority of the source",
    )
    assert "PID^1^3^3^4" not in found
    assert "PID^1^3^5^4" in found
    nobody = by_place(checked(*lines, feed=Feed(name="x", zone="America/Chicago")))
    assert (nobody["PID^1^3^2^4"].matters, nobody["PID^1^3^2^4"].why) == (
        True,
        "numbers of two facilities would be one person",
    )


def test_text_beyond_ascii_without_a_character_set(checked, pack: Pack, child: Child) -> None:
    """C-02, C-03: the charset of the source is taken; a fallback matters."""
    lines = [one.replace("Muster", "Muñoz") for one in booked()]
    told = by_place(checked(*lines))["MSH^1^18"]
    assert (told.matters, told.why) == (False, "read as utf-8, the charset of the source")
    feed = Feed(name="x", zone="America/Chicago", default_authority="A", charset_fallbacks=("cp1252",))
    body = "\r".join(lines).encode("cp1252")
    traced = TracedReader(pack, feed, facts=USED).trace(raw(body))
    message = parse(body, default_charset="UTF-8", fallbacks=("cp1252",))
    subject = Subject(
        message=message, traced=traced, lineage=Lineage(pack, "SIU^S12", USED), feed=feed, configured=True
    )
    fallen = by_place(check(subject, child))["MSH^1^18"]
    assert (fallen.matters, fallen.why) == (True, "read as cp1252, a fallback of the source")
    declared = [f"{lines[0]}||||||UNICODE UTF-8", *lines[1:]]
    assert "MSH^1^18" not in by_place(checked(*declared))


def test_a_message_that_is_refused_says_so(checked) -> None:
    """E-08: AE 101, and what it means."""
    found = checked(*(one.replace("SCH|P1|F1", "SCH||") for one in booked()))
    assert found[0].rule == "the appointment has no identity"
    assert found[0].why == "the message is refused: AE"


def test_of_a_type_that_is_not_mapped_nothing_matters(checked) -> None:
    """A-06: it is ignored."""
    found = checked("MSH|^~\\&|A|B|C|D|20260302||MFN^M02|1|P|2.5.1", "MFI|x")
    assert found
    assert not any(one.matters for one in found)
    assert {one.why for one in found} == {"messages of this type are not mapped"}


def test_what_hl7apy_cannot_judge_is_told(checked) -> None:
    """A process that gives no answer is no verdict; our own checks are made all the same."""

    class Silent(Child):
        def ask(self, question):
            raise NoAnswer("no answer in 20 seconds")

    found = checked(*booked("AIS|2|A|NEVERHEARD"), by=Silent())
    assert by_place(found)["MSH"] == Deviation(
        place="MSH", rule="no answer in 20 seconds", by="hl7", matters=False, why="the structure was not checked"
    )
    assert by_place(found)["AIS^1^3"].matters


def test_no_deviation_repeats_a_value(checked) -> None:
    """Law 4: everything wrong at once, and nothing of it is said again."""
    wrong = [
        one.replace("Muster", "Ada&Ada&Ada&Ada&Ada&Ada").replace("19700101", "Ada").replace("PCP", "Ada")
        for one in booked()
    ]
    found = checked(*wrong, "QQQ|Ada", "AIL|Ada|Ada|Ada|Ada|Ada|Ada|Ada|Ada|Ada|Ada|Ada")
    assert len(found) > 6
    assert not any("Ada" in f"{one.place}{one.rule}{one.why}" for one in found)


@pytest.mark.slow
def test_other_peoples_messages_are_checked_without_an_error(pack: Pack, child: Child) -> None:
    """P-15, T-08: whatever comes, an answer; at most four messages of each file, malformed ones too."""
    folder = Path(os.environ.get("CAREGATE_TESTDATA", Path(__file__).parents[3] / "shared" / "testdata")) / "hl7v2"
    if not folder.is_dir():
        pytest.skip(f"no HL7 v2 test data at {folder}: set CAREGATE_TESTDATA")
    reader, seen, matters = TracedReader(pack, FEED), 0, 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as stream:
            bodies = [part.body for part in split(stream) if isinstance(part, Piece) and part.body is not None]
        for body in bodies[:4]:
            try:
                message = parse(body, default_charset="UTF-8", fallbacks=("cp1252",))
            except Unreadable:
                continue
            traced = reader.trace(raw(body))
            lineage = Lineage(pack, traced.reading.type, None)
            found = check(Subject(message=message, traced=traced, lineage=lineage, feed=FEED, configured=True), child)
            assert not any(one.place == "MSH" and "hl7apy" in one.rule for one in found), path.name
            seen += 1
            matters += any(one.matters for one in found)
    assert seen > 600
    assert 0 < matters < seen
