"""Each gate answers with its reason, says what would release it, and only `decide` makes a clearance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.model.consent import ChannelKind, ConsentKind, Purpose
from gateway.model.facts import UNMAPPED, Sensitivity
from gateway.model.policy import Cap, Policy
from gateway.model.rule import Condition
from gateway.model.verdict import Clearance, Deny, Hold, Permit, Reason
from gateway.model.when import DAY, HOUR
from gateway.policy import Circumstances, Representative, Sent, at_planning, decide, next_channel_may
from gateway.policy.circumstances import CampaignStanding
from gateway.policy.decide import before_channels
from gateway.policy.gates import PLANNING, RELEASED_BY, STANDING
from gateway.policy.sending import BEFORE_CHANNELS, SENDING
from gateway.policy.table import gate_table, kind_table
from tests.policy.conftest import entry

Given = Callable[..., Circumstances]
GUARDIAN = Representative(id=1, topics=("*",))
HOLDING = Condition(fact="patient.inpatient", line=14, values=frozenset({True}))

STOPPED = CampaignStanding(approved=True, stopped=True, over=False, opens=0)
UNAPPROVED = CampaignStanding(approved=False, stopped=False, over=False, opens=0)
FULL = CampaignStanding(approved=True, stopped=False, over=False, opens=9_999_999_999_999)

DENIALS: list[tuple[dict[str, Any], str, Reason]] = [
    ({"production": False}, "not-production", Reason.NOT_PRODUCTION),
    ({"expires": 0}, "expired", Reason.EXPIRED),
    ({"deceased": True}, "deceased", Reason.DECEASED),
    ({"merged_away": True}, "merged-away", Reason.MERGED_AWAY),
    ({"service": "hiv-care"}, "protected-service", Reason.PROTECTED_SERVICE),
    ({"location_sensitive": True}, "protected-service", Reason.PROTECTED_SERVICE),
    ({"held_out": True}, "holdout", Reason.HOLDOUT),
    ({"age": 17, "service": "counseling", "representatives": (GUARDIAN,), "recipient": 1}, "recipient", Reason.MINOR),
    ({"age": 12, "service": None, "representatives": (GUARDIAN,), "recipient": 1}, "recipient", Reason.MINOR),
    (
        {"campaign": CampaignStanding(approved=True, stopped=False, over=True, opens=0)},
        "campaign-running",
        Reason.CAMPAIGN_STOPPED,
    ),
    ({"agreement": False}, "agreement", Reason.NO_AGREEMENT),
    ({"channel_configured": False}, "channel-configured", Reason.CHANNEL_NOT_CONFIGURED),
    ({"consents": ()}, "consent", Reason.NO_CONSENT),
    ({"address_opted_out": True}, "opted-out", Reason.OPTED_OUT),
    ({"address_suppressed": True}, "suppressed", Reason.SUPPRESSED),
    ({"contact_point": None}, "address", Reason.NO_ADDRESS),
    ({"address": None}, "address", Reason.NO_ADDRESS),
    ({"recipient_listed": False}, "listed", Reason.NOT_LISTED),
    ({"sensitivity": Sensitivity.SENSITIVE}, "ceiling", Reason.ABOVE_CEILING),
]
HOLDS: list[tuple[dict[str, Any], str, Reason]] = [
    ({"source_held": True}, "source-held", Reason.SOURCE_HELD),
    ({"patient_holds": frozenset({Reason.IDENTITY_CONFLICT})}, "identity", Reason.IDENTITY_CONFLICT),
    ({"patient_holds": frozenset({Reason.IDENTITY_DOUBTFUL})}, "identity", Reason.IDENTITY_DOUBTFUL),
    ({"visit_holds": frozenset({Reason.CONFIDENTIAL_VISIT})}, "confidential-visit", Reason.CONFIDENTIAL_VISIT),
    ({"patient_holds": frozenset({Reason.PROTECTION_INDICATOR})}, "protection-indicator", Reason.PROTECTION_INDICATOR),
    ({"visit_holds": frozenset({Reason.ACCESS_RESTRICTION})}, "access-restriction", Reason.ACCESS_RESTRICTION),
    ({"patient_holds": frozenset({Reason.REPLANNED_AFTER_REVERSAL})}, "other-hold", Reason.REPLANNED_AFTER_REVERSAL),
    ({"visit_holds": frozenset({Reason.UNREADABLE})}, "other-hold", Reason.UNREADABLE),
    ({"unmapped": ("appointment.location",)}, "unmapped-code", Reason.UNMAPPED_CODE),
    ({"service": UNMAPPED}, "unmapped-code", Reason.UNMAPPED_CODE),
    ({"time_certain": False}, "time-uncertain", Reason.TIME_UNCERTAIN),
    ({"feed_silent": True}, "feed-silent", Reason.FEED_SILENT),
    ({"holding": HOLDING}, "rule-hold", Reason.HELD_BY_RULE),
    ({"age": None}, "age-known", Reason.AGE_UNKNOWN),
    ({"stopped": True}, "stopped", Reason.STOPPED),
    ({"channel_stopped": True}, "channel-stopped", Reason.STOPPED),
    ({"campaign": STOPPED}, "campaign-running", Reason.CAMPAIGN_STOPPED),
    ({"campaign": UNAPPROVED}, "campaign-approved", Reason.CAMPAIGN_NOT_APPROVED),
    ({"campaign": FULL}, "campaign-volume", Reason.CAMPAIGN_VOLUME),
    ({"age": 17}, "recipient", Reason.NO_REPRESENTATIVE),
    ({"age": 17, "recipient": 1}, "recipient", Reason.NO_REPRESENTATIVE),
    (
        {"age": 17, "representatives": (Representative(id=1, topics=("billing",)),)},
        "recipient",
        Reason.NO_REPRESENTATIVE,
    ),
    (
        {"age": 17, "representatives": (GUARDIAN, Representative(id=2, topics=("appointments",)))},
        "recipient",
        Reason.REPRESENTATIVE_UNCLEAR,
    ),
    ({"age": 17, "representatives": (GUARDIAN,)}, "recipient", Reason.REPRESENTATIVE_UNCLEAR),
    ({"age": 18, "recipient": 1}, "recipient", Reason.REPRESENTATIVE_UNCLEAR),
]


def test_when_every_gate_permits_a_clearance_is_made(given: Given, policy: Policy) -> None:
    """It is bound to request, contact point, rule version, template and what may be revealed (law 3)."""
    decision = decide(given(), policy)
    assert decision.against is None
    assert all(isinstance(verdict, Permit) for verdict in decision.verdicts)
    made = decision.clearance
    assert made is not None
    assert (made.request, made.patient, made.contact_point, made.ruleset) == (5, 7, 11, 3)
    assert (made.rule, made.template_digest, made.reveals) == ("appointment-reminder", "abc", ("patient.given_name",))
    assert (made.channel, made.decided) == (ChannelKind.EMAIL, given().now)


def test_nobody_else_makes_a_clearance(given: Given, policy: Policy) -> None:
    """Neither by hand nor by copying one with another mint (law 3)."""
    made = decide(given(), policy).clearance
    assert made is not None
    with pytest.raises(PermissionError, match="only policy"):
        Clearance(
            request=made.request,
            patient=made.patient,
            channel=made.channel,
            contact_point=made.contact_point,
            rule=made.rule,
            ruleset=made.ruleset,
            template_digest=made.template_digest,
            reveals=made.reveals,
            decided=made.decided,
            mint=object(),
        )


@pytest.mark.parametrize(("change", "gate", "reason"), DENIALS, ids=lambda value: str(value)[:40])
def test_a_denial_withholds_with_its_reason(
    given: Given, policy: Policy, change: dict[str, Any], gate: str, reason: Reason
) -> None:
    """X-05, SM-17, PI-12, AD-18, PV-08, PI-14, SM-14, PI-07, PH-06, PH-10: one reason each, and no clearance."""
    decision = decide(given(**change), policy)
    assert decision.clearance is None
    assert decision.against == Deny(gate=gate, reason=reason)


@pytest.mark.parametrize(("change", "gate", "reason"), HOLDS, ids=lambda value: str(value)[:40])
def test_a_hold_names_what_releases_it(
    given: Given, policy: Policy, change: dict[str, Any], gate: str, reason: Reason
) -> None:
    """PI-13, PV-01, PV-02, PV-04, T-06, T-07: the message waits, and someone can see for what (law 6)."""
    decision = decide(given(**change), policy)
    assert decision.clearance is None
    held = decision.against
    assert isinstance(held, Hold)
    assert (held.gate, held.reason) == (gate, reason)
    assert held.released_by.startswith(RELEASED_BY.get(reason, "a person"))


def test_a_hold_says_which_codes_and_which_line(given: Given, policy: Policy) -> None:
    """Names of facts and lines, never their values."""
    unmapped = decide(given(unmapped=("appointment.location",)), policy).against
    assert isinstance(unmapped, Hold)
    assert unmapped.released_by.endswith("(appointment.location)")
    assert unmapped.detail == "appointment.location"
    held = decide(given(holding=HOLDING), policy).against
    assert isinstance(held, Hold)
    assert held.released_by.endswith("(appointment-reminder line 14: patient.inpatient)")
    assert held.until == given().now + policy.look_again


def test_who_turns_eighteen_today_may_be_written_to(given: Given, policy: Policy) -> None:
    """PI-14: the age counts at the sending moment."""
    assert decide(given(age=18), policy).clearance is not None


def test_the_moment_of_expiry_is_too_late_and_no_expiry_never_is(given: Given, policy: Policy) -> None:
    """SM-17: a reminder at the appointment's own start has no more sense."""
    assert decide(given(expires=given().now), policy).against == Deny(gate="expired", reason=Reason.EXPIRED)
    assert decide(given(expires=None), policy).clearance is not None


