"""Silence: the next channel follows where the rule says so, once, and never after anything that speaks against it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from clinic_dsl import Answer, Clinic, OpenClinic, Postbox
from clinic_portal import VISIT, Reader, link_in, open_portal, registers
from clinic_portal import WEEK as PORTAL_WEEK
from clinic_site import shipped_rule, write_rules
from test_clinic_receipts import FIRST, _told, _ways

from gateway.model.comingback import ReceiptStatus
from gateway.model.consent import ChannelKind
from gateway.model.errors import CommandError
from gateway.model.when import DAY
from gateway.pipeline import inspect

LEFT = "2026-03-13 12:00"  # the mail has
OpenTwoWays = Callable[..., Clinic]
SILENT = ("channels: [preferred, sms, email]", "channels: [email, sms]\n  fallback: {on_silence: 24h}")
UNKNOWN = (SILENT[0], "channels: [email, sms]\n  fallback: {on_silence: 24h, on_unknown: yes}")


@pytest.fixture
def two_ways(open_clinic: OpenClinic, tmp_path: Path) -> OpenTwoWays:
    """Ann may be mailed and texted; her reminder a week ahead goes by mail first."""

    def opened(*changes: tuple[str, str]) -> Clinic:
        rule = shipped_rule("appointment-reminder", ("by: [7d, 1d]", "by: [7d]"), *changes)
        clinic = open_clinic(rules=write_rules(tmp_path / "rules", {"appointment-reminder": rule}))
        clinic.texts = Postbox(clinic.clock)  # type: ignore[attr-defined]
        clinic.texts.kind = ChannelKind.SMS  # type: ignore[attr-defined]
        clinic.gateway.channels[ChannelKind.SMS] = clinic.texts  # type: ignore[index, attr-defined]
        ann = clinic.person("Ann")
        clinic.enrols("Ann", pid={13: f"^PRN^CP^^1^{ann.phone[:3]}^{ann.phone[3:]}~^NET^Internet^{ann.email}"})
        clinic.consents("Ann", to="sms")
        clinic.books("Ann", on=FIRST)
        return clinic

    return opened


def _state(clinic: Clinic) -> tuple[str, str | None]:
    (one,) = clinic.requests("Ann")
    return one.state, one.reason


def test_without_a_word_in_the_rule_silence_is_no_reason(two_ways: OpenTwoWays) -> None:
    """Issue 5: unknown and silence never fall back by themselves."""
    clinic = two_ways(("channels: [preferred, sms, email]", "channels: [email, sms]"))
    clinic.until("2026-03-19 09:30")
    assert _ways(clinic) == ["email"]


def test_silence_lets_the_next_channel_follow_once(two_ways: OpenTwoWays) -> None:
    """Issue 5: after its time, not before; the text's own silence leads nowhere."""
    clinic = two_ways(SILENT)
    clinic.until("2026-03-14 09:20")
    assert _ways(clinic) == ["email"]
    clinic.passes("30m")
    assert _ways(clinic) == ["email", "sms"]
    clinic.until("2026-03-19 09:30")
    assert _ways(clinic) == ["email", "sms"]
    assert _state(clinic) == ("completed", None)


@pytest.mark.parametrize("heard", [ReceiptStatus.DELIVERED, ReceiptStatus.OPENED, ReceiptStatus.REPLIED])
def test_what_arrived_is_not_silent(two_ways: OpenTwoWays, heard: ReceiptStatus) -> None:
    """SM-06: any word of its arrival."""
    clinic = two_ways(SILENT)
    clinic.until(LEFT)
    _told(clinic, heard)
    clinic.until("2026-03-19 09:30")
    assert _ways(clinic) == ["email"]


def test_that_it_was_handed_over_is_still_silence(two_ways: OpenTwoWays) -> None:
    """SM-06: `sent` is the carrier's word."""
    clinic = two_ways(SILENT)
    clinic.until(LEFT)
    _told(clinic, ReceiptStatus.HANDED_OVER)
    clinic.until("2026-03-19 09:30")
    assert _ways(clinic) == ["email", "sms"]


def test_a_bounce_before_and_after_is_one_second_message(two_ways: OpenTwoWays) -> None:
    """What failed went by text already; silence adds nothing."""
    clinic = two_ways(SILENT)
    clinic.until(LEFT)
    _told(clinic, ReceiptStatus.BOUNCED)
    assert _ways(clinic) == ["email", "sms"]
    clinic.until("2026-03-16 09:30")
    assert _ways(clinic) == ["email", "sms"]
    _told(clinic, ReceiptStatus.UNDELIVERED, attempt=1)
    clinic.until("2026-03-19 09:30")
    assert _ways(clinic) == ["email", "sms"]


