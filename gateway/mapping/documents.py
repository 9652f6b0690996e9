"""What an MDM says about a document: released only when available, authenticated and of usual confidentiality (DO-01)."""

from __future__ import annotations

from gateway.mapping.computed import Gives, computed
from gateway.mapping.entities import code, entity
from gateway.mapping.scope import Scope
from gateway.model.facts import FactType

_AUTHENTICATED = frozenset({"AU", "LA"})  # table 0271: authenticated, legally authenticated
_USUAL = frozenset({"", "U"})  # table 0272; the field is optional, any value but "usual" restricts
_WITHDRAWN = frozenset({"CA", "OB"})  # table 0275: deleted, obsolete


@computed(Gives.KEY)
def document_key(scope: Scope, number: str) -> str | None:
    """The unique document number (TXA-12), or that of the parent (TXA-13)."""
    return entity(scope, "document", number)


@computed(FactType.CODE)
def document_state(scope: Scope, completion: str, confidentiality: str, availability: str) -> str:
    """TXA-17, TXA-18 and TXA-19 together: released, withdrawn, else unreleased (tables 0271, 0272, 0275)."""
    available = code(scope, availability)
    if available in _WITHDRAWN:
        return "withdrawn"
    usual = code(scope, confidentiality) in _USUAL
    released = available == "AV" and code(scope, completion) in _AUTHENTICATED and usual
    return "released" if released else "unreleased"
