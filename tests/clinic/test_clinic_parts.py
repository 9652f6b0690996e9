"""Messages that come in parts: applied when they are whole, in quarantine when they never become so, never by halves."""

from __future__ import annotations

import threading

import pytest
from clinic_canary import Overheard
from clinic_dsl import Clinic
from clinic_messages import body

from gateway.app.assembly import rounds_of
from gateway.model.errors import CommandError
from gateway.model.event import Format, Outcome, RawMessage, Result
from gateway.model.when import DAY, MINUTE, SECOND
from gateway.pipeline import inspect, joining
from gateway.store import rotate, tables

FIRST, WEEK, DAY_BEFORE = "2026-03-20 09:30", "2026-03-13 09:30", "2026-03-19 09:30"


@pytest.fixture
def ann(clinic: Clinic) -> Clinic:
    """A clinic that may write to Ann."""
    clinic.enrols("Ann")
    return clinic


def cut(message: bytes, *places: str, control: str = "P", pointer: str = "PTR") -> list[bytes]:
    """A message in parts, each after the first beginning at the segment named; MSH-14 and DSC-1 as in C2 §2.10.2."""
    head, *lines = message.decode().rstrip("\r").split("\r")
    rows: list[list[str]] = [[]]
    for line in lines:
        if places and line.startswith(places[len(rows) - 1 : len(rows)] or "\0"):
            rows.append([])
        rows[-1].append(line)
    made = []
    for number, some in enumerate(rows):
        fields = head.split("|") + [""] * 14
        fields[9] = f"{control}{number + 1}"
        fields[13] = f"{pointer}{number}" if number else ""
        end = [f"DSC|{pointer}{number + 1}|F"] if number < len(rows) - 1 else []
        made.append(body("|".join(fields[:14]), *some, *end))
    assert len(made) == len(places) + 1
    return made


def booking(clinic: Clinic, *places: str, handle: str = "Ann", **more: object) -> list[bytes]:
    """An appointment in parts."""
    told = {"control": "P", "pointer": "PTR", **more}
    control, pointer = str(told.pop("control")), str(told.pop("pointer"))
    message = clinic.schedules("S12", handle, start=FIRST, appointment="A1", **told)  # type: ignore[arg-type]
    return cut(message, *places, control=control, pointer=pointer)


def results(outcomes: list[Outcome]) -> list[str]:
    """What became of each."""
    return [one.result.value for one in outcomes]


def waits_out(clinic: Clinic) -> None:
    """Ten minutes go by, and a round looks."""
    clinic.clock.set(clinic.clock.now() + 11 * MINUTE)
    rounds_of(clinic.gateway).once()


def waiting(clinic: Clinic) -> int:
    """How many parts wait."""
    with clinic.gateway.store.read() as unit:
        rows = unit.lookup(tables.raw, ("id",), "result", ["incomplete"])
        ended = unit.lookup(tables.fragment, ("raw", "ended"), "raw", [one for (one,) in rows])
    return sum(end is None for _, end in ended)


@pytest.mark.parametrize("places", [("RGS",), ("PID", "RGS", "AIL")])
def test_a_message_in_parts_is_applied_when_it_is_whole(ann: Clinic, places: tuple[str, ...]) -> None:
    """B-07: each part is stored and accepted, nothing of it applied; the last one applies the whole."""
    *parts, last = booking(ann, *places)
    for part in parts:
        outcome = ann.hears(part)
        assert (outcome.result, outcome.ack, outcome.whole) == (Result.INCOMPLETE, "AA", "")
        assert ann.count("occurrence") == 0
    outcome = ann.hears(last)
    assert (outcome.result, outcome.whole, outcome.events) == (Result.ACCEPTED, "P1", ("appointment.booked",))
    assert ann.planned("Ann") == [WEEK, DAY_BEFORE]
    assert waiting(ann) == 0


def test_all_parts_may_come_in_one_commit(ann: Clinic) -> None:
    """B-07: in order, and in any other."""
    parts = booking(ann, "PID", "RGS")
    assert results(ann.hears_together(*parts)) == ["incomplete", "incomplete", "accepted"]
    others = booking(ann, "PID", "RGS", handle="Ben", control="Q", pointer="B")
    assert results(ann.hears_together(*reversed(others))) == ["incomplete", "incomplete", "accepted"]
    assert ann.count("occurrence") == 1  # the same appointment, which now is Ben's


