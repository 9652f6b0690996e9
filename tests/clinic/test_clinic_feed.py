"""The feed: what comes twice counts once, what cannot be read is kept and mended, what is only known plans nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from clinic_dsl import Clinic, OpenClinic
from clinic_site import shipped_rule, write_rules

from gateway.mapping.trace import Traced, TracedReader
from gateway.model.errors import CommandError, Conflict, StoreUnavailable
from gateway.model.event import Outcome, RawMessage, Result
from gateway.model.verdict import Reason
from gateway.model.when import SECOND
from gateway.pipeline import applying, inspect, preparing
from gateway.pipeline.inspect import codes
from gateway.pipeline.releasing import let_go
from gateway.store import tables

FIRST, WEEK, DAY_BEFORE = "2026-03-20 09:30", "2026-03-13 09:30", "2026-03-19 09:30"


@pytest.fixture
def enrolled(clinic: Clinic) -> Clinic:
    """Ann said yes to mail."""
    clinic.enrols("Ann")
    return clinic


def _bad(clinic: Clinic, handle: str = "Ann", control: str = "BAD1") -> bytes:
    """A booking whose SCH names no appointment."""
    message = clinic.schedules("S12", handle, start=FIRST, appointment="A1", control=control).decode()
    return message.replace("SCH|A1^PLACER|A1^SCHED", "SCH||").encode()


# -- twice


def test_a_message_that_comes_twice_counts_once(enrolled: Clinic) -> None:
    """D-01, D-02: same MSH-3, 4, 10 and bytes: nothing new is stored, the first acknowledgement is repeated."""
    booking = enrolled.schedules("S12", "Ann", start=FIRST, appointment="A1")
    first = enrolled.hears(booking)
    before = enrolled.count("raw")
    again = enrolled.hears(booking)
    assert (again.result, again.ack, again.message) == ("duplicate", first.ack, first.message)
    assert enrolled.count("raw") == before


def test_a_resend_with_a_new_time_stamp_is_the_same_message(enrolled: Clinic) -> None:
    """D-03: senders restamp MSH-7."""
    at = enrolled.clock.now()
    enrolled.hears(enrolled.schedules("S12", "Ann", start=FIRST, appointment="A1", control="C7", at=at))
    later = enrolled.schedules("S12", "Ann", start=FIRST, appointment="A1", control="C7", at=at + 90 * SECOND)
    assert enrolled.hears(later).result == "duplicate"


def test_a_reused_control_id_with_other_content_is_a_new_message(enrolled: Clinic) -> None:
    """D-03: counters restart: processed and flagged, never dropped."""
    enrolled.hears(enrolled.schedules("S12", "Ann", start=FIRST, appointment="A1", control="C7"))
    said = enrolled.hears(enrolled.schedules("S12", "Ann", start="2026-04-20 09:30", appointment="A2", control="C7"))
    assert said.result == "accepted"
    assert any("under a control id used before" in line for line in enrolled.story("Ann"))
    assert len(enrolled.planned("Ann")) == 4


def test_a_control_id_counts_within_its_sender_only(enrolled: Clinic) -> None:
    """D-01: another MSH-3 may use the same number, byte for byte alike or not."""
    enrolled.hears(enrolled.schedules("S12", "Ann", start=FIRST, appointment="A1", control="C7"))
    other = enrolled.schedules("S12", "Ann", start=FIRST, appointment="A1", control="C7", msh={3: "RIS"})
    assert enrolled.hears(other).result == "accepted"


def test_a_message_twice_in_one_batch_counts_once(enrolled: Clinic) -> None:
    """D-02: the second copy waits in the same commit."""
    booking = enrolled.schedules("S12", "Ann", start=FIRST, appointment="A1")
    assert [one.result for one in enrolled.hears_together(booking, booking)] == ["accepted", "duplicate"]


def test_a_message_without_a_control_id_is_refused(enrolled: Clinic) -> None:
    """D-05: AE 101 at MSH-10."""
    said = enrolled.books("Ann", on=FIRST, msh={10: ""})
    assert (said.ack, said.result, said.faults[0].code, str(said.faults[0].place)) == (
        "AE",
        "quarantined",
        101,
        "MSH^1^10",
    )


# -- quarantine


def test_a_bad_message_is_kept_and_a_good_resend_settles_it(enrolled: Clinic) -> None:
    """D-04; A-08: AE with its place; the mended copy under the same control id resolves the entry."""
    said = enrolled.hears(_bad(enrolled))
    assert (said.result, said.ack, str(said.faults[0].place)) == ("quarantined", "AE", "SCH^1^2")
    assert [(one.place, one.state) for one in inspect.quarantine_list(enrolled.gateway)] == [("SCH^1^2", "open")]
    good = enrolled.schedules("S12", "Ann", start=FIRST, appointment="A1", control="BAD1")
    assert enrolled.hears(good).result == "accepted"
    assert inspect.quarantine_list(enrolled.gateway) == []
    assert len(inspect.quarantine_list(enrolled.gateway, state="resolved")) == 1
    assert enrolled.planned("Ann") == [WEEK, DAY_BEFORE]


def test_a_bad_and_its_good_copy_in_one_batch_settle_it(enrolled: Clinic) -> None:
    """D-04: also within one commit."""
    good = enrolled.schedules("S12", "Ann", start=FIRST, appointment="A1", control="BAD1")
    assert [one.result for one in enrolled.hears_together(_bad(enrolled), good)] == ["quarantined", "accepted"]
    assert inspect.quarantine_list(enrolled.gateway) == []


@pytest.mark.parametrize("poison", ["named", "nameless", "garbage"])
def test_a_poison_message_is_stored_once(enrolled: Clinic, poison: str) -> None:
    """A-08: a sender that blocks behind an unreadable message and resends it for ever fills no disk."""
    bytes_ = {
        "named": _bad(enrolled),
        "nameless": enrolled.schedules("S12", "Ann", start=FIRST, appointment="A1", msh={10: ""}),
        "garbage": f"hello {enrolled.person('Ann').family}".encode(),
    }[poison]
    first = enrolled.hears(bytes_)
    before = enrolled.count("raw"), enrolled.count("quarantine")
    for _ in range(3):
        again = enrolled.hears(bytes_)
        assert (again.result, again.ack, again.message) == ("quarantined", first.ack, first.message)
    assert (enrolled.count("raw"), enrolled.count("quarantine")) == before


def test_a_bad_message_is_shown_to_a_person_with_a_reason(enrolled: Clinic) -> None:
    """45 CFR 164.312(b): the bytes are opened, the look is on record."""
    message = _bad(enrolled)
    said = enrolled.hears(message)
    assert said.message is not None
    shown = inspect.quarantine_show(enrolled.gateway, said.message, reason="ticket 9", account="os:engineer")
    assert shown == message
    with enrolled.gateway.store.read() as unit:
        rows = unit.lookup(tables.audit, ("entries",), "actor", ["os:engineer"])
    assert '"ticket 9"' in rows[-1][0]


def test_a_mended_mapping_lets_a_replay_succeed(enrolled: Clinic) -> None:
    """D-04: a strict feed refused the type; loosened, the same bytes are read again and the entry is settled."""
    enrolled.restarts(ehr={"charset": "ASCII"})
    enrolled.person("Ann", city="Chicágo")
    said = enrolled.hears(enrolled.schedules("S12", "Ann", start=FIRST, appointment="A1"))
    assert (said.result, said.ack) == ("quarantined", "AE")
    assert said.message is not None
    enrolled.restarts(ehr={"charset": "UNICODE UTF-8"})
    replayed = inspect.quarantine_replay(enrolled.gateway, said.message, account="os:engineer")
    assert replayed.result == "accepted"
    assert inspect.quarantine_list(enrolled.gateway) == []
    assert enrolled.planned("Ann") == [WEEK, DAY_BEFORE]


def test_a_replay_that_still_cannot_be_read_stays_open(enrolled: Clinic) -> None:
    """D-04: nothing is lost and nothing is doubled."""
    said = enrolled.hears(_bad(enrolled))
    assert said.message is not None
    assert inspect.quarantine_replay(enrolled.gateway, said.message, account="os:engineer").result == "quarantined"
    assert [one.message for one in inspect.quarantine_list(enrolled.gateway)] == [said.message]


def test_a_discarded_message_is_done_with(enrolled: Clinic) -> None:
    """45 CFR 164.312(b): by a person, with a reason, once."""
    said = enrolled.hears(_bad(enrolled))
    assert said.message is not None
    inspect.quarantine_discard(enrolled.gateway, said.message, reason="a test of theirs", account="os:engineer")
    assert inspect.quarantine_list(enrolled.gateway) == []
    with pytest.raises(CommandError, match="already discarded"):
        inspect.quarantine_discard(enrolled.gateway, said.message, reason="again", account="os:engineer")


def test_a_feed_that_would_block_is_told_yes_and_the_entry_kept(open_clinic: OpenClinic) -> None:
    """A-08: `quarantine_ack: AA`."""
    clinic = open_clinic(ehr={"quarantine_ack": "AA"})
    assert (clinic.hears(_bad(clinic)).ack, len(inspect.quarantine_list(clinic.gateway))) == ("AA", 1)


def test_a_type_the_standard_does_not_know_is_rejected(enrolled: Clinic) -> None:
    """A-02: AR 200 or 201, and no quarantine entry to mend."""
    said = enrolled.books("Ann", on=FIRST, msh={9: "QXX^Q99"})
    assert (said.ack, said.result, said.faults[0].code) == ("AR", "rejected", 200)
    assert inspect.quarantine_list(enrolled.gateway) == []
    before = enrolled.count("raw")
    assert enrolled.hears(enrolled.spoken[-1]).message == said.message
    assert enrolled.count("raw") == before


def test_a_standard_type_nothing_uses_is_ignored_with_a_reason(enrolled: Clinic) -> None:
    """A-06: acknowledged, so that the queue goes on."""
    said = enrolled.hears(enrolled.visit("A51", "Ann"))
    assert (said.ack, said.result, said.reason) == ("AA", "ignored", "ADT^A51 is not mapped")


def test_one_bad_member_leaves_the_rest_of_its_batch_alone(enrolled: Clinic) -> None:
    """Design: only faults of the message are quarantined; the others are committed with it."""
    enrolled.enrols("Ben")
    ann = enrolled.schedules("S12", "Ann", start=FIRST, appointment="A1")
    ben = enrolled.schedules("S12", "Ben", start=FIRST, appointment="B1")
    outcomes = enrolled.hears_together(ann, _bad(enrolled, control="X1"), b"not HL7 at all", ben)
    assert [one.result for one in outcomes] == ["accepted", "quarantined", "quarantined", "accepted"]
    enrolled.passes("18d")
    assert len(enrolled.mails()) == 4


@pytest.fixture
def stumbling(enrolled: Clinic, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """We have a fault that shows at messages with the control id TRIP."""
    honest = applying.Applier.apply

    def stumble(self: applying.Applier, one, raw: int):  # type: ignore[no-untyped-def]
        if one.reading.control_id == "TRIP":
            raise ZeroDivisionError(enrolled.person("Ann").family)
        return honest(self, one, raw)

    with monkeypatch.context() as patched:
        patched.setattr(applying.Applier, "apply", stumble)
        yield patched


def test_a_message_we_stumble_over_is_kept_for_a_person_and_its_feed_goes_on(enrolled: Clinic, stumbling) -> None:
    """A-08: AE 207, stored once however often it comes; the others of its batch are received; mended, it is taken."""
    ann = enrolled.schedules("S12", "Ann", start=FIRST, appointment="A1")
    trip = enrolled.schedules("S12", "Ann", start=FIRST, appointment="A2", control="TRIP")
    good, kept = enrolled.hears_together(ann, trip)
    assert (good.result, kept.result, kept.ack, kept.faults[0].code) == ("accepted", "quarantined", "AE", 207)
    again = enrolled.hears(trip)
    assert (again.result, again.ack, again.message) == ("quarantined", "AE", kept.message)
    (entry,) = inspect.quarantine_list(enrolled.gateway)
    assert entry.rule.startswith("a fault of ours")
    stumbling.undo()
    assert enrolled.hears(trip).result == "accepted"
    assert inspect.quarantine_list(enrolled.gateway) == []


def test_a_message_whose_keys_cannot_be_made_is_kept_for_a_person(enrolled: Clinic, monkeypatch) -> None:
    """A-08: before any transaction is open, too; those beside it are received."""
    honest = preparing.identifier_digests

    def stumble(keyring: Any, told: Any) -> Any:
        if told.value == enrolled.person("Ben").mrn:
            raise ZeroDivisionError(told.value)
        return honest(keyring, told)

    monkeypatch.setattr(preparing, "identifier_digests", stumble)
    ben = enrolled.schedules("S12", "Ben", start=FIRST, appointment="B1")
    ann = enrolled.schedules("S12", "Ann", start=FIRST, appointment="A1")
    kept, good = enrolled.hears_together(ben, ann)
    assert (kept.result, kept.faults[0].code, good.result) == ("quarantined", 207, "accepted")


@pytest.mark.parametrize("error", [Conflict, StoreUnavailable])
def test_while_the_database_is_away_a_message_alone_is_not_taken_for_poison(
    enrolled: Clinic, monkeypatch: pytest.MonkeyPatch, error: type[StoreUnavailable]
) -> None:
    """A-04: AR, nothing stored; its sender may send it again."""
    monkeypatch.setattr("gateway.pipeline.receive._PAUSE", 0.0)
    before = enrolled.count("raw")
    trip = enrolled.schedules("S12", "Ann", start=FIRST, appointment="A2")
    with monkeypatch.context() as patched:
        patched.setattr(applying.Applier, "apply", _raising(error))
        said = enrolled.hears(trip)
    assert (said.result, said.ack, enrolled.count("raw")) == ("failed", "AR", before)
    assert enrolled.hears(trip).result == "accepted"


def _raising(error: type[Exception]) -> Any:
    def apply(*_: object) -> None:
        raise error("away")

    return apply


def test_messages_of_one_batch_apply_in_the_order_they_came(enrolled: Clinic) -> None:
    """N-06: booked, moved and cancelled within one commit."""
    book = enrolled.schedules("S12", "Ann", start=FIRST, appointment="A1")
    move = enrolled.schedules("S13", "Ann", start="2026-04-20 09:30", appointment="A1")
    cancel = enrolled.schedules("S15", "Ann", start="2026-04-20 09:30", appointment="A1", status="Cancelled")
    outcomes: list[Outcome] = enrolled.hears_together(book, move, cancel)
    assert [one.events[0] for one in outcomes] == [
        "appointment.booked", "appointment.rescheduled", "appointment.cancelled",
    ]  # fmt: skip
    assert enrolled.planned("Ann") == []


def test_two_new_patients_of_one_batch_may_share_an_address(clinic: Clinic) -> None:
    """PI-01: both are made, the address once."""
    mail = clinic.person("Ann").email
    clinic.person("Ben", email=mail)
    clinic.hears_together(clinic.visit("A28", "Ann"), clinic.visit("A28", "Ben"))
    assert (clinic.count("patient"), clinic.count("contact_point"), clinic.count("address")) == (2, 4, 3)


# -- go-live


def test_the_load_of_go_live_day_knows_everything_and_plans_nothing(enrolled: Clinic) -> None:
    """X-07: `load --baseline`, then `plan --open` when everybody is ready."""
    enrolled.books("Ann", on=FIRST, baseline=True)
    assert enrolled.requests("Ann") == []
    dry = inspect.plan_open(enrolled.gateway, dry_run=True, account="os:analyst")
    assert dry.planned == {"appointment-reminder 7d": 1, "appointment-reminder 1d": 1}
    assert enrolled.requests("Ann") == []
    assert inspect.plan_open(enrolled.gateway, dry_run=False, account="os:analyst").planned == dry.planned
    enrolled.passes("18d")
    assert enrolled.arrivals("Ann") == [WEEK, DAY_BEFORE]


def test_planning_what_is_open_twice_plans_it_once(enrolled: Clinic) -> None:
    """D-06: the second run finds everything planned."""
    enrolled.books("Ann", on=FIRST, baseline=True)
    for _ in range(3):
        inspect.plan_open(enrolled.gateway, dry_run=False, account="os:analyst")
    assert enrolled.planned("Ann") == [WEEK, DAY_BEFORE]


def test_planning_what_is_open_skips_the_cancelled_the_past_and_the_dead(enrolled: Clinic) -> None:
    """X-07: only what is still ahead."""
    enrolled.books("Ann", on=FIRST, baseline=True)
    enrolled.cancels("Ann", baseline=True)
    enrolled.enrols("Ben")
    enrolled.books("Ben", on="2026-03-03 09:00", baseline=True)
    enrolled.enrols("Cyd")
    enrolled.books("Cyd", on=FIRST, baseline=True)
    enrolled.dies("Cyd")
    enrolled.passes("3d")
    report = inspect.plan_open(enrolled.gateway, dry_run=False, account="os:analyst")
    assert report.planned == {}
    assert report.withheld["deceased"] == 2
    enrolled.passes("20d")
    assert enrolled.mails() == []


def test_a_new_rule_reaches_the_visits_that_are_already_known(open_clinic: OpenClinic, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Design, `plan --open`: facts nobody kept are read again from the raw bytes."""
    bare = write_rules(tmp_path / "bare", {"discharge-follow-up": shipped_rule("discharge-follow-up")})
    clinic = open_clinic(rules=bare)
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    clinic.restarts(rules=None)
    report = inspect.plan_open(clinic.gateway, dry_run=False, account="os:analyst")
    assert (report.planned, report.unjudged) == ({"appointment-reminder 7d": 1, "appointment-reminder 1d": 1}, ())
    clinic.passes("18d")
    assert clinic.arrivals("Ann") == [WEEK, DAY_BEFORE]


