"""Other people's resources at the endpoint of the real gateway, one source for each release, and how each file is answered."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fhir_there import Said, there

from gateway.app import assemble
from gateway.packs import shipped
from gateway.ports import SystemClock
from gateway.settings import loads
from gateway.store.keyring import Keyring

_CONFIG = """\
environment: test
allowed_recipients: []
organizations:
  lakeside:
    name: Lakeside Health
    zone: America/Chicago
    sender_name: Lakeside Health
    sender_email: care@lakeside.example
    callback: '+1 312 555 0100'
keys: keys.json
rules: '{rules}'
api: {{port: 0, bind: 127.0.0.1}}
sources:
"""
_SOURCE = """\
  {name}:
    kind: fhir
    organization: lakeside
    release: {release}
    start: held
"""
_SERVER = """\
    base: {base}
    also: [https://example.org/fhir, http://example.org/FHIR/R5]
"""
_RELEASES = ("STU3", "R4", "R4B", "R5")
_TYPES = {".xml": "application/fhir+xml"}
ANSWERS = ("200", "400", "415", "422")

_NOBODY = "whose it is, nothing tells: no id, no number that may match, or a Patient of another server"
_NESTED = "a Bundle within a Bundle is not taken apart at the endpoint (of a file it is)"
OTHERWISE = {
    "malformed/FHIR_fhir-test-cases__ext-ctxt-resource-bad.json": ("422", _NOBODY),
    "malformed/FHIR_fhir-test-cases__shc-bad-1.json": ("422", _NOBODY),
    "malformed/microsoft_fhir-server__Bundle-BatchWithInvalidEleEnums.json": ("422", _NOBODY),
    "malformed/microsoft_fhir-server__Bundle-TransactionWithInvalidProcessingRecord.json": ("422", _NOBODY),
    "r4/CDCgov_phdi__patient_bundle_to_link_with_mpi.json": (
        "200",
        "what a Bundle asks of a server (`request`) is not looked at",
    ),
    "r4/CDCgov_phdi__single_patient_bundle.json": ("422", _NOBODY),
    "r4/hl7.fhir.r4.examples__Bundle-bundle-response-medsallergies.json": ("422", _NESTED),
    "r4/microsoft_fhir-server__Bundle-Batch.json": ("422", _NOBODY),
    "r4/microsoft_fhir-server__Bundle-BatchWithConditionalUpdateByIdentifier.json": ("422", _NOBODY),
    "r4/microsoft_fhir-server__Bundle-TransactionForRollBack.json": ("422", _NOBODY),
    "r4/microsoft_fhir-server__Bundle-TransactionWithAllValidRoutes.json": ("422", _NOBODY),
    "r4/microsoft_fhir-server__Bundle-TransactionWithMultipleEntriesModifyingSameResource.json": ("422", _NOBODY),
    "r4/microsoft_fhir-server__Bundle-TransactionWithValidBundleEntry.json": ("422", _NOBODY),
    "r4/hl7.fhir.r4.examples__ServiceRequest-myringotomy.json": ("422", _NOBODY),
    "r4b/hl7.fhir.r4b.examples__Bundle-bundle-response-medsallergies.json": ("422", _NESTED),
    "r4b/hl7.fhir.r4b.examples__ServiceRequest-myringotomy.json": ("422", _NOBODY),
    "r5/hl7.fhir.r5.examples__Bundle-bundle-response-medsallergies.json": ("422", _NESTED),
    "r5/hl7.fhir.r5.examples__ServiceRequest-myringotomy.json": ("422", _NOBODY),
}
"""Answered otherwise than its structure alone would have it (`REFUSED` of `tests/mapping/fhir_verdicts.py`), and why."""


def found() -> Path:
    """Where other people's resources are."""
    folder = Path(os.environ.get("CAREGATE_TESTDATA", "../shared/testdata")) / "fhir"
    if not folder.is_dir():
        pytest.skip(f"no FHIR test data at {folder}: set CAREGATE_TESTDATA")
    return folder


def kind_of(path: Path) -> str:
    """What a file is, as the table calls it."""
    if path.suffix == ".xml":
        return "XML"
    if path.suffix == ".ndjson" and not path.name.startswith("CDCgov"):  # that one is a resource in a file of that name
        return "NDJSON"
    if path.parent.name == "notification":
        return "notification"
    return "Bundle" if b'"Bundle"' in path.read_bytes()[:2_000] else "resource"


class Endpoint:
    """What is posted to a source of the gateway, and how that is answered."""

    def __init__(self, port: int) -> None:
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}/fhir", timeout=60, trust_env=False)

    def answer(self, release: str, path: Path) -> httpx.Response:
        """To one file; of NDJSON to the line that fares worst.

        Notifications are of a server that can be asked. Of all else there is none: whom nobody knows is told by the file.
        """
        whole, kind = path.read_bytes(), kind_of(path)
        bodies = [one for one in whole.splitlines() if one.strip()] if kind == "NDJSON" else [whole]
        source = f"/{release.lower()}{'-server' if kind == 'notification' else ''}"
        headers = {"content-type": _TYPES.get(path.suffix, "application/fhir+json")}
        every = (self._client.post(source, content=body, headers=headers) for body in bodies)
        return max(every, key=lambda one: one.status_code)


@contextmanager
def endpoint(folder: Path) -> Iterator[Endpoint]:
    """The gateway, listening; its sources' server has nothing to tell."""
    Keyring.create(folder / "keys.json")
    told: dict[str, int] = {}
    ready, stop = threading.Event(), threading.Event()

    def listening(at: dict[str, int]) -> None:
        told.update(at)
        ready.set()

    with there(lambda _: Said(404)) as ehr:
        text = _CONFIG.format(rules=shipped("rules"))
        for one in _RELEASES:
            text += _SOURCE.format(name=one.lower(), release=one)
            text += _SOURCE.format(name=f"{one.lower()}-server", release=one) + _SERVER.format(base=ehr.base)
        gateway = assemble(loads(text, folder / "caregate.yaml", environ={}), clock=SystemClock())
        thread = threading.Thread(target=lambda: gateway.run(("listen",), ready=listening, stop=stop))
        thread.start()
        try:
            assert ready.wait(60)
            yield Endpoint(told["api"])
        finally:
            stop.set()
            thread.join(60)
            gateway.close()


def listed(reasons: Iterable[str], first: str) -> str:
    """Rows of reasons and of how many files."""
    counts = Counter(reasons)
    return "\n".join([f"| {first} | files |", "|---|---|", *(f"| {why} | {counts[why]} |" for why in sorted(counts))])


def table(counts: Counter[tuple[str, str, str]]) -> str:
    """Rows of folder, kind and how many were answered how."""
    rows = [f"| folder | kind | {' | '.join(ANSWERS)} |", "|---|---|" + "---|" * len(ANSWERS)]
    for folder, kind in sorted({(folder, kind) for folder, kind, _ in counts}):
        numbers = [str(counts[folder, kind, one] or "·") for one in ANSWERS]
        rows.append(f"| {folder} | {kind} | {' | '.join(numbers)} |")
    return "\n".join(rows)