@pytest.mark.parametrize("what", ["cancelled", "opted out", "moved"])
def test_nothing_follows_what_ended_meanwhile(two_ways: OpenTwoWays, what: str) -> None:
    """Law 3: every gate is asked again; what has left still counts as done."""
    clinic = two_ways(SILENT)
    clinic.until(LEFT)
    if what == "cancelled":
        clinic.cancels("Ann")
    elif what == "opted out":
        clinic.opts_out("Ann", of="sms")
    else:
        clinic.reschedules("Ann", to="2026-04-20 09:30")
    clinic.until("2026-03-19 09:30")
    assert _ways(clinic) == ["email"]
    assert clinic.requests("Ann")[0].state == "completed"
    assert [one.kind for one in inspect.worklist(clinic.gateway)] == []


def test_word_of_its_arrival_while_the_text_waits_ends_it(two_ways: OpenTwoWays) -> None:
    """SM-06, EM-28: told late, but before the text left."""
    clinic = two_ways(SILENT)
    clinic.until(LEFT)
    clinic.texts.will(*[Answer.UNAVAILABLE] * 50)  # type: ignore[attr-defined]
    clinic.until("2026-03-14 09:40")
    assert clinic.waiting("Ann") != [] or _state(clinic)[0] == "active"
    _told(clinic, ReceiptStatus.DELIVERED)
    clinic.until("2026-03-19 09:30")
    assert _ways(clinic) == ["email"]
    assert _state(clinic)[0] == "completed"


def test_what_nobody_knows_falls_back_only_where_the_rule_says_so(two_ways: OpenTwoWays) -> None:
    """Issue 5: `on_unknown`; she may then get two."""
    clinic = two_ways(UNKNOWN)
    clinic.post.will(Answer.LOSE)
    clinic.until("2026-03-19 09:30")
    assert len(clinic.texts.envelopes) == 1  # type: ignore[attr-defined]
    assert _state(clinic) == ("completed", None)


def test_what_nobody_knows_waits_for_a_person_elsewhere(two_ways: OpenTwoWays) -> None:
    """Issue 5: silence alone is another thing."""
    clinic = two_ways(SILENT)
    clinic.post.will(Answer.LOSE)
    clinic.until("2026-03-19 09:30")
    assert len(clinic.texts.envelopes) == 0  # type: ignore[attr-defined]
    assert clinic.waiting("Ann") == ["outcome-unknown"]


# -- what lies in the portal unread


@pytest.fixture
def unread(open_clinic: OpenClinic, tmp_path: Path) -> Clinic:
    """Ann's reminder lies in the portal; the rule wants it read within two days."""
    clinic = open_portal(open_clinic, tmp_path, channels="[portal]\n  read_within: 2d")
    registers(clinic, "Ann")
    clinic.books("Ann", on=VISIT)
    clinic.until(PORTAL_WEEK)
    return clinic


def _unread(clinic: Clinic) -> list[inspect.WorkItem]:
    return inspect.worklist(clinic.gateway, kinds=["unread"])


def test_a_message_nobody_picks_up_is_shown_to_staff_once(unread: Clinic) -> None:
    """EM-11: with its age; no second notice leaves by itself; they say that they saw to it, once."""
    unread.passes("47h")
    assert _unread(unread) == []
    unread.passes("2h")
    (line,) = _unread(unread)
    assert line.age is not None
    assert 2 * DAY <= line.age < 3 * DAY
    assert line.command == f"caregate outbox seen {line.about} --reason '…'"
    assert len(unread.mailbox("Ann")) == 1
    inspect.unread_seen(unread.gateway, int(line.about), reason="called", account="os:clerk")
    assert _unread(unread) == []
    with pytest.raises(CommandError, match="waits to be read"):
        inspect.unread_seen(unread.gateway, int(line.about), reason="called", account="os:clerk")
    Reader(unread).enters(link_in(unread.mailbox("Ann")[-1].text), "Ann")


def test_it_settles_itself_when_it_is_read(unread: Clinic) -> None:
    """EM-11."""
    unread.passes("50h")
    assert len(_unread(unread)) == 1
    Reader(unread).enters(link_in(unread.mailbox("Ann")[-1].text), "Ann")
    assert _unread(unread) == []


def test_it_settles_itself_when_it_can_be_read_no_more(unread: Clinic) -> None:
    """EM-11: its time is over."""
    unread.passes("50h")
    assert len(_unread(unread)) == 1
    unread.passes("30d")
    assert _unread(unread) == []


def test_the_site_may_want_everything_read(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """`portal: {read_within: 3d}` in policy.yaml is for rules that say nothing."""
    clinic = open_portal(
        open_clinic, tmp_path, policy=(("languages: [en, es]", "languages: [en, es]\nportal: {read_within: 3d}"),)
    )
    registers(clinic, "Ann")
    clinic.books("Ann", on=VISIT)
    clinic.until(PORTAL_WEEK)
    clinic.passes("4d")
    assert len(_unread(clinic)) == 1