def test_the_first_gate_that_does_not_permit_decides(given: Given, policy: Policy) -> None:
    """Order is fixed, so the same circumstances always give the same reason."""
    everything: dict[str, Any] = {}
    for change, _, _ in [*DENIALS, *HOLDS]:
        everything |= change
    decision = decide(given(**everything), policy)
    assert decision.against is not None
    assert decision.against.gate == "stopped"
    assert [verdict.gate for verdict in decision.verdicts] == [gate.name for gate in SENDING]
    assert decision == decide(given(**everything), policy)


def test_what_concerns_no_channel_is_found_before_any_is_looked_at(given: Given, policy: Policy) -> None:
    """The short look says what all gates together would say first, and never that something may leave (law 3)."""
    early = {gate.name for gate in BEFORE_CHANNELS}
    for change, _, _ in [({}, "", ""), *DENIALS, *HOLDS]:
        told = given(**change)
        against = decide(told, policy).against
        expected = against if against is not None and against.gate in early else None
        assert before_channels(told, policy) == expected
        assert expected is None or not next_channel_may(expected)


def test_only_denials_about_one_channel_let_the_next_be_asked() -> None:
    """A hold waits, and what concerns the person concerns every channel."""
    assert next_channel_may(Deny(gate="address", reason=Reason.NO_ADDRESS))
    assert not next_channel_may(Deny(gate="deceased", reason=Reason.DECEASED))
    assert not next_channel_may(Hold(gate="quiet-hours", reason=Reason.QUIET_HOURS, released_by="time"))
    assert not next_channel_may(Permit(gate="consent"))


