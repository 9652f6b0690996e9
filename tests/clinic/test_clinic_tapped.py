"""What a tap and the records show of a message is never what a sender wrote: its type is one of the standard's, or none."""

from __future__ import annotations

import pytest
from clinic_dsl import Clinic

from gateway.model.event import Format, RawMessage
from gateway.pipeline.inspect import Tap


@pytest.mark.parametrize("told", ["DOE^JANE", "ADT^JANE DOE", "ADT^A01^1970-01-01", "x" * 500])
def test_a_name_in_the_place_of_a_type_is_shown_to_nobody(clinic: Clinic, told: str) -> None:
    """AD-37: a sender whose fields have slipped says a name there."""
    body = f"MSH|^~\\&|A|B|C|D|20260302||{told}|1|P|2.5\rPID|1\r".encode()
    clinic.gateway.receiver.receive(
        [RawMessage(source="ehr", format=Format.HL7V2, body=body, received=clinic.clock.now())]
    )
    (seen,) = Tap(clinic.gateway, "ehr").last(1)
    assert seen.type in ("", "?", "ADT", "ADT^A01")
