"""Receipts: what provably failed goes the next way, what arrived never goes again, and bad addresses are left in peace."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from clinic_dsl import Answer, Clinic, OpenClinic, Postbox
from clinic_site import shipped_rule, write_rules

from gateway.model.comingback import Receipt, ReceiptStatus
from gateway.model.consent import ChannelKind
from gateway.pipeline import brakes
from gateway.pipeline.brakes import Scope, Stop
from gateway.pipeline.comingback import Settler
from gateway.store import tables

FIRST, WEEK = "2026-03-20 09:30", "2026-03-13 09:30"


@pytest.fixture
def two_ways(open_clinic: OpenClinic, tmp_path: Path) -> Clinic:
    """Ann may be mailed and texted; her reminder a week ahead goes by mail first."""
    rule = shipped_rule(
        "appointment-reminder",
        ("channels: [preferred, sms, email]", "channels: [email, sms]"),
        ("by: [7d, 1d]", "by: [7d]"),
    )
    clinic = open_clinic(rules=write_rules(tmp_path / "rules", {"appointment-reminder": rule}))
    clinic.texts = Postbox(clinic.clock)  # type: ignore[attr-defined]
    clinic.texts.kind = ChannelKind.SMS  # type: ignore[attr-defined]
    clinic.gateway.channels[ChannelKind.SMS] = clinic.texts  # type: ignore[index, attr-defined]
    ann = clinic.person("Ann")
    clinic.enrols("Ann", pid={13: f"^PRN^CP^^1^{ann.phone[:3]}^{ann.phone[3:]}~^NET^Internet^{ann.email}"})
    clinic.consents("Ann", to="sms")
    clinic.books("Ann", on=FIRST)
    return clinic


def _settler(clinic: Clinic) -> Settler:
    gateway = clinic.gateway
    return Settler(store=gateway.store, site=gateway.site, rules=gateway.rules, ring=clinic.rung.extend)


def _told(clinic: Clinic, status: ReceiptStatus, *, attempt: int = 0, event: str | None = None, **more: object) -> bool:
    """The mail system tells something of an attempt of Ann's (the first unless told), found by its own id."""
    with clinic.gateway.store.read() as unit:
        rows = unit.lookup(tables.communication, ("id", "channel", "provider_id"), "patient", [clinic.token("Ann")])
    identity, channel, provider = sorted(rows)[attempt]
    found = {"provider_id": provider} if provider else {"communication": identity}
    receipt = Receipt(
        channel=channel, event=event or str(status), status=status, at=clinic.clock.now(), **found, **more
    )  # type: ignore[arg-type]
    known = _settler(clinic).receipt(receipt)
    clinic.answers_doorbells()
    clinic.looks()
    return known


def _ways(clinic: Clinic) -> list[str]:
    return ["email"] * len(clinic.mails()) + ["sms"] * len(clinic.texts.envelopes)  # type: ignore[attr-defined]


def _state(clinic: Clinic) -> tuple[str, str | None]:
    (one,) = clinic.requests("Ann")
    return one.state, one.reason


@pytest.mark.parametrize("status", [ReceiptStatus.BOUNCED, ReceiptStatus.UNDELIVERED, ReceiptStatus.FAILED])
def test_what_provably_failed_goes_by_the_next_channel_once(two_ways: Clinic, status: ReceiptStatus) -> None:
    """EM-24, SM-06: and telling it again changes nothing."""
    two_ways.until(WEEK)
    assert _ways(two_ways) == ["email"]
    for _ in range(3):
        assert _told(two_ways, status)
    assert _ways(two_ways) == ["email", "sms"]
    assert _state(two_ways) == ("completed", None)


@pytest.mark.parametrize("status", [ReceiptStatus.QUEUED, ReceiptStatus.HANDED_OVER, ReceiptStatus.DELAYED])
def test_what_is_only_on_its_way_never_falls_back(two_ways: Clinic, status: ReceiptStatus) -> None:
    """EM-24: `delayed` is no bounce; nothing is called delivered, and nothing else leaves."""
    two_ways.until(WEEK)
    _told(two_ways, status)
    two_ways.passes("3d")
    assert _ways(two_ways) == ["email"]