def test_what_is_joined_meets_what_its_commit_has_changed_before(ann: Clinic) -> None:
    """B-07: an appointment moved, and modified by a message in parts, in one commit: the move is not lost."""
    ann.books("Ann", on=FIRST, appointment="A1")
    moved = ann.schedules("S13", "Ann", start="2026-04-01 14:00", appointment="A1")
    first, last = cut(ann.schedules("S14", "Ann", start="", appointment="A1", place="NORTH"), "RGS")
    assert results(ann.hears_together(moved, first, last)) == ["accepted", "incomplete", "accepted"]
    assert ann.planned("Ann") == ["2026-03-25 14:00", "2026-03-31 14:00"]


def test_parts_out_of_order_are_joined_when_the_missing_one_comes(ann: Clinic) -> None:
    """B-07: the order of the pointers counts, not that of arrival."""
    first, second, third = booking(ann, "PID", "RGS")
    assert results([ann.hears(third), ann.hears(first), ann.hears(second)]) == ["incomplete", "incomplete", "accepted"]
    assert ann.planned("Ann") == [WEEK, DAY_BEFORE]


def test_a_segment_may_be_cut_in_the_middle(ann: Clinic) -> None:
    """B-06, B-07: ADD without fields ends a part within a segment, ADD with the remainder begins the next one."""
    whole = ann.schedules("S12", "Ann", start=FIRST, appointment="A1")
    first, last = cut(whole.replace(b"\rAIS|1|A|PCP^^L", b"\rAIS|1|\rADD|A|PCP^^L"), "ADD")
    first = first.replace(b"\rDSC", b"\rADD\rDSC")
    assert ann.hears(first).result == Result.INCOMPLETE
    message = ann.hears(last).message
    with ann.gateway.store.begin("test") as uow:
        joined, _ = joining.reread(uow, int(str(message))) or (b"", None)
    assert (joined.count(b"\rADD"), joined.count(b"DSC"), joined.count(b"MSH")) == (2, 0, 1)
    assert ann.planned("Ann") == [WEEK, DAY_BEFORE]


def test_a_part_that_comes_twice_counts_once(ann: Clinic) -> None:
    """D-02: waiting or joined, its acknowledgement is repeated, and the application one goes on naming the first."""
    first, last = booking(ann, "RGS")
    ann.hears(first)
    before = ann.count("raw")
    again = ann.hears(first)
    assert (again.result, again.ack, again.whole) == (Result.DUPLICATE, "AA", "")
    ann.hears(last)
    repeated = [ann.hears(first), ann.hears(last)]
    assert [(one.result, one.ack, one.whole) for one in repeated] == [
        (Result.DUPLICATE, "AA", ""),
        (Result.DUPLICATE, "AA", "P1"),
    ]
    assert (ann.count("raw"), ann.count("occurrence")) == (before + 1, 1)


def test_the_same_pointer_on_another_feed_is_another_message(ann: Clinic) -> None:
    """B-07: pointers belong to their feed and their sender."""
    first, last = booking(ann, "RGS")
    ann.hears(first)
    assert ann.hears(last, source="partner").result == Result.INCOMPLETE
    assert ann.hears(last.replace(b"|EHR|", b"|RIS|", 1)).result == Result.INCOMPLETE
    assert ann.hears(last).result == Result.ACCEPTED


def test_a_filled_pointer_alone_proves_nothing(ann: Clinic) -> None:
    """B-07: senders fill MSH-14 in messages that are whole, and DSC-1 to say that an answer goes on (table 0398)."""
    assert ann.books("Ann", on=FIRST, msh={14: "77"}).result == Result.ACCEPTED
    assert ann.books("Ann", on=FIRST, extra=["DSC|88|I"]).result == Result.ACCEPTED
    assert ann.books("Ann", on=FIRST, extra=['DSC|""|F', "DSC"]).result == Result.ACCEPTED


