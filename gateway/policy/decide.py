"""The only maker of a Clearance: it exists when, and only when, every gate permitted (law 3)."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.policy import Policy
from gateway.model.request import RequestKind
from gateway.model.verdict import _MINT, Clearance, Deny, Hold, Permit, Reason, Verdict
from gateway.policy.circumstances import Circumstances, PlanningCircumstances, SendingCircumstances
from gateway.policy.gates import PLANNING
from gateway.policy.kinds import GATES
from gateway.policy.sending import BEFORE_CHANNELS

# Denials that speak about one channel only, so that the rule's next channel may be asked.
_OF_THE_CHANNEL = frozenset(
    {
        Reason.CHANNEL_NOT_CONFIGURED,
        Reason.NO_AGREEMENT,
        Reason.RESTRICTED,
        Reason.NO_CONSENT,
        Reason.CONSENT_DENIED,
        Reason.OPTED_OUT,
        Reason.SUPPRESSED,
        Reason.NO_ADDRESS,
        Reason.NOT_LISTED,
        Reason.ABOVE_CEILING,
    }
)

_AT_PLANNING = tuple(gate.judge for gate in PLANNING)
_BEFORE_CHANNELS = tuple(gate.judge for gate in BEFORE_CHANNELS)
_AT_SENDING = {kind: tuple(gate.judge for gate in gates) for kind, gates in GATES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the gates said, in order; `clearance` only when all of them permitted, else `against`: the first that did not."""

    clearance: Clearance | None
    verdicts: tuple[Verdict, ...]
    against: Hold | Deny | None


def decide(c: Circumstances, policy: Policy, kind: RequestKind = RequestKind.RULE) -> Decision:
    """Ask every gate of the kind in order; the first that does not permit decides, and a clearance needs them all.

    Raises ValueError for a zone that does not exist: nothing leaves on values that cannot be read.
    """
    verdicts = tuple([judge(c, policy) for judge in _AT_SENDING[kind]])
    refused = [verdict for verdict in verdicts if not isinstance(verdict, Permit)]
    if refused:
        return Decision(clearance=None, verdicts=verdicts, against=refused[0])
    return Decision(clearance=_clearance(c), verdicts=verdicts, against=None)


def _clearance(c: Circumstances) -> Clearance:
    assert c.contact_point is not None  # the address gate permitted
    return Clearance(
        request=c.request,
        patient=c.patient,
        channel=c.channel,
        contact_point=c.contact_point,
        rule=c.rule,
        ruleset=c.ruleset,
        template_digest=c.template_digest,
        reveals=c.reveals,
        decided=c.now,
        mint=_MINT,
    )


def at_planning(c: PlanningCircumstances, policy: Policy) -> Deny | Hold | None:
    """What is known against a send when it is planned: a denial withholds it, else a hold waits for a person.

    A denial is looked for first: what will never leave needs nobody's attention. None plans it.
    """
    held: Hold | None = None
    for judge in _AT_PLANNING:
        verdict = judge(c, policy)
        if isinstance(verdict, Permit):  # as nearly all are
            continue
        if isinstance(verdict, Deny):
            return verdict
        held = held or verdict
    return held


def before_channels(c: SendingCircumstances, policy: Policy) -> Deny | Hold | None:
    """What `decide` would say first against a send by any channel: then no channel need be looked at. None: ask `decide`."""
    for judge in _BEFORE_CHANNELS:
        verdict = judge(c, policy)
        if isinstance(verdict, Deny | Hold):
            return verdict
    return None


def next_channel_may(verdict: Verdict) -> bool:
    """Whether a denial concerns this channel alone, so that the rule's next channel is asked; a hold waits."""
    return isinstance(verdict, Deny) and verdict.reason in _OF_THE_CHANNEL
