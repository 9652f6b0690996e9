"""In which order a person's channels are asked: the rule's, but `preferred` puts the one they ranked first before the others.

The rank is what their feed tells of each address: XTN.18 (PI-09), lowest first. Where none is told the rule's order stands.
"""

from __future__ import annotations

from gateway.model.consent import ChannelKind
from gateway.model.rule import Rule
from gateway.model.when import Millis
from gateway.pipeline.directory import Directory
from gateway.pipeline.rows import PatientRow
from gateway.pipeline.weighing import usable

_UNRANKED = 99  # `ContactPoint.rank` of what nobody ranked


def in_turn(directory: Directory, rule: Rule, patient: PatientRow, now: Millis) -> tuple[ChannelKind, ...]:
    """The channels of a rule as this person is asked. KeyringError when their addresses cannot be opened."""
    if not rule.preferred_first:
        return rule.channels
    contacts = directory.contacts(patient)
    ranks = {
        channel: min((_UNRANKED, *(one.rank for one in usable(contacts, channel, now)))) for channel in rule.channels
    }
    chosen = min(rule.channels, key=lambda channel: ranks[channel])  # of equals the one the rule names first
    return chosen, *(channel for channel in rule.channels if channel is not chosen)
