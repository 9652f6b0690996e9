"""The gates asked only when a request is about to leave: recipient, agreement, consent, address, ceiling, silence, cap, hours, law."""

from __future__ import annotations

from gateway.model.consent import ChannelKind
from gateway.model.policy import Cap, Policy
from gateway.model.verdict import Reason, Verdict
from gateway.model.when import Millis
from gateway.policy import campaigns, consents, hours, legal, recipients
from gateway.policy.circumstances import Circumstances, SendingCircumstances
from gateway.policy.gates import STANDING, Gate, permit, refuse_if, wait
from gateway.policy.zones import us_zones


def stopped(c: SendingCircumstances, _: Policy) -> Verdict:
    """Hold while a person has stopped everything, this rule, or the day of the visit at its facility."""
    return wait(stopped, Reason.STOPPED) if c.stopped else permit(stopped)


def channel_stopped(c: Circumstances, _: Policy) -> Verdict:
    """Hold while a person has stopped this channel; asked once it would leave by it, so that no other channel waits."""
    return wait(channel_stopped, Reason.STOPPED) if c.channel_stopped else permit(channel_stopped)


def source_held(c: SendingCircumstances, _: Policy) -> Verdict:
    """Hold everything of a source that was started held (the shadow run before go-live)."""
    return wait(source_held, Reason.SOURCE_HELD) if c.source_held else permit(source_held)


def feed_silent(c: Circumstances, _: Policy) -> Verdict:
    """Hold what is about a visit ahead while its feed is silent: a cancellation would not be known (SI-02, SI-04)."""
    return wait(feed_silent, Reason.FEED_SILENT) if c.feed_silent else permit(feed_silent)


def rule_hold(c: SendingCircumstances, policy: Policy) -> Verdict:
    """Hold while a `hold` condition of the rule holds or cannot be answered; looked at again after `look_again`."""
    if c.holding is None:
        return permit(rule_hold)
    detail = f"{c.rule} line {c.holding.line}: {c.holding.fact}"
    return wait(rule_hold, Reason.HELD_BY_RULE, until=c.now + policy.look_again, detail=detail)


def age_known(c: SendingCircumstances, policy: Policy) -> Verdict:
    """Hold when nobody knows the patient's age: it may be a child (PI-14)."""
    if c.age is not None:
        return permit(age_known)
    return wait(age_known, Reason.AGE_UNKNOWN, until=c.now + policy.look_again)


def recipient(c: Circumstances, policy: Policy) -> Verdict:
    """Hold or deny what would reach anybody but the right recipient (PI-14 to PI-16; 45 CFR 164.502(g)).

    An adult themselves; about a child the one representative whose scope covers the topic, else it waits for one; what
    a minor may consent to alone goes to nobody.
    """
    found = recipients.right(policy, age=c.age, topic=c.topic, service=c.service, representatives=c.representatives)
    if found.why_not is Reason.MINOR:
        return refuse_if(True, recipient, Reason.MINOR)
    unclear = found.why_not or (Reason.REPRESENTATIVE_UNCLEAR if found.representative != c.recipient else None)
    return permit(recipient) if unclear is None else wait(recipient, unclear, until=c.now + policy.look_again)


def channel_configured(c: Circumstances, _: Policy) -> Verdict:
    """Deny a channel this site does not run."""
    return refuse_if(not c.channel_configured, channel_configured, Reason.CHANNEL_NOT_CONFIGURED)


def agreement(c: Circumstances, _: Policy) -> Verdict:
    """Deny a channel that hands PHI to somebody without an agreement in force (45 CFR 164.308(b), 164.504(e))."""
    return refuse_if(not c.agreement, agreement, Reason.NO_AGREEMENT)


def consent(c: Circumstances, _: Policy) -> Verdict:
    """Deny unless the ledger permits; deny beats permit, nothing is implied (45 CFR 164.508, 164.522; PH-10, CN-08)."""
    why = consents.against(c)
    return permit(consent) if why is None else refuse_if(True, consent, why)


