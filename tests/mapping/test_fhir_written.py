"""What is written into an EHR is valid in its release and says no more than it must."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gateway.mapping.feed import Feed
from gateway.mapping.fhir import written
from gateway.mapping.fhir.reader import FhirReader
from gateway.mapping.fhir.validation import validate
from gateway.mapping.fhir.written import OptOut, Sent, communication, consent
from gateway.mapping.pack import load_pack
from gateway.model.consent import ANY, ChannelKind
from gateway.model.event import Format, RawMessage, Release
from gateway.model.facts import REFERENCE
from gateway.model.request import CommunicationStatus
from gateway.model.verdict import Reason
from gateway.packs import shipped

SENT = Sent(
    id=7,
    status=CommunicationStatus.COMPLETED,
    reason=None,
    channel=ChannelKind.SMS,
    template="appointment_reminder",
    patient="Patient/12",
    about="Appointment/a1",
    sent=1_772_452_800_000,
    received=1_772_452_860_000,
)
OUT = OptOut(person=3, patient="Patient/12", channel="sms", recorded=1_772_452_800_000)
NOT_DONE = replace(
    SENT, status=CommunicationStatus.NOT_DONE, reason=Reason.CHANNEL_UNAVAILABLE, sent=None, received=None
)


@pytest.mark.parametrize("release", Release)
@pytest.mark.parametrize("status", CommunicationStatus)
@pytest.mark.parametrize("reason", [None, Reason.CHANNEL_UNAVAILABLE, Reason.REFUSED])
@pytest.mark.parametrize("about", [None, "Appointment/a1", "ServiceRequest/s1"])
def test_a_communication_is_valid_in_every_release(
    release: Release, status: CommunicationStatus, reason: Reason | None, about: str | None
) -> None:
    """W-01: status, reason, medium, subject, recipient, times and payload in STU3, R4, R4B and R5."""
    for channel in ChannelKind:
        told = replace(SENT, status=status, reason=reason, about=about, channel=channel, to_patient=channel == "sms")
        assert validate(communication(told, release), release) == ()


@pytest.mark.parametrize("release", Release)
@pytest.mark.parametrize("channel", [ANY, "sms"])
def test_an_opt_out_is_a_valid_consent_in_every_release(release: Release, channel: str) -> None:
    """CN-01, CN-03: R4 and R5 say no in opposite places."""
    told = consent(replace(OUT, channel=channel), release)
    assert validate(told, release) == ()
    said = told.get("decision") or (told.get("provision") or told["except"][0])["type"]
    what = "no-messages" if channel == ANY else "no-sms"
    assert (said, written.name_of(told)) == ("deny", f"urn:caregate|opt-out-3-{what}")


def test_a_message_that_arrived_says_when_and_nothing_of_its_text() -> None:
    """W-01: sent is the hand-over, received the receipt; the template's name stands for the body."""
    told = communication(SENT, Release.R4)
    assert (told["status"], told["sent"], told["received"]) == (
        "completed",
        "2026-03-02T12:00:00+00:00",
        "2026-03-02T12:01:00+00:00",
    )
    assert told["medium"][0]["coding"][0]["code"] == "SMSWRIT"
    assert (told["about"], told["recipient"]) == ([{"reference": "Appointment/a1"}], [{"reference": "Patient/12"}])
    assert told["payload"] == [{"contentString": "appointment_reminder"}]
    assert written.name_of(told) == "urn:caregate|communication-7"


def test_what_did_not_happen_says_why() -> None:
    """W-01: not-done with a reason of the standard's list and our own; STU3 has no such status."""
    told = communication(NOT_DONE, Release.R4)
    assert (told["status"], "sent" in told) == ("not-done", False)
    assert [one["code"] for one in told["statusReason"]["coding"]] == ["system-error", "channel-unavailable"]
    older = communication(NOT_DONE, Release.STU3)
    assert (older["status"], older["notDone"], older["notDoneReason"]["coding"][0]["code"]) == (
        "aborted",
        True,
        "channel-unavailable",
    )


def test_a_message_that_a_request_led_to_fulfils_it() -> None:
    """W-01: basedOn."""
    assert communication(replace(SENT, about="CommunicationRequest/c1"), Release.R5)["basedOn"] == [
        {"reference": "CommunicationRequest/c1"}
    ]


def test_what_we_wrote_means_nothing_when_it_comes_back() -> None:
    """W-01: a subscription brings our own resources too."""
    reader = FhirReader(load_pack([shipped("mappings")]), Feed(name="ehr", zone="UTC", base="https://ehr.example/r4"))
    for resource in (communication(SENT, Release.R4), consent(OUT, Release.R4)):
        body = json.dumps(resource | {"id": "x1", "meta": {"versionId": "1"}}).encode()
        reading = reader(RawMessage(source="ehr", format=Format.FHIR, body=body, received=0))
        assert (reading.events, reading.ignored) == ((), "written by this gateway")


def test_what_is_written_back_to_keeps_where_its_resource_lies() -> None:
    """W-01: the fact a server is told about by; nothing of a resource without an id, or where nobody is told."""
    base = "https://ehr.example/r4"
    pack = load_pack([shipped("mappings")])

    def read(*, refers: bool, **more: object) -> object:
        told = {
            "resourceType": "Appointment",
            "identifier": [{"system": "urn:x", "value": "1"}],
            "status": "booked",
            "start": "2026-03-20T14:30:00Z",
            "participant": [{"actor": {"reference": "Patient/12"}, "status": "accepted"}],
            **more,
        }
        reader = FhirReader(pack, Feed(name="ehr", zone="UTC", base=base, refers=refers), facts=frozenset())
        reading = reader(RawMessage(source="ehr", format=Format.FHIR, body=json.dumps(told).encode(), received=0))
        return reading.events[0].facts.get(REFERENCE)

    assert read(refers=True, id="a1") == f"{base}/Appointment/a1"
    assert (read(refers=True), read(refers=False, id="a1")) == (None, None)