@pytest.mark.parametrize(("change", "gate", "reason"), [*DENIALS[:7], *HOLDS[1:11]], ids=lambda value: str(value)[:40])
def test_what_is_known_at_planning_withholds_or_holds_at_once(
    given: Given, policy: Policy, change: dict[str, Any], gate: str, reason: Reason
) -> None:
    """Permanent reasons withhold; doubts and flags hold for a person; the rest is decided at sending."""
    verdict = at_planning(given(**change), policy)
    assert isinstance(verdict, Hold | Deny)
    assert (verdict.gate, verdict.reason) == (gate, reason)


@pytest.mark.parametrize("change", [change for change, _, _ in [*DENIALS[7:], HOLDS[0], *HOLDS[11:]]], ids=str)
def test_what_may_change_until_sending_does_not_withhold_at_planning(
    given: Given, policy: Policy, change: dict[str, Any]
) -> None:
    """Who consents in May gets the June reminder planned in March."""
    assert at_planning(given(**change), policy) is None


def test_an_event_older_than_the_rules_max_age_plans_nothing(given: Given, policy: Policy) -> None:
    """X-07: at receipt only; a request planned in time is not too old when it is due."""
    old = given(occurred=given().now - 2 * DAY - 1)
    assert at_planning(old, policy) == Deny(gate="too-old", reason=Reason.TOO_OLD)
    assert at_planning(given(occurred=given().now - 2 * DAY), policy) is None
    assert at_planning(given(occurred=0, max_age=None), policy) is None
    assert decide(old, policy).clearance is not None


