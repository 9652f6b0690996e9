"""The gates known already at planning, and what every gate is made of: a function, its reasons, their source.

Each gate answers with a named reason; none has a log-only mode (law 6).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Generic, TypeVar

from gateway.model.facts import UNMAPPED
from gateway.model.policy import Policy
from gateway.model.verdict import Deny, Hold, Permit, Reason, Verdict
from gateway.model.when import Millis
from gateway.policy.circumstances import PlanningCircumstances

# What ends each hold; also the text shown to people.
RELEASED_BY: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.STOPPED: "whoever resumes what was stopped",
        Reason.HELD_BY_HAND: "a person who releases it",
        Reason.SOURCE_HELD: "releasing the source",
        Reason.FEED_SILENT: "the feed speaking again, or a person who excuses its silence",
        Reason.IDENTITY_CONFLICT: "a person who settles which patient the identifiers belong to",
        Reason.IDENTITY_DOUBTFUL: "a person, or a message that says the identity is known and reliable",
        Reason.REPLANNED_AFTER_REVERSAL: "a person who confirms that contact may begin again",
        Reason.CONFIDENTIAL_VISIT: "a person, or a message without the confidentiality flag",
        Reason.PROTECTION_INDICATOR: "a person, or a message that lifts the protection indicator",
        Reason.ACCESS_RESTRICTION: "a person, or a message that lifts the restriction",
        Reason.UNMAPPED_CODE: "an entry for the code in its table",
        Reason.POSSIBLE_DUPLICATE: "a person who says whether it is the same appointment",
        Reason.OUTCOME_UNKNOWN: "a person who knows whether it arrived",
        Reason.WRONG_PATIENT: "a person who looked into whose result it was and who was told of it",
        Reason.CONSENT_UNCLEAR: "a person who reads the consent",
        Reason.PERSON_DELETED: "a message that adds the person again",
        Reason.CANCELLED: "a person: another feed says that it is cancelled",
        Reason.RENDER_FAILED: "a template that can be rendered, then a person",
        Reason.UNREADABLE: "a person: something about it cannot be read",
        Reason.TIME_UNCERTAIN: "a person, or a message that tells the time exactly",
        Reason.HELD_BY_RULE: "the rule's `hold` condition no longer holding",
        Reason.AGE_UNKNOWN: "a birth date in the directory",
        Reason.NO_REPRESENTATIVE: "a person who records who represents the child for this (`caregate guardian add`)",
        Reason.REPRESENTATIVE_UNCLEAR: "a person who ends all but one representation for this",
        Reason.LEGAL_LIMIT: "time: an hour, or a count, that the law of every state the person may be in allows",
        Reason.CAMPAIGN_NOT_APPROVED: "a person who approves a dry run of what is in force (`caregate campaign plan`, `approve`)",
        Reason.CAMPAIGN_STOPPED: "a person who resumes the campaign (`caregate campaign resume`)",
        Reason.CAMPAIGN_VOLUME: "time: an hour and a day in which the campaign's volume has room",
        Reason.FREQUENCY_CAP: "time: fewer messages within the cap's span",
        Reason.QUIET_HOURS: "time: the next hour that is open wherever the patient may be",
        Reason.NO_PLAUSIBLE_WINDOW: "an address that tells the patient's time zone",
    }
)
_A_PERSON = "a person"  # ends a hold whose reason has no better text

C_contra = TypeVar("C_contra", bound=PlanningCircumstances, contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate(Generic[C_contra]):
    """One gate. `denies` and `holds`: every reason it may give; `test`: of tests/policy, as the table in README.md shows."""

    judge: Callable[[C_contra, Policy], Verdict]
    denies: tuple[Reason, ...] = ()
    holds: tuple[Reason, ...] = ()
    cites: str
    test: str = "test_gates.py"

    @property
    def name(self) -> str:
        """The gate's name in verdicts and in the audit: that of its function, in kebab-case."""
        return named(self.judge)


def named(judge: Callable[..., object]) -> str:
    """A gate function's name in kebab-case."""
    return judge.__name__.replace("_", "-")


@cache
def permit(judge: Callable[..., object]) -> Permit:
    """The Permit of a gate; one for all, because it never says anything else."""
    return Permit(gate=named(judge))


def refuse_if(unwanted: bool, judge: Callable[..., object], reason: Reason) -> Verdict:
    """Deny with `reason` when `unwanted`, else Permit."""
    return Deny(gate=named(judge), reason=reason) if unwanted else permit(judge)


def wait(judge: Callable[..., object], reason: Reason, *, until: Millis | None = None, detail: str = "") -> Hold:
    """A hold that says what releases it; `detail` names the fact or line, never a value."""
    released_by = RELEASED_BY.get(reason, _A_PERSON)
    text = f"{released_by} ({detail})" if detail else released_by
    return Hold(gate=named(judge), reason=reason, released_by=text, until=until, detail=detail)


# -- permanent ---------------------------------------------------------------------------------------------------


def not_production(c: PlanningCircumstances, _: Policy) -> Verdict:
    """Deny what a test or training message planned (MSH-11, table 0103; X-05)."""
    return refuse_if(not c.production, not_production, Reason.NOT_PRODUCTION)


def too_old(c: PlanningCircumstances, _: Policy) -> Verdict:
    """Deny when the event was older than the rule's `max_age` at receipt (X-07)."""
    return refuse_if(c.max_age is not None and c.now - c.occurred > c.max_age, too_old, Reason.TOO_OLD)


def expired(c: PlanningCircumstances, _: Policy) -> Verdict:
    """Deny once the message has no more sense; the moment of expiry itself is too late (SM-17)."""
    return refuse_if(c.expires is not None and c.now >= c.expires, expired, Reason.EXPIRED)


