"""What an ADT says about a visit: its identity, and what an end or a placeholder means (conformance 1.16)."""

from __future__ import annotations

from gateway.mapping.computed import Gives, computed
from gateway.mapping.identifiers import authority_of
from gateway.mapping.scope import Scope
from gateway.model.event import EventKind
from gateway.model.facts import FactType

# Events after which a time in PV1-45 means that the visit is over (AD-35); after a cancellation it is history.
_MAY_FINISH = frozenset(
    {
        EventKind.ENCOUNTER_ADMITTED,
        EventKind.ENCOUNTER_REGISTERED,
        EventKind.ENCOUNTER_UPDATED,
        EventKind.ENCOUNTER_DISCHARGED,
    }
)


_ACCOUNTS = frozenset({"PID-18", "MRG-3"})


@computed(Gives.KEY)
def visit_key(scope: Scope, *fields: str, names: tuple[str, ...]) -> str | None:
    """The visit number (PV1-19) within its assigning authority, else the account (PID-18); None without (AD-01)."""
    for name, field in zip(names, fields, strict=True):
        parts = scope.parts(scope.repetitions(field)[0])
        told = "" if scope.is_truncated(parts[0]) else scope.text(parts[0])
        if told:
            authority = authority_of(scope, parts[3]) if len(parts) > 3 and parts[3] else ""
            which = "account" if name in _ACCOUNTS else "visit"
            return "|".join((which, told, authority or scope.feed.default_authority))
    return None


@computed(FactType.CODE)
def visit_end(scope: Scope, ended: str) -> str | None:
    """The word "ended" when PV1-45 tells a time: the visit is over, whatever message says so (AD-35, DF-01)."""
    return "ended" if scope.when(ended) is not None else None


def is_placeholder(scope: Scope, patient_class: str) -> bool:
    """Whether the message is about no visit: PV1 is absent, or there only because it must be (PV1-2 = N; AD-15)."""
    if not patient_class:
        return "PV1" not in scope.message
    return scope.first(patient_class).strip(" ").upper() == "N"


def finished(kind: EventKind) -> bool:
    """Whether a time in PV1-45 means that the visit is over although the trigger does not say so (AD-35)."""
    return kind in _MAY_FINISH
