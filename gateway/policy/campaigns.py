"""What bounds a campaign: whom it never writes to, and when its hours, days and first days let the next message leave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from gateway.model.consent import ChannelKind
from gateway.model.policy import Policy
from gateway.model.rule import Campaign
from gateway.model.verdict import Reason, Verdict
from gateway.model.when import DAY, Millis, to_datetime, to_millis
from gateway.policy.circumstances import Circumstances, SendingCircumstances
from gateway.policy.gates import permit, refuse_if, wait

_DAY_MINUTES = 24 * 60
Sent = Mapping[Millis, int]
"""How many left, or have a place, in each hour, by the moment it begins (Millis UTC)."""
GROWTH = 10
"""A tenth more people than were approved is no news; beyond it nobody has approved this audience."""


def is_held_out(campaign: Campaign | None, drawn: int) -> bool:
    """Whether somebody who drew `drawn` (0 to 99, always the same of a rule) is of the share never written to."""
    return campaign is not None and drawn < campaign.holdout


def outgrown(people: int, planned: int) -> bool:
    """Whether `planned` people, met since a dry run of `people`, make it another audience than was approved."""
    return planned * GROWTH > people


def hour_of(at: Millis, zone: str) -> Millis:
    """When the hour of the zone's wall clock that `at` lies in began."""
    return to_millis(to_datetime(at, zone).replace(minute=0, second=0, microsecond=0))


def day_of(at: Millis, zone: str) -> Millis:
    """When the day of the zone that `at` lies in began."""
    return to_millis(_midnight(at, zone))


def opens(campaign: Campaign, sent: Sent, begun: Millis | None, at: Millis, zone: str) -> Millis:
    """When the volume lets one more leave: `at` itself, or the beginning of a later hour or day.

    `sent`: at least that of the day of `at`. `begun`: when its first message left, None: none has. A caller asks
    again at the moment told, for that may be full too.
    """
    midnight = _midnight(at, zone)
    tomorrow = to_millis(midnight + timedelta(days=1))
    most = _most(campaign, begun, midnight, zone)
    if (
        most is not None
        and sum(count for hour, count in sent.items() if to_millis(midnight) <= hour < tomorrow) >= most
    ):
        return tomorrow
    hour = hour_of(at, zone)
    if campaign.hourly is not None and sent.get(hour, 0) >= campaign.hourly:
        return to_millis(to_datetime(hour, "UTC") + timedelta(hours=1))
    return at


def open_hours(policy: Policy, channels: Iterable[ChannelKind]) -> int:
    """In how many hours of a day the quiet hours let any of these channels send; 24 of none."""
    quiet = [policy.quiet(one) for one in channels]
    return max((-(-((start - end) % _DAY_MINUTES or _DAY_MINUTES) // 60) for start, end in quiet), default=24)


def days_needed(campaign: Campaign, messages: int, *, hours: int = 24) -> int:
    """Days that so many messages take at the bounds, in so many hours a day; 0: none bounds them."""
    hourly = [] if campaign.hourly is None else [hours * campaign.hourly]
    days, left = 0, messages
    for most in campaign.ramp:
        if left > 0:
            days, left = days + 1, left - min([most, *hourly])
    bounds = [*hourly, *([] if campaign.daily is None else [campaign.daily])]
    if left <= 0:
        return days
    return days + (-(-left // min(bounds)) if bounds else bool(campaign.ramp))


def _midnight(at: Millis, zone: str) -> datetime:
    return to_datetime(at, zone).replace(hour=0, minute=0, second=0, microsecond=0)


def _most(campaign: Campaign, begun: Millis | None, midnight: datetime, zone: str) -> int | None:
    """Most messages of this day: the ramp's on its first days, counted from the one on which any left, then `daily`."""
    first = midnight.date() if begun is None else to_datetime(begun, zone).date()
    number = max(0, (midnight.date() - first).days)  # a clock that went back makes nothing faster
    return campaign.ramp[number] if number < len(campaign.ramp) else campaign.daily


# -- gates --------------------------------------------------------------------------------------------------------


def campaign_running(c: SendingCircumstances, _: Policy) -> Verdict:
    """Hold while the campaign stands still, by itself or by hand; deny once a person said that it is over."""
    if c.campaign is not None and c.campaign.over:
        return refuse_if(True, campaign_running, Reason.CAMPAIGN_STOPPED)
    if c.campaign is not None and c.campaign.stopped:
        return wait(campaign_running, Reason.CAMPAIGN_STOPPED, until=_asked_again(c))
    return permit(campaign_running)


def campaign_approved(c: SendingCircumstances, _: Policy) -> Verdict:
    """Hold what is not the very campaign, to the very audience, whose dry run a person approved."""
    if c.campaign is None or c.campaign.approved:
        return permit(campaign_approved)
    return wait(campaign_approved, Reason.CAMPAIGN_NOT_APPROVED, until=_asked_again(c))


def campaign_volume(c: Circumstances, _: Policy) -> Verdict:
    """Hold until the hour, the day and the ramp-up of the campaign have room for one more."""
    if c.campaign is None or c.campaign.opens <= c.now:
        return permit(campaign_volume)
    return wait(campaign_volume, Reason.CAMPAIGN_VOLUME, until=c.campaign.opens)


def _asked_again(c: SendingCircumstances) -> Millis:
    """A day from now, for whoever approves or resumes has all of it asked at once; or right before it expires."""
    later = c.now + DAY
    return later if c.expires is None else max(min(later, c.expires - 1), c.now + 1)