def test_a_failure_after_the_last_channel_ends_it_with_its_reason(two_ways: Clinic) -> None:
    """Both ways failed: the operator reads why."""
    two_ways.until(WEEK)
    _told(two_ways, ReceiptStatus.BOUNCED)
    _told(two_ways, ReceiptStatus.UNDELIVERED, attempt=1)
    assert _ways(two_ways) == ["email", "sms"]
    assert _state(two_ways) == ("revoked", "undelivered")


def test_a_cancelled_visit_is_not_announced_by_the_next_channel(two_ways: Clinic) -> None:
    """PH-10: the fallback is judged afresh."""
    two_ways.until(WEEK)
    two_ways.cancels("Ann")
    _told(two_ways, ReceiptStatus.BOUNCED)
    assert _ways(two_ways) == ["email"]


@pytest.mark.parametrize(
    "told", list(itertools.permutations([ReceiptStatus.DELIVERED, ReceiptStatus.BOUNCED, ReceiptStatus.HANDED_OVER]))
)
def test_delivered_outweighs_every_failure_in_any_order(two_ways: Clinic, told: tuple[ReceiptStatus, ...]) -> None:
    """SM-06: `delivered` is final; only the text that left before it was told has left."""
    two_ways.until(WEEK)
    for status in told:
        _told(two_ways, status)
    expected = (
        ["email"] if told.index(ReceiptStatus.DELIVERED) < told.index(ReceiptStatus.BOUNCED) else ["email", "sms"]
    )
    assert _ways(two_ways) == expected
    assert _state(two_ways) == ("completed", None)
    with two_ways.gateway.store.read() as unit:
        rows = unit.lookup(tables.communication, ("channel", "status"), "patient", [two_ways.token("Ann")])
    assert ("email", "completed") in rows


def test_what_arrived_after_all_is_not_followed_by_what_waits(two_ways: Clinic) -> None:
    """SM-06: a failure is told first and the delivery later, while the next channel waits for something of its own."""
    two_ways.until(WEEK)
    store, texts = two_ways.gateway.store, Stop(scope=Scope.CHANNEL, value="sms")
    brakes.stop(store, texts, why="drill", account="os:operator")
    _told(two_ways, ReceiptStatus.BOUNCED)
    assert two_ways.waiting("Ann") == ["stopped"]
    _told(two_ways, ReceiptStatus.DELIVERED)
    assert _state(two_ways) == ("completed", None)
    brakes.resume(store, two_ways.gateway.site, texts, why="drill over", account="os:operator")
    two_ways.passes("2d")
    assert _ways(two_ways) == ["email"]


def test_what_arrived_while_the_next_was_rung_is_not_followed(two_ways: Clinic) -> None:
    """Whoever answers the doorbell sees that an earlier attempt is there."""
    two_ways.until(WEEK)
    store, texts = two_ways.gateway.store, Stop(scope=Scope.CHANNEL, value="sms")
    brakes.stop(store, texts, why="drill", account="os:operator")
    _told(two_ways, ReceiptStatus.BOUNCED)
    ann = two_ways.token("Ann")
    with store.begin("test") as uow:
        ((attempt,),) = uow.lookup(tables.communication, ("id",), "patient", [ann])
        uow.update(tables.communication, ("id",), ("status", "reason"), [("completed", None, attempt)])
        uow.audit([("communication.settled", attempt, "completed", None)])
        uow.commit()
    brakes.resume(store, two_ways.gateway.site, texts, why="drill over", account="os:operator")
    two_ways.passes("2d")
    assert _ways(two_ways) == ["email"]
    assert _state(two_ways) == ("completed", None)


@pytest.mark.parametrize("status", [ReceiptStatus.HANDED_OVER, ReceiptStatus.DELIVERED])
def test_a_receipt_settles_a_doubt(two_ways: Clinic, status: ReceiptStatus) -> None:
    """EM-13: the line was lost after the final dot, and then the mail system tells of it."""
    two_ways.post.will(Answer.KEEP_SILENT)
    two_ways.until(WEEK)
    assert two_ways.waiting("Ann") == ["outcome-unknown"]
    _told(two_ways, status)
    assert _state(two_ways) == ("completed", None)
    assert _ways(two_ways) == ["email"]


def test_a_bounce_settles_a_doubt_too(two_ways: Clinic) -> None:
    """What was unknown provably failed: the next channel may."""
    two_ways.post.will(Answer.LOSE)
    two_ways.until(WEEK)
    _told(two_ways, ReceiptStatus.BOUNCED)
    assert _ways(two_ways) == ["sms"]


