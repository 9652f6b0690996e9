"""Until when something must be heard of an attempt that is made now: as its rule says, and the site (pure)."""

from __future__ import annotations

from typing import NamedTuple

from gateway.model.consent import ChannelKind
from gateway.model.policy import Policy
from gateway.model.rule import Rule
from gateway.model.when import Millis


class Watched(NamedTuple):
    """Until when something must be heard of an attempt (Millis UTC), in the order of the columns."""

    silent_at: Millis | None
    read_by: Millis | None


NOBODY_WAITS = Watched(None, None)


def watch_of(rule: Rule, policy: Policy, channel: ChannelKind, now: Millis, *, alone: bool) -> Watched:
    """What is waited for of an attempt made now. `alone`: no channel may follow, or it is the one that followed."""
    silent = None if alone or rule.silent_after is None else now + rule.silent_after
    within = policy.portal_read_within if rule.read_within is None else rule.read_within
    unread = None if channel is not ChannelKind.PORTAL or within is None else now + within
    return Watched(silent, unread)