def opted_out(c: Circumstances, _: Policy) -> Verdict:
    """Deny an address that said STOP, for everyone who shares it (SM-14; 47 CFR 64.1200(a)(10))."""
    return refuse_if(c.address_opted_out, opted_out, Reason.OPTED_OUT)


def suppressed(c: Circumstances, _: Policy) -> Verdict:
    """Deny an address that bounced for good or whose owner complained, until it is told anew (EM-24, EM-26)."""
    return refuse_if(c.address_suppressed, suppressed, Reason.SUPPRESSED)


def address(c: Circumstances, _: Policy) -> Verdict:
    """Deny when the patient has no usable address for the channel (PI-05 to PI-09)."""
    return refuse_if(c.contact_point is None or c.address is None, address, Reason.NO_ADDRESS)


def listed(c: Circumstances, _: Policy) -> Verdict:
    """Deny, outside production, every recipient that the configuration does not list."""
    return refuse_if(not c.recipient_listed, listed, Reason.NOT_LISTED)


def ceiling(c: Circumstances, policy: Policy) -> Verdict:
    """Deny showing more than the channel may for this purpose (PH-04, PH-06; 45 CFR 164.530(c))."""
    limit = policy.ceiling(c.purpose, c.channel)
    return refuse_if(c.sensitivity > limit, ceiling, Reason.ABOVE_CEILING)


def frequency_cap(c: Circumstances, policy: Policy) -> Verdict:
    """Hold while a cap of this patient or address is used up, until enough of it has passed."""
    untils = [until for cap in policy.caps if (until := _full_until(c, cap)) is not None]
    if not untils:
        return permit(frequency_cap)
    return wait(frequency_cap, Reason.FREQUENCY_CAP, until=max(untils))


def _full_until(c: Circumstances, cap: Cap) -> Millis | None:
    if not cap.counts(purpose=c.purpose, topic=c.topic, channel=c.channel):
        return None
    ends = sorted(
        sent.at + cap.within
        for sent in c.sent_recently
        if sent.per == cap.per
        and cap.counts(purpose=sent.purpose, topic=sent.topic, channel=sent.channel)
        and sent.at + cap.within > c.now
        # what lies in the portal reaches the person by its notice, which is counted itself
        and (sent.channel != ChannelKind.PORTAL or cap.channel == ChannelKind.PORTAL)
    )
    return ends[-cap.at_most] if len(ends) >= cap.at_most else None


def quiet_hours(c: Circumstances, policy: Policy) -> Verdict:
    """Hold until it is open in every zone the patient may be in (47 CFR 64.1200(c)(1); SM-17, T-09)."""
    opening = hours.next_opening_of(c.zones or us_zones(), _quiet(c, policy), c.now)
    if opening is None:
        return wait(quiet_hours, Reason.NO_PLAUSIBLE_WINDOW, until=c.now + policy.look_again)
    if opening > c.now:
        return wait(quiet_hours, Reason.QUIET_HOURS, until=opening)
    return permit(quiet_hours)


def quiet_from(c: Circumstances, policy: Policy) -> Millis | None:
    """When the next quiet hours begin in any zone the patient may be in, of a moment that is in none; None: there are none (SM-17)."""
    return hours.next_closing(c.zones or us_zones(), _quiet(c, policy), c.now)


def _quiet(c: Circumstances, policy: Policy) -> tuple[tuple[int, int], ...]:
    own = () if c.own_quiet is None or c.channel is ChannelKind.PORTAL else (c.own_quiet,)  # nothing rings there
    return (policy.quiet(c.channel), *own)


def legal_limit(c: Circumstances, policy: Policy) -> Verdict:
    """Hold a solicitation while the law of any state the person may be in forbids it (47 CFR 64.1200(c)(1); `legal.csv`)."""
    opening = legal.opens(c)
    if opening is None:
        opening = c.now + policy.look_again
    if opening > c.now:
        return wait(legal_limit, Reason.LEGAL_LIMIT, until=opening, detail=f"legal.csv {legal.version()}")
    return permit(legal_limit)


