"""What MSH alone decides (conformance 1.3, 1.6, 1.7, 1.15), and that nothing foreign raises."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapping_messages import FEED, RECEIVED, ROOT, at, message, msh

from gateway.mapping.envelope import ACKNOWLEDGEMENT
from gateway.mapping.feed import Feed
from gateway.mapping.hl7v2 import Hl7v2Reader
from gateway.mapping.pack import load_pack
from gateway.model.event import AckCode, Format, RawMessage, Severity

PID = "PID|1||1234^^^LAKESIDE^MR"


def refusal(told) -> tuple[str, int, str]:
    """Ack, code and place of the one error."""
    (fault,) = [fault for fault in told.faults if fault.severity is Severity.ERROR]
    assert told.events == ()
    assert told.ignored is None
    return told.ack.value, fault.code, str(fault.place)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (msh("ZZZ^Z99"), ("AR", 200, "MSH^1^9")),
        (msh("ADT^A99"), ("AR", 201, "MSH^1^9")),
        (msh("ADT^A01", processing="X"), ("AR", 202, "MSH^1^11")),
        (msh("ADT^A01", version="9.9"), ("AR", 203, "MSH^1^12")),
        (msh("ADT^A01", version="2.4<cr>"), ("AR", 203, "MSH^1^12")),
        (msh("ADT^A01", version="9.9.z"), ("AR", 203, "MSH^1^12")),
        (msh(""), ("AE", 101, "MSH^1^9")),
        (msh('""'), ("AE", 101, "MSH^1^9")),
        (msh("ADT^A01", control=""), ("AE", 101, "MSH^1^10")),
        (msh("ADT^A01", control='""'), ("AE", 101, "MSH^1^10")),
        ("MSH|^~\\&|A", ("AE", 101, "MSH^1^9")),
        ("PID|1", ("AR", 100, "MSH")),
        ("MSH|^^^^", ("AR", 102, "MSH^1^2")),
    ],
)
def test_what_the_header_does_not_allow_is_refused(read, header, expected) -> None:
    """A-02, D-05, E-08, P-04."""
    assert refusal(read(header, PID)) == expected


def test_a_refusal_still_names_the_message(read) -> None:
    """D-01: type, control id and duplicate keys are told as far as they could be read."""
    told = read(msh("ADT^A01", version="9.9"), PID)
    assert (told.type, told.control_id, told.control_key, told.processing_id) == (
        "ADT^A01",
        "C1",
        "EHR\x1fHOSP\x1fC1",
        "P",
    )
    assert read(msh("ADT^A01", control=""), PID).control_key is None
    assert read(b"nothing").body_key == b"nothing"


def test_a_mapped_message_without_a_person_is_refused(read) -> None:
    """E-04: a required segment is missing."""
    assert refusal(read(msh("ADT^A01"), "PV1|1|I")) == ("AE", 100, "PID^1")


@pytest.mark.parametrize(
    ("version", "warned"), [("2.3.z", 203), ("2.5.1.x", 203), ("", 101), ("2.5.1^USA", None), (" 2.4", None)]
)
def test_a_version_is_advisory_where_it_can_be(read, version, warned) -> None:
    """X-04: read by field position; a local variant of a published version is that version."""
    told = read(msh("ADT^A31", version=version), PID)
    assert len(told.events) == 1
    assert [fault.code for fault in told.faults] == ([warned] if warned else [])


@pytest.mark.parametrize(
    ("processing", "production"),
    [("P", True), ("T", False), ("D", False), ("P^T", True), ("T^T", False), (" P", True), ("", False)],
)
def test_only_p_is_ever_production(read, processing, production) -> None:
    """X-05: T and D are understood and lead to nobody; so does a missing id."""
    told = read(msh("ADT^A31", processing=processing), PID)
    assert told.events[0].production is production
    assert told.processing_id == processing.split("^")[0].strip()
    assert bool(told.faults) is (not processing)


def test_a_standard_message_nobody_mapped_is_ignored_and_says_so(read) -> None:
    """A-06: it must not stop the sender's queue."""
    told = read(msh("BAR^P01"), PID)
    assert (told.ack, told.ignored, told.events) == (AckCode.AA, "BAR^P01 is not mapped", ())


@pytest.mark.parametrize(("type_", "code"), [("BAR^P01", 200), ("ADT^A51", 201)])
def test_a_strict_feed_refuses_what_is_not_mapped(read, type_, code) -> None:
    """A-06: only when configured."""
    told = read(msh(type_), PID, feed=Feed(name="f", zone="UTC", strict_types=True))
    assert refusal(told) == ("AR", code, "MSH^1^9")


