"""Other people's programs as the server that exports: the router of FHIR Works on AWS, and oidc-provider, which verifies how we sign."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bulk_there import exporter
from fhir_memory import Memory
from fhir_there import Asked, Said, appointment, client, patient, pem, smart, there

from connectors.sources.fhir.client.keys import key_of, key_set
from gateway.model.errors import Denied, Missing
from gateway.ports import ExportStep

NODE = os.environ.get("CAREGATE_TEST_NODE", "")
_PACKAGES = ("fhir-works-on-aws-routing", "fhir-works-on-aws-interface", "oidc-provider")
pytestmark = pytest.mark.skipif(
    not (NODE and shutil.which("node") and all((Path(NODE) / "node_modules" / one).is_dir() for one in _PACKAGES)),
    reason="CAREGATE_TEST_NODE names no folder with the FHIR packages, see .ci/run",
)
_SCOPE = "system/*.rs"
_PEOPLE = [patient(str(one), at="2026-03-01T10:00:00.000Z") for one in range(40)]
_BOOKED = [appointment(str(one), at="2026-03-01T10:00:00.000Z") for one in range(200)]


@contextmanager
def running(*published: str, resources: dict[str, Any], waits: int = 2) -> Iterator[str]:
    """The base of a server that knows us by the keys that are published."""

    def serve(_: Asked) -> Said:
        return Said(body=key_set([key_of(one) for one in published]), headers={"Content-Type": "application/json"})

    with there(serve) as keys:
        told = {"client": "caregate", "jwksUri": f"{keys.base}/jwks", "scope": [_SCOPE]}
        words = json.dumps({**told, "resources": resources, "waits": waits})
        process = subprocess.Popen(
            ["node", str(Path(__file__).with_name("exporter.mjs")), words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}/fhir"
        finally:
            process.stdin.close()
            process.stdout.close()
            process.wait(10)


@pytest.mark.parametrize("kind", ["RS384", "ES384"])
def test_a_whole_export_with_an_assertion_that_the_server_verifies(kind: str) -> None:
    """K-01, K-03, K-04, K-05, K-12, K-13, O-03, O-04: asked for, waited for, read packed, and again for what changed."""
    key, memory, steps = pem(kind), Memory(), list[ExportStep]()
    with (
        running(key, resources={"Appointment": _BOOKED, "Patient": _PEOPLE}) as base,
        client(base, smart(key, scope=[_SCOPE])) as server,
    ):
        made = exporter(server, memory, steps, types=["Patient", "Appointment"])
        first, second = made.once(), made.once()
    assert first.counts == {"accepted": 240}
    assert (first.baseline, first.advanced, second.since, second.counts) == (True, True, first.at, {})
    assert memory.names[:40] == [f"Patient/{one}" for one in range(40)]
    assert [one.stage for one in steps][:4] == ["asked", "waiting", "waiting", "reading"]


def test_a_group_is_exported_and_what_the_server_cannot_is_told() -> None:
    """K-01, K-02, K-11. Its router exports no patient level, and knows no job it never had."""
    key, memory = pem(), Memory()
    with (
        running(key, resources={"Patient": _PEOPLE[:3]}, waits=0) as base,
        client(base, smart(key, scope=[_SCOPE])) as server,
    ):
        assert exporter(server, memory, level="group", group="g1").once().counts == {"accepted": 3}
        with pytest.raises(Exception, match="answered 40"):
            exporter(server, memory, level="patient").once()
        with pytest.raises(Missing):
            server.get("$export/77")


def test_a_key_the_server_does_not_know_gets_nothing() -> None:
    """O-03, O-08."""
    memory = Memory()
    with (
        running(pem(), resources={}) as base,
        client(base, smart(pem(), scope=[_SCOPE])) as server,
        pytest.raises(Denied),
    ):
        exporter(server, memory).once()
    assert not memory.messages
    assert not memory.notes.get("export:job")