def test_a_bounce_told_while_the_send_is_on_its_way_is_not_lost(two_ways: Clinic) -> None:
    """Out of order: the receipt comes before the hand-over is settled."""

    def bounces(envelope: object) -> None:
        with two_ways.gateway.store.read() as unit:
            ((identity, channel),) = unit.lookup(
                tables.communication, ("id", "channel"), "patient", [two_ways.token("Ann")]
            )
        early = Receipt(
            channel=channel,
            event="early",
            status=ReceiptStatus.BOUNCED,
            at=two_ways.clock.now(),
            communication=identity,
        )
        assert _settler(two_ways).receipt(early)

    two_ways.post.before = bounces
    two_ways.until(WEEK)
    two_ways.post.before = None
    two_ways.looks()
    assert _ways(two_ways) == ["email", "sms"]


def test_an_address_that_does_not_exist_is_written_to_no_more(two_ways: Clinic) -> None:
    """EM-24: a hard bounce suppresses the address at once, for everyone who shares it."""
    two_ways.until(WEEK)
    _told(two_ways, ReceiptStatus.BOUNCED, address_bad=True, code="5.1.1")
    two_ways.books("Ann", on="2026-04-20 09:30")
    two_ways.passes("60d")
    assert _ways(two_ways) == ["email", "sms", "sms"]


def test_a_complaint_is_a_revocation(two_ways: Clinic) -> None:
    """EM-26, regulation 49: reported as unwanted: no mail any more, and no text in its stead."""
    two_ways.until(WEEK)
    _told(two_ways, ReceiptStatus.COMPLAINED)
    assert _state(two_ways) == ("completed", None)
    two_ways.books("Ann", on="2026-04-20 09:30")
    two_ways.passes("60d")
    assert len(two_ways.mails()) == 1
    assert ["consent.recorded", "deny"] in [[entry[0], entry[2]] for entry in two_ways.entries("Ann") if len(entry) > 2]


def test_a_receipt_of_nothing_we_sent_changes_nothing(two_ways: Clinic) -> None:
    """EM-25: backscatter, also one that names a message of another channel."""
    two_ways.until(WEEK)
    now, settler = two_ways.clock.now(), _settler(two_ways)
    stray = Receipt(channel=ChannelKind.EMAIL, event="x", status=ReceiptStatus.BOUNCED, at=now, provider_id="nobody")
    assert not settler.receipt(stray)
    with two_ways.gateway.store.read() as unit:
        ((identity,),) = unit.lookup(tables.communication, ("id",), "patient", [two_ways.token("Ann")])
    crossed = Receipt(channel=ChannelKind.SMS, event="y", status=ReceiptStatus.FAILED, at=now, communication=identity)
    assert not settler.receipt(crossed)
    assert _state(two_ways) == ("completed", None)


def test_a_complaint_that_tells_only_the_message_id_finds_its_message(two_ways: Clinic) -> None:
    """EM-25, EM-26: mailbox providers strip the rest; an id that is not of our making finds nothing."""
    two_ways.until(WEEK)
    told = two_ways.mails()[0].envelope.message_id
    now, settler = two_ways.clock.now(), _settler(two_ways)
    for strange in (told.replace(".", ".0"), "<1.2@x>", "<x@y>", "", "<" + "9" * 400 + ".1@x>"):
        forged = Receipt(
            channel=ChannelKind.EMAIL, event="f", status=ReceiptStatus.COMPLAINED, at=now, message_id=strange
        )
        assert not settler.receipt(forged)
    real = Receipt(channel=ChannelKind.EMAIL, event="r", status=ReceiptStatus.COMPLAINED, at=now, message_id=told)
    assert settler.receipt(real)
    two_ways.books("Ann", on="2026-04-20 09:30")
    two_ways.passes("60d")
    assert len(two_ways.mails()) == 1


def test_every_try_is_dated_as_the_first(two_ways: Clinic) -> None:
    """EM-13: the same bytes, so that who took it after all knows it again."""
    two_ways.post.will(Answer.UNAVAILABLE, Answer.UNAVAILABLE)
    two_ways.until("2026-03-13 12:00")
    tries = two_ways.post.offered
    assert len(tries) == 3
    assert {one.at for one in tries} == {two_ways.when(WEEK)}
    assert len({one.message_id for one in tries}) == 1
