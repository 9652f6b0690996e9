"""The sequence number protocol of MSH-13: what is out of turn is refused, and a number is spent only by what is stored."""

from __future__ import annotations

import json
import threading

import pytest
from clinic_dsl import Clinic
from sqlalchemy import select

from gateway.model.event import Format, Outcome, RawMessage, Result
from gateway.model.when import SECOND
from gateway.pipeline import inspect
from gateway.store import tables
from gateway.store.statement import Statement

FIRST = "2026-03-20 09:30"
ENTRIES = Statement("test.entries", select(tables.audit.c.entries).order_by(tables.audit.c.id))


def hears(clinic: Clinic, *messages: bytes, source: str = "ehr") -> list[Outcome]:
    """Messages in one batch, over a link that speaks the protocol."""
    clinic.clock.set(clinic.clock.now() + SECOND)
    clinic.spoken += messages
    now = clinic.clock.now()
    raw = [RawMessage(source=source, format=Format.HL7V2, body=one, received=now, sequenced=True) for one in messages]
    return clinic.gateway.receiver.receive(raw)


def booking(clinic: Clinic, number: object, *, control: str | None = None, bad: bool = False) -> bytes:
    """Ann's appointment named like the number, or one that tells no appointment."""
    made = clinic.schedules("S12", "Ann", start=FIRST, appointment=f"A{number}", control=control, msh={13: str(number)})
    return made.replace(f"SCH|A{number}^PLACER|A{number}^SCHED".encode(), b"SCH||") if bad else made


def link(number: int, control: str = "L1") -> bytes:
    """What (re)starts the link: an MSH alone, without a message type."""
    return f"MSH|^~\\&|EHR|LAKESIDE|CAREGATE|LAKESIDE|20260302090000||^|{control}|P|2.5.1|{number}\r".encode()


def told(outcomes: list[Outcome]) -> list[tuple[str, str, int | None]]:
    """Result, MSA-1 and MSA-4 of each."""
    return [(one.result.value, one.ack.value, one.sequence) for one in outcomes]


def actions(clinic: Clinic) -> list[list[object]]:
    """Every audit entry about sequence numbers."""
    with clinic.gateway.store.read() as unit:
        found = [entry for (entries,) in unit.all(ENTRIES) for entry in json.loads(entries)]
    return [entry for entry in found if str(entry[0]).startswith("sequence.")]


@pytest.fixture
def ann(clinic: Clinic) -> Clinic:
    """A clinic that knows Ann."""
    clinic.enrols("Ann")
    return clinic


def test_a_feed_in_turn_is_taken_and_its_numbers_come_back(ann: Clinic) -> None:
    """D-07: the first number is adopted, each next one is expected, one after the other in one commit too."""
    assert told(hears(ann, booking(ann, 41))) == [("accepted", "AA", 41)]
    assert told(hears(ann, booking(ann, 42), booking(ann, 43))) == [("accepted", "AA", 42), ("accepted", "AA", 43)]
    assert ann.count("occurrence") == 3


def test_a_number_out_of_turn_is_refused_and_nothing_of_it_is_kept(ann: Clinic) -> None:
    """D-11: AE, ERR-3 199 at MSH-13, MSA-4 what is expected; neither stored nor processed, but audited."""
    hears(ann, booking(ann, 41))
    before = ann.count("raw")
    (gap,) = hears(ann, booking(ann, 43))
    assert (gap.result, gap.ack, gap.sequence) == (Result.REJECTED, "AE", 42)
    assert [(one.code, str(one.place)) for one in gap.faults] == [(199, "MSH^1^13")]
    assert (ann.count("raw"), ann.count("occurrence")) == (before, 1)
    assert actions(ann) == [["sequence.refused", "ehr", 43, 42]]
    assert told(hears(ann, booking(ann, 42), booking(ann, 43, control="M9"))) == [
        ("accepted", "AA", 42),
        ("accepted", "AA", 43),
    ]


def test_behind_a_gap_in_one_batch_everything_is_refused(ann: Clinic) -> None:
    """D-11: a pipelining sender learns of each that it was not taken."""
    outcomes = hears(ann, booking(ann, 1), booking(ann, 3), booking(ann, 4), booking(ann, 2))
    assert told(outcomes) == [
        ("accepted", "AA", 1),
        ("rejected", "AE", 2),
        ("rejected", "AE", 2),
        ("accepted", "AA", 2),
    ]


def test_the_link_starts_where_it_stood(ann: Clinic) -> None:
    """D-08, D-10: MSH-13 = 0 in an MSH alone is answered with what is expected; -1 before the first."""
    assert told(hears(ann, link(0))) == [("ignored", "AA", -1)]
    hears(ann, booking(ann, 7))
    before = ann.count("raw")
    assert told(hears(ann, link(0))) == [("ignored", "AA", 8)]
    assert ann.count("raw") == before
    assert told(hears(ann, booking(ann, 8))) == [("accepted", "AA", 8)]
    assert actions(ann) == [["sequence.started", "ehr", -1], ["sequence.started", "ehr", 8]]


def test_a_link_that_is_resynchronised_adopts_the_next_number(ann: Clinic) -> None:
    """D-09, D-10: MSH-13 = -1 is answered with -1; also within one batch, and when the next one is lower."""
    hears(ann, booking(ann, 7))
    assert told(hears(ann, link(-1), booking(ann, 3), booking(ann, 5))) == [
        ("ignored", "AA", -1),
        ("accepted", "AA", 3),
        ("rejected", "AE", 4),
    ]
    assert actions(ann)[0] == ["sequence.reset", "ehr", 7]


