"""Of each thing that left: which exemption it has, and whether 42 CFR Part 2 asks for more; what is not exempt is accounted for."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.model.consent import Purpose
from gateway.model.disclosure import PART_2, Exemption, Recipient
from gateway.model.facts import FactValue

PART_2_SERVICES = frozenset({"substance-use"})
"""Words of mappings/codes/service.yaml that mean a program under 42 CFR 2.11."""


def exemption(recipient: Recipient, purpose: str, *, authorized: bool) -> Exemption:
    """Why a disclosure need not be accounted for (45 CFR 164.528(a)(1)).

    `authorized`: an authorization under 164.508 was in force. What went to somebody else has no exemption, whatever
    it was meant for: treatment does not cover a mistake.
    """
    if recipient is Recipient.ANOTHER:
        return Exemption.NONE
    if recipient is Recipient.SYSTEM:
        return Exemption.OPERATIONS
    if purpose == Purpose.HMARKT and authorized:
        return Exemption.AUTHORIZATION
    return Exemption.TO_INDIVIDUAL


def label_of(facts: Mapping[str, FactValue]) -> str | None:
    """PART_2 when the occurrence belongs to a Part 2 program, else None; recorded with the attempt, while it is known."""
    told = (value for name, value in facts.items() if name.endswith(".service"))
    return PART_2 if any(value in PART_2_SERVICES for value in told) else None