def test_a_part_that_looks_whole_is_joined_when_one_waits_for_it(ann: Clinic) -> None:
    """B-07: a rest may begin with another PATIENT group."""
    whole = ann.schedules("S12", "Ann", "Ben", start=FIRST, appointment="A1")
    head, _, tail = whole.partition(b"\rPID")
    middle, _, rest = tail.partition(b"\rPID")
    first = head + b"\rPID" + middle + b"\rDSC|X1|F\r"
    last = head.split(b"\r")[0].replace(b"|2.5.1", b"|2.5.1||X1") + b"\rPID" + rest
    ann.hears(first)
    assert ann.hears(last.replace(b"M00001", b"M00009")).events == ("appointment.booked", "appointment.booked")


def test_a_message_that_never_becomes_whole_goes_into_quarantine(ann: Clinic, overheard: Overheard) -> None:
    """B-07: after ten minutes, with a named reason; what comes then waits by itself, and nothing is applied."""
    first, last = booking(ann, "RGS")
    message = ann.hears(first).message
    assert message is not None
    rounds_of(ann.gateway).once()
    assert waiting(ann) == 1
    waits_out(ann)
    (line,) = inspect.quarantine_list(ann.gateway)
    assert (line.message, line.type, line.place, line.rule) == (message, "SIU^S12", "DSC^1^1", joining.OVERDUE)
    assert "join.overdue" in overheard.text()
    assert ann.hears(last).result == Result.INCOMPLETE
    waits_out(ann)
    assert ann.count("occurrence") == 0
    assert [one.rule for one in inspect.quarantine_list(ann.gateway)] == [joining.OVERDUE] * 2
    words = [one.words for one in inspect.trace_message(ann.gateway, message)]
    assert any("waits for the rest" in one for one in words)
    assert any(joining.OVERDUE in one for one in words)


def test_every_part_that_comes_begins_the_time_anew(ann: Clinic) -> None:
    """B-07: a long message may take its time."""
    for part in booking(ann, "PID", "RGS", "AIL"):
        outcome = ann.hears(part)
        ann.clock.set(ann.clock.now() + 8 * MINUTE)
        rounds_of(ann.gateway).once()
    assert outcome.result == Result.ACCEPTED


def test_parts_sent_again_after_their_time_become_whole_and_settle_the_quarantine(ann: Clinic) -> None:
    """D-04: the very same bytes are no repeat of what was given up."""
    first, last = booking(ann, "RGS")
    ann.hears(first)
    waits_out(ann)
    assert results([ann.hears(first), ann.hears(last)]) == ["incomplete", "accepted"]
    assert inspect.quarantine_list(ann.gateway) == []
    assert ann.planned("Ann") == [WEEK, DAY_BEFORE]


def test_a_person_may_replay_parts_that_came_too_late(ann: Clinic) -> None:
    """B-07, A-08: each waits again, and the last makes them whole."""
    for part in booking(ann, "RGS"):
        ann.hears(part)
        waits_out(ann)
    lines = inspect.quarantine_list(ann.gateway)
    outcomes = [inspect.quarantine_replay(ann.gateway, one.message, account="os:analyst") for one in lines]
    assert results(outcomes) == ["incomplete", "accepted"]
    assert inspect.quarantine_list(ann.gateway) == []


def test_two_parts_with_one_pointer_are_never_guessed_about(ann: Clinic) -> None:
    """B-07, law 6: which of them the rest belongs to nobody knows: all wait for a person."""
    first, last = booking(ann, "RGS")
    other = booking(ann, "RGS", handle="Ben", control="Q")[0]
    ann.hears(first)
    said = ann.hears(other)
    assert (said.result, said.ack, [(one.code, str(one.place)) for one in said.faults]) == (
        Result.QUARANTINED,
        "AE",
        [(199, "DSC^1^1")],
    )
    assert [one.rule for one in inspect.quarantine_list(ann.gateway)] == [joining.AMBIGUOUS] * 2
    assert ann.hears(last).result == Result.INCOMPLETE
    assert ann.count("occurrence") == 0


