"""A CommunicationRequest not to write denies from then on, by what it names; only while it is in force is it heard (W-02)."""

from __future__ import annotations

from typing import Any

import pytest
from clinic_dsl import OpenClinic
from clinic_fhir import SERVER, Server


@pytest.fixture
def served(open_clinic: OpenClinic) -> Server:
    """A clinic that hears a FHIR server, and may write to Ann by e-mail."""
    found = Server(open_clinic(feeds=SERVER))
    found.tells(found.patient("Ann"))
    found.clinic.consents("Ann", to="email")
    found.tells(found.appointment("Ann", "2026-03-20 09:30"))
    return found


def _asks(served: Server, status: str = "active", **more: Any) -> None:
    served.clinic.passes("1m")
    told = {"resourceType": "CommunicationRequest", "id": "x1", "status": status, "doNotPerform": True}
    served.tells(served.puts({**told, "subject": {"reference": "Patient/p-ann"}, **more}))


@pytest.mark.parametrize(
    ("more", "mails"),
    [
        ({}, 0),
        ({"medium": [{"coding": [{"code": "EMAILWRIT"}]}]}, 0),
        ({"medium": [{"coding": [{"code": "SMSWRIT"}]}]}, 2),
        ({"status": "draft"}, 2),
        ({"doNotPerform": False}, 2),
    ],
    ids=["at-all", "by-email", "by-text", "draft", "to-write"],
)
def test_who_is_not_to_be_written_to_is_not(served: Server, more: dict[str, Any], mails: int) -> None:
    """W-02: doNotPerform blocks what it is about, else everything; a status other than active has no effect."""
    _asks(served, **more)
    served.clinic.until("2026-03-20 12:00")
    assert len(served.clinic.mailbox("Ann")) == mails


def test_no_later_status_lifts_it(served: Server) -> None:
    """W-02: a person does."""
    _asks(served)
    _asks(served, "revoked")
    served.clinic.until("2026-03-20 12:00")
    assert served.clinic.mailbox("Ann") == []
