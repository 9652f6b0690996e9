"""What an ORU says about a result: final only when report and observations say so; its values are never kept (OR-01 to OR-09)."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.er7.reader import NULL
from gateway.mapping.codes import CodeTable
from gateway.mapping.computed import Gives, computed
from gateway.mapping.entities import code, entity
from gateway.mapping.scope import Scope
from gateway.model.facts import UNMAPPED, FactType

_REPORT, _OBSERVATION = "HL70123", "HL70085"  # the tables of OBR-25 and OBX-11, as a code's system
_STATUS, _FLAGS = 11, 8
_GONE = frozenset({"deleted", "unobtainable"})
_RELEASED = frozenset({"final", "corrected", "deleted"})
_WRONG = "W"


@computed(Gives.KEY)
def result_key(scope: Scope, filler: str, placer: str, order_filler: str, order_placer: str, test: str) -> str | None:
    """Filler order (OBR-3, else ORC-3), else placer order, with the test (OBR-4): one accession holds several (OR-07)."""
    told = (("filler", filler), ("filler", order_filler), ("placer", placer), ("placer", order_placer))
    for which, field in told:
        found = entity(scope, which, field)
        if found is not None:
            return f"{found}|{code(scope, test)}"
    return None


@computed(FactType.CODE)
def result_status(scope: Scope, report: str, _: str, *, codes: CodeTable) -> str:
    """OBR-25 and every OBX-11 together: final or corrected only when all say so, retracted, else preliminary (OR-02).

    `codes` holds both tables, with their names as coding systems ("F^^HL70123", "F^^HL70085"): table 0123 and
    0085 use the same letters for different things.
    """
    whole = _word(scope, code(scope, report), _REPORT, codes) if report else "preliminary"
    every = list(_every(scope, codes))
    if "wrong" in every or whole == "cancelled" or (every and _GONE.issuperset(every)):
        return "retracted"
    if whole == UNMAPPED or UNMAPPED in every:
        return UNMAPPED
    if whole not in ("final", "corrected") or not every or not _RELEASED.issuperset(every):
        return "preliminary"
    return "corrected" if whole == "corrected" or {"corrected", "deleted"} & set(every) else "final"


@computed(FactType.YESNO)
def abnormal(scope: Scope, _: str, *, codes: CodeTable) -> bool | None:
    """Whether any OBX-8 (table 0078) is other than normal; an unknown flag is (OR-09)."""
    words = _flags(scope, codes)
    return any(word != "normal" for word in words) if words else None


@computed(Gives.FLAG)
def critical(scope: Scope, _: str, *, codes: CodeTable) -> bool | None:
    """Holds while any OBX-8 is critical or unknown: a machine is never the first to tell (OR-09)."""
    words = _flags(scope, codes)
    return any(word in ("critical", UNMAPPED) for word in words) if words else None


@computed(Gives.FLAG)
def wrong_patient(scope: Scope, _: str) -> bool | None:
    """Holds once any OBX-11 is W: sent for the wrong patient, which only a person can settle (OR-05)."""
    return True if any(status == _WRONG for status in _statuses(scope)) else None


def _every(scope: Scope, codes: CodeTable) -> Iterator[str]:
    for status in _statuses(scope):
        yield _word(scope, status, _OBSERVATION, codes) if status else "preliminary"


def _statuses(scope: Scope) -> list[str]:
    """OBX-11 of every observation that is one; a status is required, so a missing one is not final (OR-01)."""
    found = [fields for fields in scope.message.all("OBX") if len(fields) > 3]
    return [code(scope, fields[_STATUS]) if len(fields) > _STATUS else "" for fields in found]


def _flags(scope: Scope, codes: CodeTable) -> list[str]:
    raws = (fields[_FLAGS] for fields in scope.message.all("OBX") if len(fields) > _FLAGS)
    told = (one for raw in raws for one in scope.repetitions(raw) if one and one != NULL)
    return [word for one in told if (word := codes.word(one, scope.message.separators)) is not None]


def _word(scope: Scope, status: str, system: str, codes: CodeTable) -> str:
    mark = scope.component
    return codes.word(f"{status}{mark}{mark}{system}", scope.message.separators) or UNMAPPED
