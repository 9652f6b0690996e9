"""The `clinic`: scenarios in the domain's words on every store, each searched afterwards for what must stay sealed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "sms"))  # its provider of texts
sys.path.append(str(Path(__file__).parent.parent / "fhir"))  # its server over HTTP

from clinic_canary import Finder, Overheard, dump, file_bytes
from clinic_dsl import Clinic, OpenClinic

from gateway import telemetry
from gateway.model.errors import CaregateError
from gateway.ports import SetClock
from gateway.store.keyring import Keyring


@pytest.fixture
def overheard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Overheard]:
    """Captures the log as `caregate run` writes it, and the text of every error of ours, raised and caught or not."""
    heard = Overheard()
    made = CaregateError.__init__

    def listen(self: CaregateError, *words: object) -> None:
        made(self, *words)
        heard.errors.append(f"{self} {words!r}")

    monkeypatch.setattr(CaregateError, "__init__", listen)
    telemetry.configure(json=True, level="DEBUG", stream=heard.log, hooks=False)
    yield heard
    telemetry.reset()


@pytest.fixture
def open_clinic(
    store_url: str,
    tmp_path: Path,
    keyring: Keyring,
    clock: SetClock,
    overheard: Overheard,
    capfd: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> Iterator[OpenClinic]:
    """Opens clinics on this test's database; afterwards nothing outside a sealed column names a patient."""
    opened: list[Clinic] = []

    def _open(**site: object) -> Clinic:
        opened.append(Clinic(tmp_path, store_url, keyring, clock, seed=request.node.nodeid, **site))
        return opened[-1]

    yield _open
    people = [person for clinic in opened for person in clinic.people.values()]
    for clinic in opened:
        clinic.closes()
    if people:
        heard = {"the log, an exception or a metric": overheard.text(), "standard output": "".join(capfd.readouterr())}
        _nobody_is_named(Finder(people), {**heard, **dump(store_url), "the database file": file_bytes(store_url)})


def _nobody_is_named(finder: Finder, places: Mapping[str, str | bytes]) -> None:
    leaks = {where: found for where, told in places.items() if (found := finder.found(told))}
    assert not leaks, f"a patient is named outside a sealed column: {leaks}"


@pytest.fixture
def clinic(open_clinic: OpenClinic) -> Clinic:
    """A clinic in production with the shipped rules and mappings; Monday 2026-03-02, 9:00 in Chicago."""
    return open_clinic()
