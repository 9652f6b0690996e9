"""What repeats beyond reason is refused, and no cache grows with what is sent."""

from __future__ import annotations

import pytest

from gateway.er7 import charsets, dtm
from gateway.er7.ack import acknowledge
from gateway.er7.bounds import CACHED, MOST_GROUPS, MOST_REPETITIONS
from gateway.er7.header import read_header
from gateway.mapping import demographics, places, telecom
from gateway.mapping.envelope import check_header, first_of, type_of
from gateway.mapping.telephone import e164
from gateway.model.event import Format, Outcome, RawMessage, Reading, Result
from gateway.model.party import CLEARED
from tests.fuzz import claims

HEAD = "MSH|^~\\&|EHR|HOSP|GW|HUB|20260302090000-0600||{}|F1|P|2.5.1\r"
PID = "PID|1||77^^^HOSP^MR||Brook^Ada\r"
ADT, SIU, ORU = (HEAD.format(one) for one in ("ADT^A28^ADT_A05", "SIU^S12^SIU_S12", "ORU^R01^ORU_R01"))
SCH = "SCH|P1^E|F1^E|||||||||^^30^20260320093000\r"
OBR = "OBR|1|P{0}|F{0}|L||||||||||||||||||20260302083000|||F\r"


def read(text: str) -> Reading:
    """Read by the first of the fuzzed feeds, the part about the person too."""
    feed, reader = claims.readers()[0]
    reading = reader(RawMessage(source=feed.name, format=Format.HL7V2, body=text.encode(), received=claims.RECEIVED))
    claims.is_one_of_four(reading)
    return reading


def refusal(reading: Reading) -> tuple[str, int, str]:
    """What a refused message is told."""
    assert not reading.events
    return reading.ack, reading.noticed[0].code, str(reading.noticed[0].place)


def many(unit: str, count: int) -> str:
    """Numbered, so that no two are equal."""
    return "".join(unit.format(number) for number in range(count))


# -- refused: it would cost rows and memory, not only bytes


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (ADT + "PID|1||" + many("{}^^^HOSP^MR~", MOST_REPETITIONS) + "1\r", "PID^1^3"),
        (HEAD.format("ADT^A40^ADT_A39") + PID + "MRG|" + many("{}~", MOST_REPETITIONS) + "1\r", "MRG^1^1"),
        (ADT + many("PID|1||{}^^^HOSP^MR\r", MOST_GROUPS + 1), "PID^1"),
        (SIU + SCH + many("PID|1||{}^^^HOSP^MR\r", 400) + "NTE|1\r" * 100 + "AIS|1\r" * 3_000, "PID^1"),
        (ORU + PID + many(OBR, MOST_GROUPS + 1), "OBR^1"),
        (ORU + PID + "NTE|1\r" * 3_000 + many(OBR, 400), "OBR^1"),
        (ORU + many(PID + OBR + OBR, 300), "PID^1"),
        (ADT + PID + many("CON|{}|T|||||||||A\r", MOST_GROUPS + 1), "CON^1"),
    ],
    ids=["identifiers", "merged", "patients", "patients-and-shared", "orders", "orders-and-shared", "both", "consents"],
)
def test_what_repeats_beyond_reason_is_quarantined_whole(text: str, place: str) -> None:
    """F-12, A-08: AE 198, table 0357 "non-conformant cardinality"; a person looks, nothing is half read."""
    assert refusal(read(text)) == ("AE", 198, place)


def test_as_many_as_are_accepted_are_read() -> None:
    """The bounds are far above what feeds send."""
    several = read(ADT + "PID|1||" + many("{}^^^HOSP^MR~", MOST_REPETITIONS - 1) + "x^^^HOSP^MR\r")
    assert len(several.events[0].identifiers) == MOST_REPETITIONS
    assert len(read(ADT + many("PID|1||{}^^^HOSP^MR\r", MOST_GROUPS)).events) == MOST_GROUPS
    assert len(read(ORU + PID + many(OBR, MOST_GROUPS)).events) == MOST_GROUPS


def test_of_very_many_contact_points_the_first_are_read() -> None:
    """PI-05: a warning says so; nobody is refused care messages for a field that was filled by a loop."""
    reading = read(ADT + PID[:-1] + "|" * 8 + many("+1217555{:04d}^PRN^CP~", 2 * MOST_REPETITIONS) + "\r")
    ((_, points),) = reading.events[0].demographics.telecom
    assert points is not CLEARED
    assert len(points) == MOST_REPETITIONS
    assert [(fault.code, str(fault.place)) for fault in reading.faults] == [(198, "PID^1^13")]


