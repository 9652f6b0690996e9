"""What a message forbids: an unknown value or any free text restricts until a person has looked (PV-01 to PV-05)."""

from __future__ import annotations

from gateway.er7.reader import NULL
from gateway.mapping.codes import CodeTable
from gateway.mapping.computed import Gives, computed
from gateway.mapping.scope import Scope

_OPEN = "open"  # the word of a code table for "restricts nothing"


@computed(Gives.FLAG)
def indicator(scope: Scope, raw: str) -> bool | None:
    """A yes/no indicator that holds unless it says no: N or `""` lifts, anything else holds (PD1-12, PV2-22; PV-02)."""
    told = scope.first(raw).strip(" ").upper()
    return told not in ("N", NULL) if told else None


@computed(Gives.FLAG)
def restricted_code(scope: Scope, raw: str, *, codes: CodeTable) -> bool | None:
    """A code that holds unless the table calls it open (PD1-11, PV2-21; PV-03); `""` lifts."""
    if raw == NULL:
        return False
    word = codes.word(scope.repetitions(raw)[0], scope.message.separators)
    return None if word is None else word != _OPEN


@computed(Gives.FLAG)
def vip(scope: Scope, raw: str, *, codes: CodeTable) -> bool | None:
    """PV1-16: any value outside the feed's "not VIP" set and the table's open codes blocks (table 0099, PV-01)."""
    told = scope.first(raw).strip(" ")
    if not told:
        return None
    if told == NULL or told in scope.feed.not_vip:
        return False
    return codes.word(raw, scope.message.separators) != _OPEN


@computed(Gives.FLAG)
def identity_doubtful(scope: Scope, unknown: str, reliability: str) -> bool | None:
    """PID-31 = Y, or any PID-32 reliability code (table 0445), holds contact; N or `""` lifts (PI-13)."""
    told = scope.first(unknown).strip(" ").upper()
    doubted = reliability.strip(" ")
    if (told and told not in ("N", NULL)) or (doubted and doubted != NULL):
        return True
    return False if told or doubted else None


@computed(Gives.FLAG)
def person_restriction(scope: Scope, *_: str, codes: CodeTable) -> bool | None:
    """ARV before PV1: restrictions on the person (2.6+, PV-04); False when every ARV told lifts."""
    return _restriction(scope, codes, visit=False)


@computed(Gives.FLAG)
def visit_restriction(scope: Scope, *_: str, codes: CodeTable) -> bool | None:
    """ARV after PV1: restrictions on this visit (PV-04); and the security label of MSH-26 to MSH-28 (PV-05)."""
    label = _labelled(scope, codes)
    found = _restriction(scope, codes, visit=True)
    return label if found is None else bool(label) or found


def _restriction(scope: Scope, table: CodeTable, *, visit: bool) -> bool | None:
    found = [_restricts(scope, table, fields) for fields in _of(scope, visit=visit)]
    told = [one for one in found if one is not None]
    return any(told) if told else None


def _of(scope: Scope, *, visit: bool) -> list[list[str]]:
    seen, found = False, []
    for line in scope.message.lines:
        seen = seen or line.startswith("PV1")
        if line.startswith("ARV") and seen == visit:
            found.append(line.split(scope.message.separators.field))
    return found


def _restricts(scope: Scope, table: CodeTable, fields: list[str]) -> bool | None:
    """One ARV: action code ARV-2 (table 0206), restriction ARV-3, free text ARV-5, dates ARV-6 (SEG ARV)."""
    fields = fields + [""] * (7 - len(fields))
    restriction, instructions = fields[3], fields[5]
    if scope.first(fields[2]).strip(" ").upper() == "D" or NULL in (restriction, fields[1]):
        return False
    if _expired(scope, fields[6]):
        return None
    if instructions and instructions != NULL:
        return True  # free text such as "not to the brother": a person must read it
    words = [table.word(one, scope.message.separators) for one in scope.repetitions(restriction)]
    return any(word != _OPEN for word in words)


def _expired(scope: Scope, dates: str) -> bool:
    parts = scope.parts(dates)
    until = scope.when(parts[1]) if len(parts) > 1 else None
    return until is not None and until.utc < scope.moment


def _labelled(scope: Scope, table: CodeTable) -> bool | None:
    """MSH-26 classification, MSH-27 caveats, MSH-28 restriction text (v2.9)."""
    header = scope.message.header
    if len(header.fields) <= 26:
        return None
    if header.get(27) or header.get(28):
        return True
    return table.word(header.raw(26), scope.message.separators) != _OPEN if header.get(26) else None
