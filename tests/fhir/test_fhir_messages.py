"""`$process-message`: a message is taken apart like any Bundle, and answered by one."""

from __future__ import annotations

import pytest
from fhir_site import appointment

EVENT = {"system": "http://lakeside.example/events", "code": "appointment-booked"}


def _message(*resources, bundle="b-1"):
    header = {"resourceType": "MessageHeader", "id": "m-1", "eventCoding": EVENT, "source": {"endpoint": "urn:ehr"}}
    entries = [{"fullUrl": f"urn:uuid:{one['id']}", "resource": one} for one in (header, *resources)]
    return {"resourceType": "Bundle", "id": bundle, "type": "message", "entry": entries}


def _header(answer):
    told = answer.json()
    assert (told["resourceType"], told["type"]) == ("Bundle", "message")
    header = told["entry"][0]["resource"]
    assert (header["resourceType"], header["eventCoding"]) == ("MessageHeader", EVENT)
    return header


def test_a_message_is_answered_by_a_message(site):
    """M-03, M-04: ok, with the id of the request; the same again, in the same Bundle or another, has no second effect."""
    ehr = site()
    for bundle in ("b-1", "b-1", "b-2"):
        answer = ehr.send(
            _message(appointment(1), appointment(2), bundle=bundle),
            "/$process-message?async=true&response-url=http://evil.example/",
        )
        assert answer.status_code == 200
        assert _header(answer)["response"] == {"identifier": "m-1", "code": "ok"}
    assert len(ehr.intake.stored) == 2


def test_what_a_message_calls_its_patient_by_is_their_id(site):
    """M-01, R4 bundle.html#references: the entries know each other by `urn:uuid:`."""
    ehr = site()
    patient = {"resourceType": "Patient", "id": "p9", "name": [{"family": "Q"}]}
    actor = [{"actor": {"reference": "urn:uuid:p9"}, "status": "accepted"}]
    assert ehr.send(_message(appointment(1, participant=actor), patient), "/$process-message").status_code == 200
    told = [message.body for message in ehr.intake.stored.values()]
    assert [b"Patient/p9" in one for one in told] == [False, True]
    assert not any(b"urn:uuid" in one for one in told)


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_a_refusal_is_fatal_and_says_where(site, release):
    """M-03, M-05: no point in a retry without change; and nobody but the caller is answered."""
    ehr = site(release=release)
    answer = ehr.send(_message(appointment(1, status=9)), "/$process-message")
    response = _header(answer)["response"]
    assert (answer.status_code, response["code"]) == (422, "fatal-error")
    assert response["identifier"] == ({"value": "m-1"} if release == "R5" else "m-1")
    why = answer.json()["entry"][1]
    assert why["fullUrl"] == response["details"]["reference"]
    assert why["resource"]["issue"][0]["expression"] == ["Bundle.entry[1].resource.status"]


def test_trouble_of_ours_is_never_fatal(site):
    """M-03: transient, and when to come again."""
    ehr = site()
    ehr.intake.failing = True
    answer = ehr.send(_message(appointment(1)), "/$process-message")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert _header(answer)["response"]["code"] == "transient-error"


def test_what_is_no_message_is_answered_as_ever(site):
    """M-03: without a header there is nothing to answer to."""
    ehr = site()
    assert ehr.send(appointment(1), "/$process-message").content == b""
    assert ehr.send(b"{", "/$process-message").json()["resourceType"] == "OperationOutcome"
