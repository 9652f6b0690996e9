"""What restricts a Bundle restricts everything in it, whichever way it comes (PV-01)."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from fhir_memory import Memory, poller
from fhir_site import appointment
from fhir_there import Asked, Said, client, there
from fhir_there import bundle as page

from gateway.fhirfile import resources_of, split
from gateway.fhirlabels import labelled_body

R, N = {"code": "R"}, {"code": "N"}
PART2 = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "42CFRPart2"}
Resource = dict[str, Any]


def _bundle(*resources: Resource, labels: list[Any], **more: Any) -> Resource:
    entries = [{"fullUrl": f"urn:uuid:{number}", "resource": one} for number, one in enumerate(resources)]
    return {"resourceType": "Bundle", "type": "collection", "meta": {"security": labels}, **more, "entry": entries}


def _labels(body: bytes) -> list[Any]:
    return json.loads(body).get("meta", {}).get("security", [])


def _filed(data: bytes) -> list[list[Any]]:
    return [_labels(one.body) for one in split(io.BytesIO(data)) if one.body is not None]


@pytest.mark.parametrize(
    ("told", "read"),
    [([R], [R]), ([PART2, N], [PART2]), ([N], []), ([{"text": "?"}], [{"text": "?"}]), (R, [R])],
)
def test_what_is_posted_has_the_labels_of_its_bundle(site, told, read):  # type: ignore[no-untyped-def]
    """Those that restrict nothing are not handed down: they would lift what another feed holds."""
    ehr = site()
    assert ehr.send(_bundle(appointment(1), appointment(2), labels=told)).status_code == 200
    assert [_labels(one.body) for one in ehr.intake.stored.values()] == [read] * 2


def test_a_notification_within_a_message_has_the_labels_of_both(site):  # type: ignore[no-untyped-def]
    """R5 subscriptions, "FHIR Messaging"; what an entry tells itself stays, and is not told twice."""
    ehr = site()
    own = appointment(1, meta={"versionId": "1", "security": [N, R]})
    inner = _bundle(own, labels=[PART2])
    header = {"resourceType": "MessageHeader", "id": "m", "eventUri": "urn:e", "source": {"endpoint": "urn:x"}}
    assert ehr.send(_bundle(header, inner, labels=[R], type="message"), "/$process-message").status_code == 200
    assert [_labels(one.body) for one in ehr.intake.stored.values()] == [[N, R, PART2]]


def test_what_a_search_finds_has_the_labels_of_its_page() -> None:
    """A server that marks the answer and not what is in it."""

    def ehr(asked: Asked) -> Said:
        told = page(*([appointment("1", at="2026-03-02T14:00:00Z")] if asked.path.endswith("/Appointment") else []))
        return Said(body=told | {"meta": {"security": [R]}})

    memory = Memory()
    with there(ehr) as found, client(found.base) as server:
        poller(server, memory).once()
    assert [_labels(one.body) for one in memory.messages] == [[R]]


@pytest.mark.parametrize("indent", [None, 1])
def test_what_a_file_holds_has_the_labels_of_its_bundle(indent: int | None) -> None:
    """Each of several Bundles its own; and what stands in a Bundle within it, those of both."""
    first, second = _bundle(appointment(1), appointment(2), labels=[R]), _bundle(appointment(3), labels=[N])
    data = json.dumps([first, second, appointment(4)], indent=indent).encode()
    assert _filed(data) == [[R], [R], [], []]
    assert _filed(json.dumps(_bundle(second | {"meta": {"security": [PART2]}}, labels=[R])).encode()) == [[R, PART2]]
    assert [_labels(one) for one in resources_of(json.dumps(first).encode())] == [[R], [R]]


def test_in_a_bundle_larger_than_memory_all_have_its_labels() -> None:
    """Also where the label itself is cut in two by the pieces that are read."""
    for size in (0, 65_300, 65_400, 262_000):
        told = {"resourceType": "Bundle", "id": "x" * size, "type": "collection", "meta": {"security": [R]}}
        entries = [{"resource": appointment(number, text="z" * 1_000)} for number in range(600)]
        assert _filed(json.dumps(told | {"entry": entries}, indent=1).encode()) == [[R]] * 600


def test_labels_behind_the_entries_are_told_of_when_they_come_too_late() -> None:
    """What was handed on already cannot be called back; the file is not taken for a sound one."""
    told = {"resourceType": "Bundle", "entry": [{"resource": appointment(1)}], "meta": {"security": [R]}}
    (_, late) = split(io.BytesIO(json.dumps(told, indent=1).encode()))
    assert "behind its entries" in str(late.problem)


def test_labels_that_two_readers_read_differently_are_accepted_by_nobody() -> None:
    """S-37: each resource gets a label that is nothing, so that its structure is refused."""
    meta = '{"security": [], "security": []}'
    text = f'{{"resourceType": "Bundle", "meta": {meta}, "entry": [{{"resource": {{"resourceType": "Basic"}}}}]}}'
    assert _filed(text.encode()) == [[None]]


def test_what_cannot_be_labelled_stays_as_it_is_to_be_refused() -> None:
    """A meta that is none, a key told twice; and a decimal keeps its digits."""
    for body in (b'{"meta":5}', b'{"meta":{"security":5}}', b'{"a":1,"a":2}'):
        assert labelled_body(body, [R]) == body
    assert labelled_body(b'{"value":1.10}', [R]) == b'{"value":1.10,"meta":{"security":[{"code":"R"}]}}'