def test_a_site_may_ignore_a_message_with_a_reason_of_its_own(tmp_path) -> None:
    """A-06: an overlay switches a message off, or takes it out."""
    (tmp_path / "hl7v2").mkdir()
    (tmp_path / "hl7v2" / "site.yaml").write_text(
        "mapping: encounters\nmessages:\n  ADT^A04: {ignored: the clinic sends these twice}\n  ADT^A08:\n"
    )
    reader = Hl7v2Reader(load_pack([ROOT / "mappings", tmp_path]), FEED)

    def ignored(type_: str) -> str | None:
        return reader(RawMessage(source="f", format=Format.HL7V2, body=message(msh(type_), PID), received=0)).ignored

    assert ignored("ADT^A04") == "the clinic sends these twice"
    assert ignored("ADT^A08") == "ADT^A08 is not mapped"


@pytest.mark.parametrize(
    "segments",
    [(msh("ACK^A01"), "MSA|AA|C0"), (msh("ACK"),), (msh("RSP^K22"), "MSA|AA|C0"), (msh("ADT^A01"), "MSA|AA|C0", PID)],
)
def test_an_acknowledgement_is_never_acknowledged(read, segments) -> None:
    """A-17."""
    assert read(*segments).ignored == ACKNOWLEDGEMENT
    assert read(message(*segments, ending="\n")).ignored == ACKNOWLEDGEMENT


def test_a_resend_that_only_restamps_msh_7_is_the_same_body(read) -> None:
    """D-03: MSH-7 does not count, anything else does; unless the feed says otherwise."""
    first = read(msh("ADT^A31", sent="20260302090000"), PID)
    again = read(msh("ADT^A31", sent="20260302100000-0600"), PID)
    other = read(msh("ADT^A31"), PID + "||X")
    assert first.body_key == again.body_key != other.body_key
    strict = Feed(name="f", zone="UTC", ignore_msh7_in_duplicates=False)
    body = message(msh("ADT^A31"), PID)
    assert read(body, feed=strict).body_key == body
    unstamped = msh("ADT^A31").replace("20260302090000", "").encode() + b"\r" + PID.encode()
    assert read(unstamped).body_key == unstamped


def test_a_message_without_its_time_uses_the_receipt(read) -> None:
    """N-06, T-08: with a warning."""
    told = read(msh("ADT^A31").replace("20260302090000", "sometime"), PID)
    assert told.events[0].recorded == RECEIVED
    assert [(fault.code, str(fault.place)) for fault in told.faults] == [(101, "MSH^1^7")]


def test_half_a_message_is_never_processed_as_a_whole(read) -> None:
    """B-07: DSC-1 means that it goes on; MSH-14 without a person that it is a rest; both belong to their sender."""
    first = read(msh("ADT^A31"), PID, "DSC|77|F")
    rest = read(msh("SIU^S12") + "||77", "AIS|1")
    assert (first.events, first.ignored, first.ack) == (rest.events, rest.ignored, rest.ack) == ((), None, "AA")
    assert first.fragment.continued == rest.fragment.continues == "EHR\x1fHOSP\x1f77"
    assert (first.fragment.continues, rest.fragment.continued) == ("", "")
    whole = read(msh("ADT^A31") + "||77", PID, "DSC|")
    assert (len(whole.events), whole.fragment.continues) == (1, "EHR\x1fHOSP\x1f77")
    assert read(msh("ADT^A31"), PID, "DSC|77|I").fragment is None


def test_a_number_is_read_where_the_link_speaks_of_numbers(pack) -> None:
    """D-07 to D-10: MSH-13, and nothing else of a message with 0 or -1; without the protocol it is passed over."""
    body, reader = message(msh("ADT^A31"), PID), Hl7v2Reader(pack, FEED)

    def told(number: str, *, sequenced: bool = True):
        text = body.replace(b"|2.5.1", b"|2.5.1|" + number.encode())
        raw = RawMessage(source="f", format=Format.HL7V2, body=text, received=RECEIVED, sequenced=sequenced)
        return reader(raw)

    assert (told("41").sequence, len(told("41").events)) == (41, 1)
    assert [(one.sequence, one.events, one.ack) for one in (told("0"), told("-1"))] == [(0, (), "AA"), (-1, (), "AA")]
    assert (told("41", sequenced=False).sequence, told("", sequenced=False).ack) == (None, "AA")
    assert [refusal(told(one)) for one in ("", "1x", "-2")] == [
        ("AE", 101, "MSH^1^13"),
        ("AE", 102, "MSH^1^13"),
        ("AE", 102, "MSH^1^13"),
    ]


