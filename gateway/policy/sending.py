"""The gates asked only when a request is about to leave: the rule's hold, age, consent, address, ceiling, silence, cap, hours."""

from __future__ import annotations

from gateway.model.policy import Cap, Policy
from gateway.model.verdict import Reason, Verdict
from gateway.model.when import Millis
from gateway.policy import consents, hours
from gateway.policy.circumstances import Circumstances, SendingCircumstances
from gateway.policy.gates import STANDING, Gate, permit, refuse_if, wait
from gateway.policy.zones import us_zones


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


def minor(c: SendingCircumstances, policy: Policy) -> Verdict:
    """Deny below the minimum age at the sending moment (PI-14; 45 CFR 164.502(g))."""
    return refuse_if(c.age is not None and c.age < policy.minimum_age, minor, Reason.MINOR)


def channel_configured(c: Circumstances, _: Policy) -> Verdict:
    """Deny a channel this site does not run."""
    return refuse_if(not c.channel_configured, channel_configured, Reason.CHANNEL_NOT_CONFIGURED)


def consent(c: Circumstances, _: Policy) -> Verdict:
    """Deny unless the ledger permits; deny beats permit, nothing is implied (45 CFR 164.508, 164.522(b); PH-10)."""
    said = consents.standing(c)
    reason = Reason.CONSENT_DENIED if said is consents.Standing.DENIED else Reason.NO_CONSENT
    return refuse_if(said is not consents.Standing.PERMITTED, consent, reason)


def opted_out(c: Circumstances, _: Policy) -> Verdict:
    """Deny an address that said STOP, for everyone who shares it (SM-14; 47 CFR 64.1200(a)(10))."""
    return refuse_if(c.address_opted_out, opted_out, Reason.OPTED_OUT)


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
    )
    return ends[-cap.at_most] if len(ends) >= cap.at_most else None


def quiet_hours(c: Circumstances, policy: Policy) -> Verdict:
    """Hold until it is open in every zone the patient may be in (47 CFR 64.1200(c)(1); SM-17, T-09)."""
    opening = hours.next_opening(c.zones or us_zones(), policy.quiet(c.channel), c.now)
    if opening is None:
        return wait(quiet_hours, Reason.NO_PLAUSIBLE_WINDOW, until=c.now + policy.look_again)
    if opening > c.now:
        return wait(quiet_hours, Reason.QUIET_HOURS, until=opening)
    return permit(quiet_hours)


# Of the send as such, whatever the channel.
BEFORE_CHANNELS: tuple[Gate[SendingCircumstances], ...] = (
    Gate(judge=source_held, holds=(Reason.SOURCE_HELD,), cites="design law 6"),
    *STANDING,
    Gate(judge=rule_hold, holds=(Reason.HELD_BY_RULE,), cites="the rule's owner"),
    Gate(judge=age_known, holds=(Reason.AGE_UNKNOWN,), cites="PI-14"),
    Gate(judge=minor, denies=(Reason.MINOR,), cites="PI-14; 45 CFR 164.502(g)"),
)
SENDING: tuple[Gate[Circumstances], ...] = (
    *BEFORE_CHANNELS,
    Gate(judge=channel_configured, denies=(Reason.CHANNEL_NOT_CONFIGURED,), cites="45 CFR 164.308(b)"),
    Gate(
        judge=consent,
        denies=(Reason.NO_CONSENT, Reason.CONSENT_DENIED),
        cites="45 CFR 164.508, 164.522(b); 47 CFR 64.1200(a); PH-10",
    ),
    Gate(judge=opted_out, denies=(Reason.OPTED_OUT,), cites="SM-14; 47 CFR 64.1200(a)(10)"),
    Gate(judge=address, denies=(Reason.NO_ADDRESS,), cites="PI-05 to PI-09"),
    Gate(judge=listed, denies=(Reason.NOT_LISTED,), cites="X-05"),
    Gate(judge=ceiling, denies=(Reason.ABOVE_CEILING,), cites="PH-04, PH-06; 45 CFR 164.530(c)"),
    Gate(judge=feed_silent, holds=(Reason.FEED_SILENT,), cites="SI-02, SI-04; X-01"),
    Gate(judge=frequency_cap, holds=(Reason.FREQUENCY_CAP,), cites="47 CFR 64.1200(a)(9)(iv)"),
    Gate(
        judge=quiet_hours,
        holds=(Reason.QUIET_HOURS, Reason.NO_PLAUSIBLE_WINDOW),
        cites="47 CFR 64.1200(c)(1); SM-17, T-09",
    ),
)
