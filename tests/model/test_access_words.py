"""Roles and rights as words: what each role may do is a closed table, and a word that is no role gives nothing."""

from __future__ import annotations

import pytest

from gateway.model.access import GRANTS, Caller, Right, Role, roles_of


def test_only_the_privacy_officer_writes_consents_and_lifts_suppression() -> None:
    """45 CFR 164.312(a)(1), 164.514(d)(2); regulations 8, 19."""
    for right in (Right.CONSENT_WRITE, Right.SUPPRESSION_WRITE):
        assert [role for role in Role if right in GRANTS[role]] == [Role.PRIVACY_OFFICER]


def test_an_auditor_changes_nothing_and_reads_no_words_of_patients() -> None:
    """Minimum necessary: whoever audits needs what was done, not what people wrote."""
    changing = {
        Right.OUTBOX_CONTROL,
        Right.CONSENT_WRITE,
        Right.SUPPRESSION_WRITE,
        Right.REPLY_DECIDE,
        Right.REPLY_READ,
    }
    assert not GRANTS[Role.AUDITOR] & changing


def test_several_roles_add_up() -> None:
    """What any of their roles has, they have; nothing else."""
    both = Caller(account="ada", roles=frozenset({Role.ANALYST, Role.OPERATOR}))
    assert both.may(Right.OUTBOX_CONTROL)
    assert not both.may(Right.PERSON_READ)
    assert not Caller(account="nobody", roles=frozenset()).may(Right.WORKLIST_READ)


@pytest.mark.parametrize(
    ("words", "roles"),
    [
        (["auditor", "admin", ""], {Role.AUDITOR}),
        (["Auditor", "root"], set()),
        (["privacy-officer", "privacy-officer"], {Role.PRIVACY_OFFICER}),
    ],
)
def test_words_that_are_no_role_give_nothing(words: list[str], roles: set[Role]) -> None:
    """An identity provider's groups are foreign words: only the exact ones count."""
    assert roles_of(words) == roles