def test_a_restart_with_segments_is_not_processed(ann: Clinic) -> None:
    """D-10: whatever stands behind the MSH."""
    (outcome,) = hears(ann, booking(ann, 0))
    assert (outcome.result, outcome.sequence, ann.count("occurrence")) == (Result.IGNORED, -1, 0)


def test_a_resend_repeats_its_acknowledgement_and_its_number(ann: Clinic) -> None:
    """D-02, D-11: the acknowledgement was lost, the sender sends the same again; older ones too."""
    seven, eight = booking(ann, 7), booking(ann, 8)
    hears(ann, seven, eight)
    assert told(hears(ann, eight, seven)) == [("duplicate", "AA", 8), ("duplicate", "AA", 7)]
    assert told(hears(ann, booking(ann, 9))) == [("accepted", "AA", 9)]


def test_another_message_under_a_spent_number_is_refused(ann: Clinic) -> None:
    """D-11."""
    hears(ann, booking(ann, 7))
    assert told(hears(ann, booking(ann, 7, control="OTHER"))) == [("rejected", "AE", 8)]


def test_a_poison_message_does_not_freeze_the_link(ann: Clinic) -> None:
    """A-08, D-04: it is kept and its number spent; its mended copy may come under the same number."""
    assert told(hears(ann, booking(ann, 1, control="P1", bad=True))) == [("quarantined", "AE", 1)]
    assert told(hears(ann, booking(ann, 2))) == [("accepted", "AA", 2)]
    assert told(hears(ann, booking(ann, 1, control="P1"))) == [("accepted", "AA", 1)]
    assert told(hears(ann, booking(ann, 3))) == [("accepted", "AA", 3)]
    assert inspect.quarantine_list(ann.gateway) == []


def test_a_rejected_message_may_be_sent_again_under_its_number(ann: Clinic) -> None:
    """A-02, D-04: AR for an unknown version; once mended, the same number is taken."""
    wrong = booking(ann, 1, control="V1").replace(b"|2.5.1|", b"|9.9|")
    assert told(hears(ann, wrong)) == [("rejected", "AR", 1)]
    assert told(hears(ann, wrong, booking(ann, 1, control="V1"))) == [("rejected", "AR", 1), ("accepted", "AA", 1)]


@pytest.mark.parametrize(("number", "code"), [("", 101), ("x7", 102), ("-2", 102), ("1" * 16, 102)])
def test_a_message_without_a_number_is_kept_for_a_person(ann: Clinic, number: str, code: int) -> None:
    """D-07: the feed said that it numbers them."""
    (outcome,) = hears(ann, booking(ann, number, control="N1"))
    assert (outcome.result, outcome.ack, outcome.sequence) == (Result.QUARANTINED, "AE", None)
    assert [(one.code, str(one.place)) for one in outcome.faults] == [(code, "MSH^1^13")]


def test_a_link_without_the_protocol_passes_numbers_over(ann: Clinic) -> None:
    """D-07: opt-in; a replay or a file never moves a feed's number either."""
    assert ann.hears(booking(ann, 9)).sequence is None
    assert ann.hears(booking(ann, 3)).result == Result.ACCEPTED
    assert ann.count("cursor") == 0


def test_feeds_count_apart(ann: Clinic) -> None:
    """D-07: each source has a number of its own."""
    assert told(hears(ann, booking(ann, 7))) == told(hears(ann, booking(ann, 7), source="partner"))
    assert told(hears(ann, booking(ann, 90), source="partner")) == [("rejected", "AE", 8)]


def test_an_acknowledgement_on_the_link_has_no_turn(ann: Clinic) -> None:
    """A-17: it answers one of ours, whatever it says in MSH-13."""
    hears(ann, booking(ann, 7))
    ack = b"MSH|^~\\&|EHR|LAKESIDE|CAREGATE|LAKESIDE|20260302090000||ACK^S12^ACK|K1|P|2.5.1|50\rMSA|AA|1\r"
    (outcome,) = hears(ann, ack)
    assert (outcome.result, outcome.sequence) == (Result.IGNORED, None)
    assert told(hears(ann, booking(ann, 8))) == [("accepted", "AA", 8)]


def test_the_number_survives_a_restart(ann: Clinic) -> None:
    """D-07, D-08: it is stored with the message."""
    hears(ann, booking(ann, 7))
    ann.restarts()
    assert told(hears(ann, link(0), booking(ann, 9), booking(ann, 8))) == [
        ("ignored", "AA", 8),
        ("rejected", "AE", 8),
        ("accepted", "AA", 8),
    ]


def test_of_four_that_come_at_once_under_one_number_one_is_taken(ann: Clinic) -> None:
    """D-07: whoever holds the feed's number decides; the others see what was decided (each has a transaction of its own)."""
    hears(ann, booking(ann, 1))
    seen: list[tuple[str, str, int | None]] = []

    def take(number: int, control: str) -> None:
        now = ann.clock.now()
        body = booking(ann, number, control=control)
        raw = RawMessage(source="ehr", format=Format.HL7V2, body=body, received=now, sequenced=True)
        seen.extend(told(ann.gateway.receiver.receive([raw])))

    threads = [threading.Thread(target=take, args=(2, f"T{one}")) for one in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [("accepted", "AA", 2), *[("rejected", "AE", 3)] * 3]
