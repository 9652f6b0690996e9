"""Everything a gate may see: derived values only, never an address, a name or a birth date (law 3)."""

from __future__ import annotations

from gateway.model.consent import ANY, ChannelKind, Consent, Purpose
from gateway.model.facts import Sensitivity
from gateway.model.frozen import value
from gateway.model.rule import Condition
from gateway.model.verdict import Reason
from gateway.model.when import Millis


@value
class PlanningCircumstances:
    """What is known when a send is planned.

    `production`: MSH-11 of the planning message was P. `occurred` and `max_age` (Millis) judge the event's age
    at receipt. `patient_holds`, `visit_holds`: reasons set by feeds or people. `service`: the occurrence's
    service code (UNMAPPED when no table knows it, None when not told). `location_sensitive`: the place's very
    name betrays care. `unmapped`: names of facts with unmapped codes among those the rule reveals or asks
    about. `time_certain`: the scheduling fact has a clock and is no daylight-saving gap. `held_out`: the patient is of the
    share that the rule's campaign never writes to.
    """

    now: Millis
    expires: Millis | None
    occurred: Millis
    max_age: Millis | None
    production: bool
    deceased: bool
    merged_away: bool
    patient_holds: frozenset[Reason]
    visit_holds: frozenset[Reason]
    service: str | None
    location_sensitive: bool
    unmapped: tuple[str, ...]
    time_certain: bool
    held_out: bool


@value
class Sent:
    """One earlier message that left or may have left (unknown counts). `per`: "patient" or "address"."""

    per: str
    purpose: str
    topic: str
    channel: str
    at: Millis


@value
class Representative:
    """Who may receive in the patient's stead now, for some topics (ANY: all)."""

    id: int
    topics: tuple[str, ...]

    def covers(self, topic: str) -> bool:
        """Whether their scope covers the topic."""
        return ANY in self.topics or topic in self.topics


@value
class CampaignStanding:
    """How the campaign of a rule stands now.

    `approved`: a person approved a dry run of what is in force, and it has not met more people since than that allows.
    `stopped`, `over`: so it says. `opens`: when its volume lets the next message leave, Millis UTC; not after now: at once.
    """

    approved: bool
    stopped: bool
    over: bool
    opens: Millis


@value
class SendingCircumstances(PlanningCircumstances):
    """What is known, read afresh, when one request is about to leave, before any channel is looked at.

    `stopped`: a person stopped everything, the rule, or the facility's day. `source_held`: the planning source was
    started or put on hold. `holding`: the rule's `hold` condition that holds
    now. `age`: completed years now, None when the birth date is not known to the day needed.
    `campaign`: None of a rule without one.
    """

    rule: str
    stopped: bool
    source_held: bool
    holding: Condition | None
    age: int | None
    campaign: CampaignStanding | None


@value
class Circumstances(SendingCircumstances):
    """What is known, read afresh, when one request is about to leave by one channel.

    `sensitivity`: the highest of all revealed facts and of their values. `channel_stopped`: a person stopped this channel, or all.
    `feed_silent`: what the message is about still lies ahead or is open, and the feed that would tell of its end is silent
    against its own habit. `contact_point`: id of the one chosen for
    `channel`, None when there is none; `address`: row id of its address, for entries about that address.
    `recipient_listed`: true in production, else whether the address is on the list. `consents`: every ledger
    entry of the patient (and of whom they were merged from) and of the address. `sent_recently`: at least as
    far back as the longest cap or legal limit. `zones`: plausible IANA zones of the patient, empty when unknown;
    `state`: postal letters, None when unknown. `paid`: a third party pays for the message. `agreement`: the channel's
    business-associate agreement is in force, or none is needed. `representatives`: everyone in force now. `recipient`:
    the one of them whose contact point was chosen, None for the patient's own. `own_quiet`: hours the
    person chose to be left in peace, (from, until) in minutes of the local day.
    """

    request: int
    patient: int
    ruleset: int
    template_digest: str
    reveals: tuple[str, ...]
    sensitivity: Sensitivity
    purpose: Purpose
    topic: str
    channel: ChannelKind
    channel_stopped: bool
    feed_silent: bool
    channel_configured: bool
    contact_point: int | None
    address: int | None
    address_opted_out: bool
    address_suppressed: bool
    recipient_listed: bool
    consents: tuple[Consent, ...]
    sent_recently: tuple[Sent, ...]
    zones: tuple[str, ...]
    state: str | None = None
    paid: bool = True  # what is not told is the stricter
    agreement: bool = False
    representatives: tuple[Representative, ...] = ()
    recipient: int | None = None
    own_quiet: tuple[int, int] | None = None
