"""What a person may ask for, and what we must tell after a breach; every answer is audited before it is given."""

from gateway.pipeline.rights.accounting import Accounting, Disclosure, account_for
from gateway.pipeline.rights.breach import Assessment, Exposure, Individual, assess
from gateway.pipeline.rights.erasing import Erasure, erase, erase_tokens
from gateway.pipeline.rights.exporting import export
from gateway.pipeline.rights.paper import page
from gateway.pipeline.rights.persons import Who

__all__ = [
    "Accounting",
    "Assessment",
    "Disclosure",
    "Erasure",
    "Exposure",
    "Individual",
    "Who",
    "account_for",
    "assess",
    "erase",
    "erase_tokens",
    "export",
    "page",
]
