"""Messages of our own making for the ER7 tests."""

from __future__ import annotations

import pytest

ADMISSION = (
    b"MSH|^~\\&|EHR|HOSP|GW|HOSP|20260301120000-0500||ADT^A04^ADT_A01|0001|P|2.5.1\r"
    b"EVN||20260301120000\rPID|1||123^^^HOSP^MR||DOE^JANE\rPV1|1|O\r"
)


@pytest.fixture
def admission() -> bytes:
    """The message M of conformance 5.1."""
    return ADMISSION
