"""The classic rest-hook and its kin: resources alone, as HAPI, Medplum and hand-made senders post them."""

from __future__ import annotations

import gzip
import json
import time

import pytest
from fhir_site import KEY, appointment, issue_of
from publisher import Publisher

from gateway.model.event import Format


def test_a_posted_resource_is_answered_once_it_is_stored(site):
    """S-07, S-30: and it is kept compact, its keys in the order received."""
    ehr = site()
    answer = ehr.send(json.dumps(appointment(1), indent=2).encode())
    assert (answer.status_code, answer.content) == (200, b"")
    (kept,) = ehr.intake.stored.values()
    assert kept.format is Format.FHIR
    assert kept.body == json.dumps(appointment(1), separators=(",", ":")).encode()


@pytest.mark.parametrize("path", ["/Appointment/1", "/reminders/Appointment/1", "/reminders", ""])
def test_hapi_puts_to_the_resources_path(site, path):
    """S-07: with or without a path of the subscription's own."""
    ehr = site()
    assert ehr.send(appointment(1), path, method="PUT").status_code == 200
    assert list(ehr.intake.stored) == ["Appointment/1/_history/1"]


def test_a_resource_under_the_path_of_another_is_refused(site):
    """S-07, M-02."""
    answer = site().send(appointment(1), "/Appointment/2", method="PUT")
    assert answer.status_code == 422
    assert issue_of(answer)["expression"] == ["id"]


@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("/Appointment/1", "DELETE", {}),
        ("", "POST", {"x_medplum_deleted_resource": "Appointment/1", "x_medplum_interaction": "delete"}),
    ],
)
def test_a_deletion_is_kept_as_the_history_tells_it(site, path, method, headers):
    """S-07, 2.4: HAPI's DELETE and Medplum's header."""
    ehr = site()
    assert ehr.send(b"{}" if headers else b"", path, method=method, **headers).status_code == 200
    (kept,) = ehr.intake.stored.values()
    told = json.loads(kept.body)
    assert told["entry"] == [{"request": {"method": "DELETE", "url": "Appointment/1"}}]
    assert (told["type"], "timestamp" in told) == ("history", True)


def test_a_server_of_the_classic_kind_is_followed(site):
    """S-05, S-07, 2.4: created, changed and deleted as HAPI tells it; without a payload as any server does."""
    with Publisher("classic") as server:
        ehr = site(base=server.base, keys=[{"secret": KEY}])
        whole = server.subscribe(ehr.url + "/visits", **{"X-Gateway-Key": KEY})
        for _ in range(2):
            server.put(appointment(1))
        server.delete("Appointment/1")
        assert [one.partition("/_history")[0] for one in ehr.intake.order][:2] == ["Appointment/1", "Appointment/1"]
        assert '"DELETE"' in list(ehr.intake.stored.values())[2].body.decode()
        server.subscribe(ehr.url + "/any", content="empty", **{"X-Gateway-Key": KEY})
        server.put(appointment(2))
        assert set(server.answers) == {200}
        assert whole.state == "active"
        ehr.until(lambda: [name for name, _ in ehr.repair.searched] == ["any"])


@pytest.mark.parametrize("kind", [None, "application/fhir+json"])
def test_an_empty_call_says_that_something_changed(site, kind):
    """S-05: it is owed, on disk, before the answer; then it is searched for."""
    ehr = site()
    assert ehr.send(b"", "/reminders", kind=kind).status_code == 200
    assert "owed.reminders" in ehr.notes.kept
    ehr.until(lambda: bool(ehr.repair.searched))
    assert ehr.repair.searched[0] == ("reminders", None)


def test_what_is_owed_is_not_answered_while_it_cannot_be_kept(site):
    """S-30, S-31: never 200 for what was not stored."""
    ehr = site()
    ehr.notes.away = True
    answer = ehr.send(b"", "/reminders")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


def test_a_source_without_a_server_cannot_ask_what_changed(site):
    """S-05."""
    assert site(base=None).send(b"").status_code == 400


def test_several_resources_in_a_bundle_are_taken_patients_first(site):
    """Contract of the source: who is referred to is there."""
    ehr = site()
    patient = {"resourceType": "Patient", "id": "7", "meta": {"versionId": "1"}}
    entries = [{"resource": appointment(1)}, {"resource": patient}, {"resource": {"resourceType": "OperationOutcome"}}]
    assert ehr.send({"resourceType": "Bundle", "type": "collection", "entry": entries}).status_code == 200
    assert ehr.intake.order == ["Patient/7/_history/1", "Appointment/1/_history/1"]


def test_the_same_call_again_has_no_second_effect(site):
    """S-36."""
    ehr = site()
    assert [ehr.send(appointment(1)).status_code for _ in range(3)] == [200, 200, 200]
    assert len(ehr.intake.stored) == 1


