"""Who may do what at the API and the staff pages: one closed table from role to right, and nobody has a right by default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from gateway.model.when import Millis


class Role(StrEnum):
    """What somebody is here for (45 CFR 164.312(a)(1))."""

    ANALYST = "analyst"
    OPERATOR = "operator"
    PRIVACY_OFFICER = "privacy-officer"
    AUDITOR = "auditor"


class Right(StrEnum):
    """One thing that can be allowed."""

    WORKLIST_READ = "worklist.read"
    OUTBOX_READ = "outbox.read"
    OUTBOX_CONTROL = "outbox.control"
    CAMPAIGN_APPROVE = "campaign.approve"  # let a campaign leave or go on, believe what its table says
    STORY_READ = "story.read"  # of a message or request: nobody is named
    PERSON_READ = "person.read"  # story, consents and preferences of somebody found by identifier
    CONSENT_WRITE = "consent.write"
    SUPPRESSION_READ = "suppression.read"
    SUPPRESSION_WRITE = "suppression.write"
    REPLY_READ = "reply.read"  # the words a person wrote
    REPLY_DECIDE = "reply.decide"
    DESCRIPTION_READ = "description.read"  # of the API itself


_ALL = frozenset({Right.WORKLIST_READ, Right.OUTBOX_READ, Right.STORY_READ, Right.DESCRIPTION_READ})
GRANTS: Mapping[Role, frozenset[Right]] = MappingProxyType(
    {
        Role.ANALYST: _ALL,
        Role.OPERATOR: _ALL | {Right.OUTBOX_CONTROL, Right.SUPPRESSION_READ, Right.REPLY_READ, Right.REPLY_DECIDE},
        Role.PRIVACY_OFFICER: frozenset(Right),
        Role.AUDITOR: _ALL | {Right.PERSON_READ, Right.SUPPRESSION_READ},
    }
)
"""Minimum necessary (45 CFR 164.514(d)(2)): who audits changes nothing and reads no words that a patient wrote."""


class Refusal(StrEnum):
    """Why somebody was turned away; the word the audit log keeps."""

    NO_CREDENTIALS = "no-credentials"
    KEY_UNKNOWN = "key-unknown"
    KEY_EXPIRED = "key-expired"
    KEY_REVOKED = "key-revoked"
    TOKEN_INVALID = "token-invalid"  # noqa: S105 -- a word, not a password
    TOKEN_EXPIRED = "token-expired"  # noqa: S105
    NO_ROLE = "no-role"  # known, and nothing here is theirs
    NOT_ALLOWED = "not-allowed"  # known, and this is not theirs
    FORGED = "forged"  # a form that did not come from our own page
    TOO_MANY = "too-many"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody who proved who they are. `account`: as the audit names them; `key`: the api_key row, None for a token."""

    account: str
    roles: frozenset[Role]
    key: int | None = None
    until: Millis | None = None

    def may(self, right: Right) -> bool:
        """Whether any of their roles has it."""
        return any(right in GRANTS[role] for role in self.roles)


def roles_of(words: Iterable[str]) -> frozenset[Role]:
    """The roles among words; words that are no role give nothing."""
    known = frozenset(Role)
    return frozenset(Role(word) for word in words if word in known)
