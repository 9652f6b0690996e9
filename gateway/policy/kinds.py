"""Which gates each kind of request passes: a rule's sends all of them, what the gateway says of its own accord lists of its own (law 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from gateway.model.policy import Policy
from gateway.model.request import RequestKind
from gateway.model.when import Millis
from gateway.policy import gates, legal, sending
from gateway.policy.circumstances import Circumstances
from gateway.policy.gates import Gate
from gateway.policy.sending import SENDING

_BY_NAME: Mapping[str, Gate[Circumstances]] = {gate.name: gate for gate in SENDING}
_QUIET, _LAW = (_BY_NAME[gates.named(judge)] for judge in (sending.quiet_hours, sending.legal_limit))


def _named(*judges: Callable[..., object]) -> tuple[Gate[Circumstances], ...]:
    return tuple(_BY_NAME[gates.named(judge)] for judge in judges)


# An answer to what somebody has just written: neither consent nor the hour is asked, and STOP is what it confirms.
_ANSWER = _named(
    sending.stopped,
    sending.channel_stopped,
    gates.expired,
    gates.deceased,
    gates.merged_away,
    sending.channel_configured,
    sending.agreement,
    sending.suppressed,
    sending.address,
    sending.listed,
)
# Asked for a moment ago by somebody at our door: the hour is theirs, but STOP binds.
_CODE = _named(
    sending.stopped,
    sending.channel_stopped,
    gates.expired,
    gates.deceased,
    gates.merged_away,
    gates.identity,
    sending.channel_configured,
    sending.agreement,
    sending.opted_out,
    sending.suppressed,
    sending.address,
    sending.listed,
)
# That something waits in the portal; what waits there has passed every gate of its own. A notice of marketing solicits too.
_NOTICE = _named(
    sending.stopped,
    sending.channel_stopped,
    gates.expired,
    gates.deceased,
    gates.merged_away,
    gates.identity,
    gates.protection_indicator,
    gates.access_restriction,
    gates.other_hold,
    sending.channel_configured,
    sending.agreement,
    sending.consent,
    sending.opted_out,
    sending.suppressed,
    sending.address,
    sending.listed,
    sending.frequency_cap,
    sending.quiet_hours,
    sending.legal_limit,
)

GATES: Mapping[RequestKind, tuple[Gate[Circumstances], ...]] = MappingProxyType(
    {
        RequestKind.RULE: SENDING,
        RequestKind.OPT_OUT_CONFIRMATION: _ANSWER,
        RequestKind.HELP_REPLY: _ANSWER,
        RequestKind.CODE: _CODE,
        RequestKind.PICK_UP_NOTICE: _NOTICE,
    }
)


def rings_until(c: Circumstances, policy: Policy, kind: RequestKind) -> Millis | None:
    """Until when what is cleared now may still reach somebody (Millis UTC): its own end, or when the hours end; None: at any time.

    Whoever carries it on must drop what is late: nobody is woken by it, or reminded of what is over (SM-17).
    """
    quiet = sending.quiet_from(c, policy) if _QUIET in GATES[kind] else None
    law = legal.closes(c) if _LAW in GATES[kind] else None
    return min((at for at in (c.expires, quiet, law) if at is not None), default=None)