def test_a_held_feed_plans_everything_and_releases_nothing(open_clinic: OpenClinic) -> None:
    """Law 6: the shadow run, its would-send report, and the release."""
    clinic = open_clinic(ehr={"start": "held"})
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    clinic.until("2026-03-13 09:31")
    assert (clinic.mails(), clinic.waiting("Ann")) == ([], ["source-held"])
    report = {(one.rule, one.step): one.count for one in inspect.would_send(clinic.gateway, "ehr")}
    assert report == {("appointment-reminder", "7d"): 1, ("appointment-reminder", "1d"): 1}
    assert inspect.release_source(clinic.gateway, "ehr", reason="go-live", account="os:operator") == 1
    clinic.passes("7d")
    assert clinic.arrivals("Ann") == ["2026-03-13 09:31", DAY_BEFORE]


def test_what_was_cancelled_while_its_feed_was_being_released_stays_cancelled(open_clinic: OpenClinic) -> None:
    """Law 3: releasing a feed has what still waits judged again, and brings back nothing that a message has ended."""
    clinic = open_clinic(ehr={"start": "held"})
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    clinic.until("2026-03-13 09:31")
    with clinic.gateway.store.read() as unit:
        rows = unit.lookup(tables.request, ("id", "patient", "due", "reason"), "patient", [clinic.token("Ann")])
    held = [row[:3] for row in rows if row[3] == "source-held"]
    clinic.cancels("Ann")  # while whoever releases has read them, and not yet written
    with clinic.gateway.store.begin("os:operator") as uow:
        assert let_go(uow, held, Reason.SOURCE_HELD) == (0, 0)
    assert len(held) == 1
    assert {(one.state, one.reason) for one in clinic.requests("Ann")} == {("revoked", "cancelled")}