def test_a_refused_resource_is_told_where_and_never_what(site):
    """M-01, M-02: place and rule, in a Bundle where it stood."""
    ehr = site()
    answer = ehr.send(appointment(1, status={"CANARY": "CANARY"}))
    assert answer.status_code == 422
    assert issue_of(answer) == {
        "severity": "error", "code": "value", "diagnostics": "it is not a code", "expression": ["Appointment.status"],
    }  # fmt: skip
    bundle = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [{"resource": appointment(2)}, {"resource": appointment(3, status=9)}],
    }
    assert issue_of(ehr.send(bundle))["expression"] == ["Bundle.entry[1].resource.status"]
    assert "CANARY" not in answer.text
    assert issue_of(ehr.send({"resourceType": "Basic", "id": "1"}))["code"] == "not-supported"


@pytest.mark.parametrize(
    ("told", "place"),
    [
        ({"implicitRules": "urn:x"}, "Bundle.implicitRules"),
        ({"entry": [{"resource": appointment(1), "modifierExtension": [{}]}]}, "Bundle.entry[0].modifierExtension"),
        (
            {"entry": [{"resource": {"resourceType": "MessageHeader", "modifierExtension": [{}]}}]},
            "Bundle.entry[0].resource.modifierExtension",
        ),
    ],
)
def test_a_bundle_whose_meaning_is_changed_is_refused_whole(site, told, place):
    """S-37, M-01: none of it is taken as if nothing had been said."""
    ehr = site()
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": appointment(2)}]} | told
    answer = ehr.send(bundle)
    assert (answer.status_code, issue_of(answer)["expression"]) == (422, [place])
    assert not ehr.intake.stored


def test_trouble_of_ours_asks_to_come_again(site):
    """S-31: 503 with Retry-After, whether the intake is full or the commit failed."""
    ehr = site()
    ehr.intake.failing = True
    assert ehr.send(appointment(1)).status_code == 503
    ehr.intake.failing, ehr.intake.open = False, False
    answer = ehr.send(appointment(1))
    assert (answer.status_code, answer.headers["retry-after"], issue_of(answer)["code"]) == (503, "2", "throttled")


@pytest.mark.parametrize(
    "kind",
    ["application/fhir+json; charset=utf-8", "application/json", "application/fhir+json; fhirVersion=4.0",
     'application/fhir+json; fhirVersion="4.3"; charset=UTF-8'],
)  # fmt: skip
def test_types_that_are_read(site, kind):
    """S-25."""
    assert site().send(appointment(1), kind=kind).status_code == 200


@pytest.mark.parametrize(
    "kind",
    [None, "application/fhir+xml", "text/plain", "application/fhir+json; charset=latin-1",
     "application/fhir+json; fhirVersion=5.0", "application/fhir+json; fhirVersion=9"],
)  # fmt: skip
def test_types_that_are_not(site, kind):
    """S-25: XML is answered 415, and so is a release that the source does not speak."""
    ehr = site()
    answer = ehr.send(appointment(1), kind=kind)
    assert (answer.status_code, issue_of(answer)["code"]) == (415, "not-supported")
    assert ehr.intake.offered == 0


@pytest.mark.parametrize("size", [1_000, 200_000])
def test_who_is_turned_away_hears_why_before_the_connection_ends(site, size):
    """S-25, S-31: a body that is not read does not reset the connection, and the answer with it (RFC 9112 §9.6)."""
    ehr = site()
    raw = ehr.socket()
    head = f"POST {ehr.source.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+xml\r\nContent-Length: {size}\r\n\r\n"
    raw.sendall(head.encode())
    time.sleep(0.2)
    for _ in range(10):
        raw.sendall(b"<" * (size // 10))
        time.sleep(0.01)
    told = b""
    while piece := raw.recv(65_536):
        told += piece
    assert told.startswith(b"HTTP/1.1 415 ")
    assert b"OperationOutcome" in told


def test_a_packed_body_is_read(site):
    """S-25; other encodings are not."""
    ehr = site()
    packed = gzip.compress(json.dumps(appointment(1)).encode())
    assert ehr.send(packed, content_encoding="gzip").status_code == 200
    assert ehr.send(packed, content_encoding="br").status_code == 415
    assert ehr.send(packed[:-9], content_encoding="gzip").status_code == 415


@pytest.mark.parametrize(
    ("path", "method", "status"), [("/a/b/c/d", "POST", 404), ("/x_y", "POST", 404), ("", "GET", 405)]
)
def test_nothing_else_is_served(site, path, method, status):
    """S-31."""
    assert site().send(appointment(1), path, method=method).status_code == status


def test_before_it_listens_and_after_a_caller_is_asked_to_come_again(make_site):
    """F-16."""
    ehr = make_site()
    assert ehr.send(appointment(1)).status_code == 503
    ehr.start()
    assert ehr.send(appointment(1)).status_code == 200
    ehr.stop()
    assert ehr.send(appointment(2)).status_code == 503
