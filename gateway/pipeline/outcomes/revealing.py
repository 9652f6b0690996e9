"""Which named facts of an occurrence a sink is given, and of which occurrences it is told nothing at all; what cannot be judged is withheld."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, Final

from gateway.model.consent import Consent, ConsentKind
from gateway.model.facts import UNMAPPED, FactValue, Sensitivity
from gateway.model.outcome import OutcomeKind, Told
from gateway.model.policy import SERVICE_FACTS, Policy
from gateway.model.verdict import Reason
from gateway.model.when import Precision, When
from gateway.pipeline.directory import CONSENT_KINDED
from gateway.pipeline.rows import split_reasons
from gateway.pipeline.site import SinkEntry, Site
from gateway.policy.consents import lifted
from gateway.store import tables
from gateway.store.uow import UnitOfWork

_RESTRICTING: Final = frozenset(
    {
        Reason.IDENTITY_CONFLICT,
        Reason.IDENTITY_DOUBTFUL,
        Reason.CONFIDENTIAL_VISIT,
        Reason.PROTECTION_INDICATOR,
        Reason.ACCESS_RESTRICTION,
        Reason.PUBLICITY_RESTRICTED,
        Reason.WRONG_PATIENT,
    }
)
"""Holds that say that something is confidential, or perhaps somebody else's (PV-01 to PV-04, OR-05)."""
_DIGITS: Final = {Precision.YEAR: 4, Precision.MONTH: 7, Precision.DAY: 10, Precision.HOUR: 10}


class Revealing:
    """What one sink may know of occurrences beyond that they led to something."""

    def __init__(self, uow: UnitOfWork, site: Site, sink: SinkEntry, policy: Policy) -> None:
        self._uow, self._site, self._sink, self._policy = uow, site, sink, policy
        self.asked = bool(sink.facts) or sink.tells(OutcomeKind.EVENT)

    def of(
        self, facts: Mapping[str, FactValue] | None, facility: str | None, holds: Collection[str]
    ) -> dict[str, Told] | None:
        """The facts named for the sink; None: nothing of this may be known there. `facts`: None when they were forgotten."""
        if facts is None or self.protected(facts, facility) or _restricting(holds):
            return None
        named = [(name, facts[name]) for name in sorted(self._sink.facts) if name in facts]
        return {name: told(value) for name, value in named if self._may(name, value)}

    def protected(self, facts: Mapping[str, FactValue], facility: str | None) -> bool:
        """Whether its service or place betrays what care it is, or may: a code nobody mapped does (PV-08)."""
        services = [(name, facts[name]) for name in SERVICE_FACTS if name in facts]
        location = self._site.location(facts, facility)
        return any(not self._may(*one) or one[1] in self._policy.protected_services for one in services) or (
            location is not None and location.sensitive
        )

    def _may(self, name: str, value: FactValue) -> bool:
        return value != UNMAPPED and self._site.sensitivity(name, value) < Sensitivity.PROTECTED

    def restricted(self, people: Collection[int]) -> set[int]:
        """Of these people (roots), those who were promised a restriction that still stands (45 CFR 164.522(a))."""
        losers = self._uow.lookup(tables.patient, ("token", "survivor"), "survivor", sorted(people))
        whose = {one: one for one in people} | dict(losers)
        said: dict[int, list[Consent]] = {}
        for row in self._uow.lookup(tables.consent, CONSENT_KINDED, "patient", sorted(whose)):
            entry: dict[str, Any] = dict(zip(CONSENT_KINDED, row, strict=True))
            if entry["kind"] == ConsentKind.RESTRICTION:
                one = Consent(**(entry | {"permit": bool(entry["permit"]), "kind": ConsentKind.RESTRICTION}))
                said.setdefault(whose[entry["patient"]], []).append(one)
        return {person for person, entries in said.items() if _stands(entries)}


def _restricting(holds: Collection[str]) -> bool:
    return any(not _RESTRICTING.isdisjoint(split_reasons(one)) for one in holds)


def _stands(entries: list[Consent]) -> bool:
    permits = [one for one in entries if one.permit]
    return any(not one.permit and not lifted(one, permits) for one in entries)


def told(value: FactValue) -> Told:
    """A fact as others get it; a time as FHIR's dateTime, as far as it was told and where it was told (T-01)."""
    if isinstance(value, When):
        text = value.local().isoformat(timespec="seconds")
        return text[: _DIGITS.get(value.precision, len(text))]
    return value.isoformat() if isinstance(value, date) else value
