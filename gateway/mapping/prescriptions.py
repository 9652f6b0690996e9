"""What RDE, RDS, OMP and ORM say about a prescription: ORC-1 decides, and not every RDE is a new one (RX-01 to RX-03)."""

from __future__ import annotations

from gateway.mapping.codes import CodeTable
from gateway.mapping.computed import Gives, computed
from gateway.mapping.entities import code, entity
from gateway.mapping.scope import Scope
from gateway.model.facts import FactType

# Words of order control that tell something about refills (RF to OF, status, change).
_REFILLS = frozenset({"changed", "renewed"})


@computed(Gives.KEY)
def prescription_key(scope: Scope, placer: str, *numbers: str) -> str | None:
    """Placer order (ORC-2), else the prescription number, else the filler order (ORC-3)."""
    return entity(scope, "placer", placer) or next(
        (found for number in numbers if (found := entity(scope, "number", number)) is not None), None
    )


@computed(Gives.KEY)
def dispense_key(scope: Scope, counter: str, at: str, placer: str, *numbers: str) -> str | None:
    """The prescription with RXD-1 and RXD-3: each dispense is one of its own (RX-02)."""
    whole = prescription_key(scope, placer, *numbers)
    return None if whole is None else f"{whole}|{code(scope, counter)}|{code(scope, at)}"


@computed(FactType.CODE)
def prescription_change(scope: Scope, control: str, remaining: str, *, codes: CodeTable) -> str | None:
    """ORC-1 by table 0119; where it tells of refills, RXE-16 decides: valued 0 none are left, empty is unknown (RX-01)."""
    word = codes.word(control, scope.message.separators)
    left = _number(scope, remaining)
    if word not in _REFILLS or left is None:
        return word
    return "renewed" if left else "no-refills-left"


def _number(scope: Scope, raw: str) -> float | None:
    told = scope.first(raw).strip(" ")
    return float(told) if told.replace(".", "", 1).isdecimal() and len(told) < 8 else None