def deceased(c: PlanningCircumstances, _: Policy) -> Verdict:
    """Deny when the patient is known to have died (PI-12; 45 CFR 164.502(f))."""
    return refuse_if(c.deceased, deceased, Reason.DECEASED)


def merged_away(c: PlanningCircumstances, _: Policy) -> Verdict:
    """Deny for a patient who was merged into another: the survivor's requests go instead (AD-18)."""
    return refuse_if(c.merged_away, merged_away, Reason.MERGED_AWAY)


def protected_service(c: PlanningCircumstances, policy: Policy) -> Verdict:
    """Deny care that must not be told of: the service, or the very name of the place, betrays it (PV-08)."""
    unwanted = c.location_sensitive or c.service in policy.protected_services
    return refuse_if(unwanted, protected_service, Reason.PROTECTED_SERVICE)


# -- until a person, or the feed, says otherwise -----------------------------------------------------------------

_IDENTITY = (Reason.IDENTITY_CONFLICT, Reason.IDENTITY_DOUBTFUL)
_OWN_GATE = frozenset({*_IDENTITY, Reason.CONFIDENTIAL_VISIT, Reason.PROTECTION_INDICATOR, Reason.ACCESS_RESTRICTION})


def _held(c: PlanningCircumstances, judge: Callable[..., object], *reasons: Reason) -> Verdict:
    if not (c.patient_holds or c.visit_holds):
        return permit(judge)
    found = next((reason for reason in reasons if reason in c.patient_holds or reason in c.visit_holds), None)
    return permit(judge) if found is None else wait(judge, found)


def identity(c: PlanningCircumstances, _: Policy) -> Verdict:
    """Hold while it is not sure who the patient is (PID-31, PID-32; PI-13)."""
    return _held(c, identity, *_IDENTITY)


def confidential_visit(c: PlanningCircumstances, _: Policy) -> Verdict:
    """Hold a visit marked confidential (PV1-16, table 0099; PV-01)."""
    return _held(c, confidential_visit, Reason.CONFIDENTIAL_VISIT)


def protection_indicator(c: PlanningCircumstances, _: Policy) -> Verdict:
    """Hold a person or visit under protection (PD1-12, PV2-22; PV-02; 45 CFR 164.522(a))."""
    return _held(c, protection_indicator, Reason.PROTECTION_INDICATOR)


def access_restriction(c: PlanningCircumstances, _: Policy) -> Verdict:
    """Hold under any access restriction (ARV; PV-04; 45 CFR 164.522(a))."""
    return _held(c, access_restriction, Reason.ACCESS_RESTRICTION)


def other_hold(c: PlanningCircumstances, _: Policy) -> Verdict:
    """Hold for every further reason set on the person or the visit, known to this list or not (law 6)."""
    return _held(c, other_hold, *sorted((c.patient_holds | c.visit_holds) - _OWN_GATE))


def unmapped_code(c: PlanningCircumstances, _: Policy) -> Verdict:
    """Hold while a code that the rule shows or asks about, or the service, is in no table (PV-08; law 6)."""
    names = ", ".join(c.unmapped) or ("the service" if c.service == UNMAPPED else "")
    return wait(unmapped_code, Reason.UNMAPPED_CODE, detail=names) if names else permit(unmapped_code)


def time_uncertain(c: PlanningCircumstances, _: Policy) -> Verdict:
    """Hold when the time told has no clock or does not exist on the wall (T-06, T-07)."""
    return permit(time_uncertain) if c.time_certain else wait(time_uncertain, Reason.TIME_UNCERTAIN)


def holdout(c: PlanningCircumstances, _: Policy) -> Verdict:
    """Deny to whoever is of the share that a campaign never writes to: what it did is seen against them."""
    return refuse_if(c.held_out, holdout, Reason.HOLDOUT)


# Asked at planning and again, with fresh values, at sending; in this order.
STANDING: tuple[Gate[PlanningCircumstances], ...] = (
    Gate(judge=not_production, denies=(Reason.NOT_PRODUCTION,), cites="X-05; HL7 table 0103"),
    Gate(judge=expired, denies=(Reason.EXPIRED,), cites="SM-17"),
    Gate(judge=deceased, denies=(Reason.DECEASED,), cites="PI-12; 45 CFR 164.502(f)"),
    Gate(judge=merged_away, denies=(Reason.MERGED_AWAY,), cites="AD-18"),
    Gate(judge=identity, holds=_IDENTITY, cites="PI-13; HL7 PID-31, PID-32"),
    Gate(judge=confidential_visit, holds=(Reason.CONFIDENTIAL_VISIT,), cites="PV-01; HL7 PV1-16"),
    Gate(judge=protection_indicator, holds=(Reason.PROTECTION_INDICATOR,), cites="PV-02; 45 CFR 164.522(a)"),
    Gate(judge=access_restriction, holds=(Reason.ACCESS_RESTRICTION,), cites="PV-04; 45 CFR 164.522(a)"),
    Gate(judge=other_hold, holds=(Reason.REPLANNED_AFTER_REVERSAL,), cites="PI-12; AD-31"),
    Gate(judge=protected_service, denies=(Reason.PROTECTED_SERVICE,), cites="PV-08; 42 CFR 2.13"),
    Gate(judge=unmapped_code, holds=(Reason.UNMAPPED_CODE,), cites="PV-08; PH-07"),
    Gate(judge=time_uncertain, holds=(Reason.TIME_UNCERTAIN,), cites="T-06, T-07"),
    Gate(judge=holdout, denies=(Reason.HOLDOUT,), cites="the rule's owner", test="test_campaigns.py"),
)
PLANNING: tuple[Gate[PlanningCircumstances], ...] = (
    Gate(judge=too_old, denies=(Reason.TOO_OLD,), cites="X-07"),
    *STANDING,
)