def test_at_planning_a_denial_goes_before_a_hold(given: Given, policy: Policy) -> None:
    """What will never leave needs nobody's attention."""
    both = given(patient_holds=frozenset({Reason.IDENTITY_CONFLICT}), service="hiv-care")
    assert at_planning(both, policy) == Deny(gate="protected-service", reason=Reason.PROTECTED_SERVICE)


def test_what_is_not_listed_in_the_ceilings_may_show_nothing(given: Given, policy: Policy) -> None:
    """PH-06, PH-07: a purpose and channel nobody thought of shows nothing about a person."""
    marketing = given(purpose=Purpose.HMARKT)
    ceiling = next(gate for gate in SENDING if gate.name == "ceiling")
    assert ceiling.judge(marketing, policy) == Deny(gate="ceiling", reason=Reason.ABOVE_CEILING)
    public = given(purpose=Purpose.HMARKT, sensitivity=Sensitivity.PUBLIC)
    assert ceiling.judge(public, policy) == Permit(gate="ceiling")


def capped(policy: Policy, *caps: Cap) -> Policy:
    return Policy(
        version=policy.version,
        quiet_hours=policy.quiet_hours,
        caps=caps,
        ceilings=policy.ceilings,
        hold_expires=policy.hold_expires,
    )


def test_a_used_up_cap_holds_until_enough_has_passed(given: Given, policy: Policy, noon: int) -> None:
    """The hold ends when the cap has room again, to the millisecond."""
    caps = capped(policy, Cap(per="patient", purpose="*", topic="*", at_most=2, within=DAY))
    sent = tuple(
        Sent(per="patient", purpose="TREAT", topic="appointments", channel="email", at=noon - hours * HOUR)
        for hours in (2, 20, 23, 30)
    )
    held = decide(given(sent_recently=sent), caps).against
    assert isinstance(held, Hold)
    assert (held.reason, held.until) == (Reason.FREQUENCY_CAP, noon - 20 * HOUR + DAY)
    assert held.until is not None
    later = given(now=held.until, sent_recently=sent, expires=None)
    assert decide(later, caps).clearance is not None


def test_what_lies_in_the_portal_is_counted_by_its_notice(given: Given, policy: Policy, noon: int) -> None:
    """Else every message there would count twice; a cap of the portal itself counts it."""
    sent = (Sent(per="patient", purpose="TREAT", topic="appointments", channel="portal", at=noon - HOUR),)
    caps = capped(policy, Cap(per="patient", purpose="*", topic="*", at_most=1, within=DAY))
    assert decide(given(sent_recently=sent), caps).clearance is not None
    own = capped(policy, Cap(per="patient", purpose="*", topic="*", channel="portal", at_most=1, within=DAY))
    ceilings = {(Purpose.TREAT, ChannelKind.PORTAL): Sensitivity.ORDINARY}
    held = decide(given(sent_recently=sent, channel=ChannelKind.PORTAL), replace(own, ceilings=ceilings)).against
    assert isinstance(held, Hold)
    assert held.reason is Reason.FREQUENCY_CAP


def test_hours_of_ones_own_hold_a_message_but_nothing_rings_in_the_portal(
    given: Given, policy: Policy, noon: int
) -> None:
    """The person's own quiet beside the site's."""
    held = decide(given(own_quiet=(8 * 60, 13 * 60)), policy).against
    assert isinstance(held, Hold)
    assert (held.reason, held.until) == (Reason.QUIET_HOURS, noon + HOUR)
    ceilings = {(Purpose.TREAT, ChannelKind.PORTAL): Sensitivity.ORDINARY}
    there = given(own_quiet=(8 * 60, 13 * 60), channel=ChannelKind.PORTAL)
    assert decide(there, replace(policy, ceilings=ceilings)).against is None