def test_without_a_repetition_separator_nothing_repeats() -> None:
    """P-03."""
    reading = read(ADT.replace("^~\\&", "^") + PID[:-1] + "|" * 8 + "2175550143 " * 100 + "\r")
    assert [fault.code for fault in reading.faults] == []


def test_a_header_code_that_is_no_code_is_refused() -> None:
    """E-08, table 0357 104: it would be remembered, and it cannot be right."""
    assert refusal(read(HEAD.format("ADT^A28^" + "x" * CACHED) + PID)) == ("AE", 104, "MSH^1^9")


# -- absent: what is too long to be one


def test_what_is_too_long_to_be_a_date_is_none() -> None:
    """T-08."""
    long = "20260302090000" + "0" * CACHED
    assert dtm.parse_dtm(long, zone="UTC") is None
    assert dtm.parse_date(long) is None
    assert dtm.offset_zone(long + "-0600") is None
    assert not dtm.dtm_gap(long, "UTC")
    reading = read(ADT + PID[:-1] + f"||{long}\r")
    assert reading.events[0].demographics.birth_date is None
    assert [fault.code for fault in reading.faults] == [102]


def test_what_is_too_long_to_be_a_postal_code_is_removed() -> None:
    """N-03: an address without one; the zone is wider then."""
    told = read(ADT + PID[:-1] + "||||||1 Way^^X^IL^" + "6" * 21 + "^USA^H\r").events[0].demographics
    assert (told.state, told.postal_code) == ("IL", CLEARED)


def test_a_charset_with_an_endless_name_is_unknown() -> None:
    """C-01."""
    assert charsets.codec_of("8859/1" * 200) is None


def test_a_number_longer_than_any_is_not_dialled() -> None:
    """ITU-T E.164 §6.2: fifteen digits; the library's German numbers may have seventeen."""
    assert e164("030 1234567", "DE") == "+49301234567"
    assert e164("(217)5557)555-0144", "DE") is None


def test_a_name_with_a_lost_character_greets_nobody() -> None:
    """C-03 (!): a sender before us replaced what it could not read; the next name that is whole is used."""
    told = read(ADT + "PID|1||77^^^HOSP^MR||Mu\ufffdoz^Ada~Munoz^Ad\ufffd^^^^^D\r")
    assert (told.events[0].demographics.family_name, told.events[0].demographics.given_name) == ("Munoz", "Ada")
    assert [(fault.code, str(fault.place)) for fault in told.faults] == [(102, "PID^1^5")] * 2


# -- memory


CACHES = (
    telecom._cached,
    places._configured,
    demographics.iso_date,
    first_of,
    type_of,
    check_header,
    charsets._codec_of,
    dtm._parse,
)


@pytest.mark.parametrize("cache", CACHES, ids=lambda one: one.__wrapped__.__name__)
def test_no_cache_remembers_what_is_long(cache: object) -> None:
    """F-12: thousands of entries of sixteen megabytes each would be all the memory there is."""
    before = cache.cache_info().currsize  # type: ignore[attr-defined]
    long = "7" * 10_000
    read(ADT + "PID|1||77^^^HOSP^MR||Brook^Ada||" + f"{long}||||||{long}||{long}||{long}\r")
    read(SIU + SCH.replace("20260320093000", long) + PID + f"PV1|1|{long}|{long}^1||||||||{long}\rAIL|1|A|{long}\r")
    read(HEAD.format(long) + PID)
    read(ADT[:-1] + f"||||||{long}\r" + PID)
    assert cache.cache_info().currsize <= before + 8  # type: ignore[attr-defined]
    _forgets(cache)


def _forgets(cache: object) -> None:
    """Nothing long is a key: read again, a long one is a miss of nobody's."""
    info = cache.cache_info()  # type: ignore[attr-defined]
    read(ADT + PID[:-1] + "|" * 8 + "7" * 10_000 + "\r")
    assert cache.cache_info().misses <= info.misses + 4  # type: ignore[attr-defined]


def test_an_acknowledgement_of_a_message_with_an_endless_control_id_is_readable() -> None:
    """A-22: it is echoed, whatever its length."""
    header = read_header((ADT.replace("F1", "F" * 100_000) + PID).encode())
    written = acknowledge(header, Outcome(result=Result.ACCEPTED, ack=read(ADT + PID).ack), control_id="1", now=0)
    assert read_header(written).message_code == "ACK"
