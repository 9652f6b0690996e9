"""An OperationOutcome is told apart from trouble: its codes say whether asking again can help; its texts are never read."""

from __future__ import annotations

import re

from connectors.sources.fhir.client.line import Answer
from connectors.sources.fhir.client.resources import loaded, members
from gateway.model.errors import Busy, Denied, Missing, ServerError, Unusable

_CODE = re.compile(r"[a-z][a-z-]{1,30}").fullmatch
_PASSES = frozenset({"transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled"})
"""R4 ValueSet issue-type: `transient` and what is below it."""
_TRY_AGAIN = frozenset({408, 425, 429, 502, 503, 504})


def codes_of(answer: Answer) -> tuple[str, ...]:
    """The issue codes of an OperationOutcome; none for anything else."""
    try:
        told = loaded(answer.body) if answer.body else {}
    except Unusable:
        return ()
    if told.get("resourceType") != "OperationOutcome":
        return ()
    found = (one.get("code") for one in members(told, "issue"))
    return tuple(code for code in found if isinstance(code, str) and _CODE(code))[:8]


def trouble_of(answer: Answer, after: float | None) -> ServerError | None:
    """What an answer means for whoever asked; None for 2xx. `after`: seconds of its Retry-After."""
    status = answer.status
    if 200 <= status < 300:
        return None
    codes = codes_of(answer)
    said = f"the server answered {status}" + (f" ({', '.join(codes)})" if codes else "")
    if status in _TRY_AGAIN or not _PASSES.isdisjoint(codes) or (status >= 500 and not codes):
        return Busy(said, after, status)
    return _KNOWN.get(status, Unusable)(said, status)


_KNOWN: dict[int, type[ServerError]] = {401: Denied, 403: Denied, 404: Missing, 410: Missing}
