"""Words for what left about a person: to whom, under which exemption, with which label (45 CFR 164.528, 42 CFR 2.25)."""

from __future__ import annotations

from enum import StrEnum


class Recipient(StrEnum):
    """Who was meant to read it."""

    INDIVIDUAL = "individual"
    REPRESENTATIVE = "personal-representative"  # 45 CFR 164.502(g): as the individual
    SYSTEM = "another-system"  # of the covered entity or of a business associate
    ANOTHER = "another-person"


class Exemption(StrEnum):
    """Why a disclosure need not be accounted for; `none`: it must be (164.528(a)(1))."""

    TO_INDIVIDUAL = "to-the-individual"
    OPERATIONS = "treatment-payment-operations"
    AUTHORIZATION = "by-authorization"
    NONE = "none"

    @property
    def clause(self) -> str:
        """The clause that exempts, or that asks for the accounting."""
        return _CLAUSES[self]


_CLAUSES = {
    Exemption.TO_INDIVIDUAL: "45 CFR 164.528(a)(1)(ii)",
    Exemption.OPERATIONS: "45 CFR 164.528(a)(1)(i)",
    Exemption.AUTHORIZATION: "45 CFR 164.528(a)(1)(iv)",
    Exemption.NONE: "45 CFR 164.528(a)(1)",
}

PART_2 = "part-2"
"""The label of what tells of a substance use disorder program (42 CFR 2.25, 2.32)."""