def test_other_delimiters_are_read_as_declared(read) -> None:
    """P-01."""
    told = read(message("MSH$%*\\@$EHR$HOSP$G$H$20260302090000$$ADT%A31$C1$P$2.5.1", "PID$1$$12|3%%%A@B%MR$$A^sh%Al@x"))
    assert (told.type, told.events[0].identifiers[0].value) == ("ADT^A31", "12|3")
    assert told.events[0].demographics.family_name == "A^sh"
    assert told.events[0].demographics.given_name == "Al"


@pytest.mark.parametrize(
    ("declared", "codec", "understood"),
    [
        ("UNICODE UTF-8", "utf-8", True),
        ("8859/1", "latin-1", True),
        ("", "utf-8", True),
        ("", "cp1252", False),
        ("8859/1", "utf-8", False),
    ],
)
def test_a_name_is_never_mojibake(read, declared, codec, understood) -> None:
    """C-03, C-09."""
    body = (
        message(msh("ADT^A31") + "|" * 6 + declared, at("PID", f3="1^^^A^MR", f5="Muñoz^Iñigo")).decode().encode(codec)
    )
    told = read(body)
    if understood:
        assert told.events[0].demographics.family_name == "Muñoz"
    else:
        assert refusal(told) == ("AE", 102, "MSH^1^18")


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["ADT^A01", "ADT^A40", "SIU^S12", "ADT^A31"]))
def test_nothing_a_sender_writes_raises(rest: bytes, type_: str) -> None:
    """N-01, T-08: whatever follows a sound header gives a Reading."""
    body = msh(type_).encode() + b"\r" + PID.encode() + b"\r" + rest
    reading = _READER(RawMessage(source="f", format=Format.HL7V2, body=body, received=RECEIVED))
    assert reading.events or reading.ignored or reading.faults


_FIELD = st.text(st.sampled_from('^~\\&|"A1. \r@#XY'), max_size=40)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["PID", "PV1", "SCH", "AIS", "AIL", "ARV", "MRG", "TQ1", "PD1", "EVN"]), _FIELD),
        max_size=6,
    ),
    st.sampled_from(["ADT^A03", "ADT^A40", "SIU^S12", "ADT^A08"]),
)
def test_no_arrangement_of_delimiters_raises(segments: list[tuple[str, str]], type_: str) -> None:
    """P-15, P-16: extra, missing and stray delimiters."""
    body = message(msh(type_), *(f"{name}|{text}" for name, text in segments))
    reading = _READER(RawMessage(source="f", format=Format.HL7V2, body=body, received=RECEIVED))
    assert reading.events or reading.ignored or reading.faults


_READER = Hl7v2Reader(load_pack([ROOT / "mappings"]), FEED)


def test_the_plan_of_a_message_type_is_made_with_its_first_message() -> None:
    """Few feeds send many types: who asks about one message does not wait for the plans of all."""
    reader = Hl7v2Reader(load_pack([ROOT / "mappings"]), FEED)
    assert reader._plans == {}
    for segments in ((msh("ADT^A08"), PID), (msh("ADT^Z99"), PID), (msh("ADT^A08"), PID)):
        reader(RawMessage(source="ehr", format=Format.HL7V2, body=message(*segments), received=RECEIVED))
    assert list(reader._plans) == ["ADT^A08"]


def test_plans_made_before_the_first_message_say_what_plans_made_at_it_say(pack, read):
    """A gateway that listens compiles all of them at its start."""
    early = Hl7v2Reader(pack, FEED)
    early.compile()
    early.compile()
    for type_ in ("ADT^A01", "ADT^A31", "ADT^A40", "SIU^S12", "ZZZ^Z99"):
        body = message(msh(type_), PID)
        raw = RawMessage(source=FEED.name, format=Format.HL7V2, body=body, received=RECEIVED)
        one, other = early(raw), read(body)
        assert [event.kind for event in one.events] == [event.kind for event in other.events]
        assert [event.facts for event in one.events] == [event.facts for event in other.events]
        assert (one.ignored, one.ack) == (other.ignored, other.ack)