def test_two_parts_that_claim_one_rest_in_one_commit_may_both_come_again(ann: Clinic) -> None:
    """D-04: what was kept and given up within a commit is no repeat either."""
    first = booking(ann, "RGS")[0]
    other = booking(ann, "RGS", handle="Ben", control="Q")[0]
    assert results(ann.hears_together(first, other, first)) == ["incomplete", "quarantined", "incomplete"]


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (b"DSC|PTR1|F", b"DSC|PTR1|F\rDSC|PTR1", None),
        (b"||PTR1\r", b"||PTR1||||8859/1\r", "the parts of the message differ in how they are written"),
        (b"SIU^S12^SIU_S12|P2", b"SIU^S14^SIU_S12|P2", "the parts of the message differ in how they are written"),
        (b"|2.5.1||PTR1", b"|2.4||PTR1", "the parts of the message differ in how they are written"),
    ],
)
def test_parts_that_are_written_differently_are_not_joined(
    ann: Clinic, old: bytes, new: bytes, rule: str | None
) -> None:
    """B-07: one delimiter, character set, type or version for all."""
    outcomes = [ann.hears(part.replace(old, new)) for part in booking(ann, "RGS")]
    if rule is None:
        assert results(outcomes) == ["incomplete", "accepted"]
    else:
        assert (outcomes[-1].result, outcomes[-1].reason) == (Result.QUARANTINED, rule)
        assert [one.rule for one in inspect.quarantine_list(ann.gateway)] == [rule] * 2


def test_a_circle_of_parts_ends_in_quarantine(ann: Clinic) -> None:
    """B-07: by itself, and over another."""
    middle = booking(ann, "PID", "RGS")[1]
    alone = middle.replace(b"DSC|PTR2", b"DSC|PTR1")
    assert ann.hears(alone).reason == joining.CIRCULAR
    ann.hears(middle)
    back = middle.replace(b"||PTR1\r", b"||PTR2\r").replace(b"DSC|PTR2", b"DSC|PTR1").replace(b"|P2|", b"|P3|")
    assert ann.hears(back).reason == joining.CIRCULAR
    assert waiting(ann) == 0


@pytest.mark.parametrize(("most", "value"), [("MOST_PARTS", 2), ("MOST_BYTES", 600)])
def test_a_message_without_end_is_given_up(ann: Clinic, monkeypatch: pytest.MonkeyPatch, most: str, value: int) -> None:
    """F-11, B-07: as long as a frame may be, and no longer."""
    monkeypatch.setattr(joining, most, value)
    outcomes = [ann.hears(part) for part in booking(ann, "PID", "PV1", "RGS")]
    assert joining.EXCESSIVE in [one.reason for one in outcomes]
    assert ann.count("occurrence") == 0


def test_a_whole_that_cannot_be_read_lies_in_quarantine_as_a_whole(ann: Clinic) -> None:
    """B-07, A-08: shown and replayed with all its parts; its last part sent again gets the same answer."""
    whole = ann.schedules("S12", "Ann", start=FIRST, appointment="A1").replace(b"SCH|A1^PLACER|A1^SCHED", b"SCH||")
    first, last = cut(whole, "RGS")
    ann.hears(first)
    said = ann.hears(last)
    assert (said.result, said.ack, str(said.faults[0].place), said.whole) == (Result.QUARANTINED, "AE", "SCH^1^2", "P1")
    again = ann.hears(last)
    assert (again.result, again.ack, again.message) == (Result.QUARANTINED, "AE", said.message)
    (line,) = inspect.quarantine_list(ann.gateway)
    shown = inspect.quarantine_show(ann.gateway, line.message, reason="look", account="os:analyst")
    assert shown.startswith(first.split(b"\rDSC")[0])
    assert shown.endswith(last.partition(b"\r")[2])
    outcome = inspect.quarantine_replay(ann.gateway, line.message, account="os:analyst")
    assert (outcome.result, str(outcome.faults[0].place)) == (Result.QUARANTINED, "SCH^1^2")
    said_of = [one.words for one in inspect.trace_message(ann.gateway, line.message)]
    assert any("put together from the parts" in one for one in said_of)


def test_a_feed_that_would_block_gets_aa_for_parts_in_quarantine(open_clinic) -> None:  # type: ignore[no-untyped-def]
    """A-08: `quarantine_ack: AA`."""
    clinic = open_clinic(ehr={"quarantine_ack": "AA"})
    clinic.enrols("Ann")
    clinic.hears(booking(clinic, "RGS")[0])
    said = clinic.hears(booking(clinic, "RGS", control="Q")[0])
    assert (said.result, said.ack) == (Result.QUARANTINED, "AA")