def test_a_feed_put_on_hold_again_holds_what_is_due(enrolled: Clinic) -> None:
    """Law 6: an operator stops one feed and no other."""
    enrolled.books("Ann", on=FIRST)
    inspect.hold_source(enrolled.gateway, "ehr", reason="wrong patients in the feed", account="os:operator")
    enrolled.until("2026-03-14 09:00")
    assert (enrolled.mails(), enrolled.waiting("Ann")) == ([], ["source-held"])
    assert [(one.name, one.held) for one in inspect.feeds(enrolled.gateway)] == [("ehr", True), ("partner", False)]


def test_feeds_are_heard_while_somebody_looks_for_unknown_codes(
    enrolled: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PV-08: the messages are read again beside the feeds, by one reader a source, and the look is audited."""
    made, heard = list[TracedReader](), list[Result]()

    class Beside(TracedReader):
        def __init__(self, *told: Any, **named: Any) -> None:
            super().__init__(*told, **named)
            made.append(self)

        def trace(self, message: RawMessage) -> Traced:
            heard.append(enrolled.changes("Bob").result)
            return super().trace(message)

    monkeypatch.setattr(codes, "TracedReader", Beside)
    for appointment in ("A1", "A2"):
        enrolled.hears(enrolled.schedules("S12", "Ann", start=FIRST, appointment=appointment, service="ZZTOP"))
    found = inspect.unknown_codes(enrolled.gateway, reason="new clinic", account="os:analyst")
    assert [(one.code.partition("^")[0], one.requests) for one in found.codes] == [("ZZTOP", 4)]
    assert (len(made), heard) == (1, [Result.ACCEPTED, Result.ACCEPTED])
    assert any("new clinic" in line for line in enrolled.story("Ann"))