def test_a_cap_counts_only_what_it_speaks_of(given: Given, policy: Policy, noon: int) -> None:
    """Per patient or address, purpose and topic; a message under the cap passes."""
    cap = Cap(per="address", purpose="TREAT", topic="appointments", at_most=1, within=DAY)
    caps = capped(policy, cap, Cap(per="patient", purpose="HMARKT", topic="*", at_most=1, within=DAY))
    others = (
        Sent(per="patient", purpose="TREAT", topic="appointments", channel="email", at=noon - HOUR),
        Sent(per="address", purpose="TREAT", topic="billing", channel="email", at=noon - HOUR),
        Sent(per="address", purpose="HPAYMT", topic="appointments", channel="email", at=noon - HOUR),
        Sent(per="address", purpose="TREAT", topic="appointments", channel="email", at=noon - DAY),
    )
    assert decide(given(sent_recently=others), caps).clearance is not None
    one = Sent(per="address", purpose="TREAT", topic="appointments", channel="email", at=noon - HOUR)
    assert decide(given(sent_recently=(*others, one)), caps).clearance is None


def test_of_two_caps_the_longer_wait_counts(given: Given, policy: Policy, noon: int) -> None:
    """Both must have room."""
    caps = capped(
        policy,
        Cap(per="patient", purpose="*", topic="*", at_most=1, within=DAY),
        Cap(per="patient", purpose="*", topic="*", at_most=1, within=7 * DAY),
    )
    sent = (Sent(per="patient", purpose="TREAT", topic="x", channel="email", at=noon - HOUR),)
    held = decide(given(sent_recently=sent), caps).against
    assert isinstance(held, Hold)
    assert held.until == noon - HOUR + 7 * DAY


def test_the_table_in_the_readme_is_that_of_the_code() -> None:
    """Every gate, reason, what releases it, and its citation; run this test's assertion to see what to paste."""
    readme = Path(__file__).parents[2] / "gateway" / "policy" / "README.md"
    assert gate_table() in readme.read_text(encoding="utf-8")
    assert kind_table() in readme.read_text(encoding="utf-8")


def test_every_reason_a_gate_gives_is_in_its_entry(given: Given, policy: Policy) -> None:
    """So the table cannot leave one out; holds for reasons nobody foresaw are the one exception."""
    told = {(gate.name, reason) for gate in (*PLANNING, *SENDING) for reason in (*gate.denies, *gate.holds)}
    for change, _, _ in [*DENIALS, *HOLDS]:
        for verdict in decide(given(**change), policy).verdicts:
            if not isinstance(verdict, Permit) and verdict.reason is not Reason.UNREADABLE:
                assert (verdict.gate, verdict.reason) in told


def test_every_gate_cites_its_source_and_is_asked_once() -> None:
    """No gate without a reason to be; the planning gates are among the sending ones, but for the event's age."""
    assert all(gate.cites for gate in SENDING)
    names = [gate.name for gate in SENDING]
    assert len(set(names)) == len(names)
    assert {gate.name for gate in STANDING} <= set(names)


def test_a_cap_of_one_channel_counts_and_holds_only_that_channel(given: Given, policy: Policy, noon: int) -> None:
    """One mail a day is enough; a text is not counted and does not wait."""
    caps = capped(policy, Cap(per="patient", purpose="*", topic="*", channel="email", at_most=1, within=DAY))
    mail = Sent(per="patient", purpose="TREAT", topic="appointments", channel="email", at=noon - HOUR)
    text = Sent(per="patient", purpose="TREAT", topic="appointments", channel="sms", at=noon - HOUR)
    assert decide(given(sent_recently=(text,)), caps).clearance is not None
    held = decide(given(sent_recently=(mail, text)), caps).against
    assert isinstance(held, Hold)
    assert held.until == noon - HOUR + DAY
    said = (entry(), entry(kind=ConsentKind.TEXTS, address=12))
    by_text = given(channel=ChannelKind.SMS, sensitivity=Sensitivity.PUBLIC, sent_recently=(mail, text), consents=said)
    assert decide(by_text, caps).clearance is not None
