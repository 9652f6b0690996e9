"""A person is known by authority, type and value together; a social security number never matches anyone (PI-01)."""

from __future__ import annotations

from gateway.er7.bounds import MOST_REPETITIONS, too_many
from gateway.er7.reader import NULL
from gateway.mapping.computed import Gives, computed
from gateway.mapping.scope import Scope
from gateway.model.party import Identifier

_HISTORIC = frozenset({"PID-2", "PID-4"})
_DIES = frozenset({"MRG-1"})  # the end of its time (CX.8) is what the merge says (AD-18)
NEVER_MATCHES = frozenset({"SS", "SSN", "DL", "DLN"})  # whatever a mapping says: design, "Rules and mappings"


@computed(Gives.IDENTIFIERS)
def patient_identifiers(
    scope: Scope, *fields: str, names: tuple[str, ...], never: frozenset[str]
) -> tuple[Identifier, ...]:
    """Identifiers that may match a person: authority (CX.4), type (CX.5), value (CX.1) as written (PI-01, PI-02).

    Left out: types in `never`, expired or not yet valid ones (CX.7, CX.8) but of MRG-1, truncated ones (P-14), and what
    old PID-2/PID-4 say without naming an authority (PI-03). Raises Unreadable (AE 198) for a field that repeats
    too often.
    """
    found: list[Identifier] = []
    for name, field in zip(names, fields, strict=True):
        if field:
            if scope.repetition and field.count(scope.repetition) >= MOST_REPETITIONS:
                raise too_many(name[:3], int(name[4:]))
            historic, dies = name in _HISTORIC, name in _DIES
            for repetition in scope.repetitions(field):
                one = _identifier(scope, repetition.split(scope.component), never, historic=historic, dies=dies)
                if one is not None and one not in found:
                    found.append(one)
    return tuple(found)


def authority_of(scope: Scope, raw: str) -> str:
    """The name of an assigning authority (HD): namespace id, else universal id; `''` when not told."""
    if raw.isalnum():
        return raw
    separator = scope.message.separators.subcomponent
    if not separator or separator not in raw:
        return scope.message.text(raw).strip(" ") if raw != NULL else ""
    parts = raw.split(separator)
    return scope.message.text(parts[0] or parts[1]).strip(" ")


def adopted(losers: tuple[Identifier, ...], survivors: tuple[Identifier, ...]) -> tuple[Identifier, ...]:
    """MRG-1's identifiers with a type where they lack one: the one type PID-3 has for that authority (AD-18)."""
    return tuple(_typed(loser, survivors) for loser in losers)


def _typed(loser: Identifier, survivors: tuple[Identifier, ...]) -> Identifier:
    if loser.type:
        return loser
    types = {one.type for one in survivors if one.system == loser.system and one.value != loser.value}
    return Identifier(loser.system, types.pop(), loser.value) if len(types) == 1 else loser


def _identifier(
    scope: Scope, parts: list[str], never: frozenset[str], *, historic: bool, dies: bool
) -> Identifier | None:
    count = len(parts)
    kind = parts[4].strip(" ") if count > 4 else ""
    raw = parts[0]
    if not raw or kind in never or raw == NULL or scope.is_truncated(raw):
        return None
    if count > 6 and not dies and not _in_force(scope, parts):
        return None
    told = authority_of(scope, parts[3]) if count > 3 and parts[3] else ""
    value = raw if raw.isalnum() else scope.text(raw)
    if not value or (historic and not told):
        return None
    return Identifier(told or scope.feed.default_authority, "" if kind == NULL else kind, value)


def _in_force(scope: Scope, parts: list[str]) -> bool:
    since = scope.when(parts[6])
    until = scope.when(parts[7]) if len(parts) > 7 else None
    return (since is None or since.utc <= scope.moment) and (until is None or scope.moment < _end(until.utc))


def _end(day: int) -> int:
    return day + 24 * 3_600_000  # CX.8 is a date (DT): valid through that day
