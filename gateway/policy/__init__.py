"""The gates between a planned send and a person: only `decide` makes a clearance, and only when every gate permits."""

from gateway.policy.circumstances import Circumstances, PlanningCircumstances, Representative, Sent
from gateway.policy.decide import Decision, at_planning, decide, next_channel_may
from gateway.policy.zones import plausible_zones

__all__ = [
    "Circumstances",
    "Decision",
    "PlanningCircumstances",
    "Representative",
    "Sent",
    "at_planning",
    "decide",
    "next_channel_may",
    "plausible_zones",
]
