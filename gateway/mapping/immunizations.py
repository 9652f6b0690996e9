"""What a VXU says about a vaccination: given now, taken back, refused, or only told from history (VX-01)."""

from __future__ import annotations

from gateway.mapping.computed import Gives, computed
from gateway.mapping.entities import code, entity
from gateway.mapping.scope import Scope
from gateway.model.facts import FactType

_NO_ORDER = "9999"  # what senders write in ORC-3 when nothing was ordered: the same for everybody
_NOT_A_VACCINE = frozenset({"998", "999"})  # CVX: no vaccine administered, unknown
_NEW = "00"  # RXA-9, NIP001: administered now; 01 to 08 are told from history
_NOT_GIVEN = frozenset({"RE", "NA"})
_DONE = {"": "given", "CP": "given", "PA": "partial", "RE": "refused", "NA": "not-given"}  # RXA-20, table 0322


@computed(Gives.KEY)
def immunization_key(scope: Scope, filler: str, placer: str, vaccine: str, at: str) -> str | None:
    """Filler (ORC-3), else placer (ORC-2) order; without one the vaccine and the day it was given."""
    for which, field in (("filler", filler), ("placer", placer)):
        found = entity(scope, which, field) if code(scope, field) != _NO_ORDER else None
        if found is not None:
            return found
    given, day = code(scope, vaccine), code(scope, at)[:8]
    return f"dose|{given}|{scope.feed.default_authority}|{day}" if given and day else None


@computed(FactType.CODE)
def immunization_state(scope: Scope, completion: str, action: str, source: str, vaccine: str) -> str:
    """given, retracted, refused, partial, not-given, or history (RXA-9), by RXA-20 (tables 0322, 0206).

    Retracted is what RXA-21 deletes (D), and what it updates (U) to not having been given: it was told as given before.
    """
    change, done = code(scope, action), code(scope, completion)
    if change == "D" or (change == "U" and done in _NOT_GIVEN):
        return "retracted"
    if code(scope, source) not in ("", _NEW):
        return "history"
    if code(scope, vaccine) in _NOT_A_VACCINE:
        return "not-given"
    return _DONE.get(done, "not-given")