# Of the send as such, whatever the channel.
BEFORE_CHANNELS: tuple[Gate[SendingCircumstances], ...] = (
    Gate(judge=stopped, holds=(Reason.STOPPED,), cites="the big red button; 45 CFR 164.308(a)(6)"),
    Gate(judge=source_held, holds=(Reason.SOURCE_HELD,), cites="design law 6"),
    Gate(
        judge=campaigns.campaign_running,
        denies=(Reason.CAMPAIGN_STOPPED,),
        holds=(Reason.CAMPAIGN_STOPPED,),
        cites="EM-30; whoever stopped it",
        test="test_campaigns.py",
    ),
    Gate(
        judge=campaigns.campaign_approved,
        holds=(Reason.CAMPAIGN_NOT_APPROVED,),
        cites="SN-03, SN-05; 45 CFR 164.308(a)(4)",
        test="test_campaigns.py",
    ),
    *STANDING,
    Gate(judge=rule_hold, holds=(Reason.HELD_BY_RULE,), cites="the rule's owner"),
    Gate(judge=age_known, holds=(Reason.AGE_UNKNOWN,), cites="PI-14"),
)
SENDING: tuple[Gate[Circumstances], ...] = (
    *BEFORE_CHANNELS,
    Gate(
        judge=recipient,
        denies=(Reason.MINOR,),
        holds=(Reason.NO_REPRESENTATIVE, Reason.REPRESENTATIVE_UNCLEAR),
        cites="PI-14 to PI-16; 45 CFR 164.502(g)",
    ),
    Gate(judge=channel_configured, denies=(Reason.CHANNEL_NOT_CONFIGURED,), cites="design law 3"),
    Gate(judge=agreement, denies=(Reason.NO_AGREEMENT,), cites="45 CFR 164.308(b), 164.504(e)"),
    Gate(
        judge=consent,
        denies=(Reason.NO_CONSENT, Reason.CONSENT_DENIED, Reason.NO_AUTHORIZATION, Reason.RESTRICTED),
        cites="45 CFR 164.508, 164.522; 47 CFR 64.1200(a); PH-03, PH-10, CN-08",
        test="test_regulations.py",
    ),
    Gate(judge=opted_out, denies=(Reason.OPTED_OUT,), cites="SM-14; 47 CFR 64.1200(a)(10)"),
    Gate(judge=suppressed, denies=(Reason.SUPPRESSED,), cites="EM-24, EM-26; SM-01"),
    Gate(judge=address, denies=(Reason.NO_ADDRESS,), cites="PI-05 to PI-09"),
    Gate(judge=listed, denies=(Reason.NOT_LISTED,), cites="X-05"),
    Gate(judge=ceiling, denies=(Reason.ABOVE_CEILING,), cites="PH-04, PH-06; 45 CFR 164.530(c)"),
    Gate(judge=channel_stopped, holds=(Reason.STOPPED,), cites="the big red button; 45 CFR 164.308(a)(6)"),
    Gate(judge=feed_silent, holds=(Reason.FEED_SILENT,), cites="SI-02, SI-04; X-01"),
    Gate(judge=frequency_cap, holds=(Reason.FREQUENCY_CAP,), cites="47 CFR 64.1200(a)(9)(iv)"),
    Gate(
        judge=quiet_hours,
        holds=(Reason.QUIET_HOURS, Reason.NO_PLAUSIBLE_WINDOW),
        cites="47 CFR 64.1200(c)(1); SM-17, T-09",
    ),
    Gate(
        judge=legal_limit,
        holds=(Reason.LEGAL_LIMIT,),
        cites="47 CFR 64.1200(c)(1); state law (legal.csv)",
        test="test_legal.py",
    ),
    # last, so that only what would leave now takes a place
    Gate(
        judge=campaigns.campaign_volume,
        holds=(Reason.CAMPAIGN_VOLUME,),
        cites="the rule's owner",
        test="test_campaigns.py",
    ),
)