def test_a_joined_message_can_be_read_again_until_its_window_closes(ann: Clinic) -> None:
    """B-07: what it was put together from stays written; `plan --open` reads it as a whole."""
    first, last = booking(ann, "RGS")
    ann.hears(first)
    message = ann.hears(last).message
    assert message is not None
    with ann.gateway.store.begin("test") as uow:
        raw = inspect.quarantine.stored(uow, ann.gateway, message)
    assert raw is not None
    assert [one.kind.value for one in ann.gateway.readers["ehr"](raw).events] == ["appointment.booked"]
    assert inspect.plan_open(ann.gateway, dry_run=True, account="os:analyst").unjudged == ()
    with ann.gateway.store.begin("test") as uow:
        uow.update(tables.raw, ("id",), ("sealed",), [(None, joining.parts_of(uow, message)[0])])
        assert inspect.quarantine.stored(uow, ann.gateway, message) is None
        assert joining.reread(uow, message) is None


def test_a_rest_whose_beginning_has_lost_its_bytes_is_quarantined(ann: Clinic) -> None:
    """B-07: never half a message as whole."""
    first, last = booking(ann, "RGS")
    part = ann.hears(first).message
    with ann.gateway.store.begin("test") as uow:
        uow.update(tables.raw, ("id",), ("sealed",), [(None, part)])
        uow.audit([("content.purged", part)])
        uow.commit()
    assert ann.hears(last).reason == joining.GONE
    with pytest.raises(CommandError, match="are gone"):
        inspect.quarantine_show(ann.gateway, int(str(part)), reason="look", account="os:analyst")


def test_parts_wait_through_a_restart_and_new_keys(ann: Clinic) -> None:
    """B-07: they and their pointers are stored; the index key may be rotated meanwhile."""
    parts = booking(ann, "PID", "RGS")
    ann.hears(parts[0])
    ann.restarts()
    rotate.rotate(ann.gateway.store, index=True)
    ann.hears(parts[1])
    rotate.rotate(ann.gateway.store, index=True)
    assert ann.hears(parts[2]).result == Result.ACCEPTED


def test_parts_are_given_up_before_their_bytes_are_forgotten(ann: Clinic) -> None:
    """B-07: also after a month's outage."""
    ann.hears(booking(ann, "RGS")[0])
    ann.clock.set(ann.clock.now() + 40 * DAY)
    rounds_of(ann.gateway).once()
    assert [one.rule for one in inspect.quarantine_list(ann.gateway)] == [joining.OVERDUE]


def test_the_same_pointers_serve_the_next_message(ann: Clinic) -> None:
    """B-07: senders count from one every time; a pointer is forgotten with its message."""
    for control, on in (("P", FIRST), ("Q", "2026-03-21 10:30"), ("R", "2026-03-22 11:30")):
        whole = ann.schedules("S12", "Ann", start=on, appointment=f"A{control}")
        assert results([ann.hears(part) for part in cut(whole, "RGS", control=control)]) == ["incomplete", "accepted"]
    assert ann.count("occurrence") == 3


def test_parts_of_one_message_received_at_once_are_joined_once(ann: Clinic) -> None:
    """B-07: two gateways, one part each: whoever comes second sees the other's."""
    seen: list[str] = []

    def take(part: bytes) -> None:
        raw = RawMessage(source="ehr", format=Format.HL7V2, body=part, received=ann.clock.now())
        seen.append(ann.gateway.receiver.receive([raw])[0].result.value)

    ann.clock.set(ann.clock.now() + SECOND)
    threads = [threading.Thread(target=take, args=(part,)) for part in booking(ann, "PID", "RGS")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == ["accepted", "incomplete", "incomplete"]


def test_parts_with_numbers_each_spend_one(ann: Clinic) -> None:
    """D-07, B-07: a part out of turn is not kept and joins nothing."""
    first, last = (part.replace(b"|2.5.1|", b"|2.5.1|%d" % n) for n, part in enumerate(booking(ann, "RGS"), 1))
    raws = [RawMessage(source="ehr", format=Format.HL7V2, body=one, received=ann.clock.now(), sequenced=True)
            for one in (first, last.replace(b"|2.5.1|2", b"|2.5.1|4"), last)]  # fmt: skip
    assert [(one.result.value, one.sequence) for one in ann.gateway.receiver.receive(raws)] == [
        ("incomplete", 1),
        ("rejected", 2),
        ("accepted", 2),
    ]
