"""A database that was restored searches for what a server told it and it lost: nobody tells it a second time (law 1)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from fhir_there import there
from test_fhir_gateway import CONFIG, Ehr, count, folder, running, until

from gateway.app import Gateway, backups
from gateway.pipeline.fetching import FetchList
from gateway.pipeline.noting import NoteBook
from gateway.ports import NOTIFIED
from gateway.settings import Settings

__all__ = ["folder"]


@pytest.fixture(autouse=True)
def _caller(folder: Path) -> None:
    """What a caller must show."""
    (folder / "caller").write_text("a-key-of-sixteen-characters", "utf-8")
    (folder / "caller").chmod(0o600)


_POLL = "    poll: {{resources: [Appointment], every: 1s, baseline: {baseline}, deletes: no}}\n"
_TOLD = """\
    keys: [{{secret: 'file:caller'}}]
    subscribe: {{endpoint: 'https://us.example.org/fhir/ehr', subscriptions: {{visits: {{criteria: Appointment}}}}}}
"""


def _told(gateway: Gateway, number: str) -> None:
    """The server notifies of an appointment, which is read and planned."""
    known = count(gateway, "occurrence")
    FetchList(gateway.store, gateway.site.sources["ehr"]).want([(f"Appointment/{number}", None)], NOTIFIED)
    until(lambda: count(gateway, "occurrence") > known)


def _lost_and_restored(folder: Path, settings: Settings) -> backups.Restored:
    for one in folder.glob("caregate.db*"):
        one.unlink()
    return backups.restore(settings, folder / "backup", keys=None, accept_loss=True)


def test_what_was_told_between_backup_and_loss_is_searched_for_and_planned_once(folder: Path) -> None:
    """Once, from when the copy was made; the next start owes nothing."""
    config, system = CONFIG.replace(_POLL, _TOLD), Ehr()
    with there(system) as ehr:
        with running(ehr, folder, config=config) as gateway:
            system.book("7")
            _told(gateway, "7")
            backups.make(gateway, folder / "backup", progress=lambda *_told: None)
            system.book("8")
            _told(gateway, "8")
            settings, planned = gateway.settings, count(gateway, "request")
            assert ehr.of("Appointment") == []
        done = _lost_and_restored(folder, settings)
        assert done.not_searched == ()
        with running(ehr, folder, config=config) as gateway:
            until(lambda: count(gateway, "request") == planned)
            assert count(gateway, "occurrence") == 2
            until(lambda: "searched" in _notes(gateway))
        (asked,) = ehr.of("Appointment")
        assert asked.query["_lastUpdated"] <= "ge" + time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(done.since / 1000))
        with running(ehr, folder, config=config) as gateway:
            time.sleep(3)
            assert (count(gateway, "occurrence"), count(gateway, "request")) == (2, planned)
        assert len(ehr.of("Appointment")) == 1


def _notes(gateway: Gateway) -> list[str]:
    return NoteBook(gateway.store, gateway.site.sources["ehr"]).noted()


def test_a_server_that_nothing_says_how_to_search_is_named(folder: Path) -> None:
    """A person must know that what it told since the copy is missing."""
    config = CONFIG.replace(_POLL, _TOLD.splitlines(keepends=True)[0])
    with there(Ehr()) as ehr:
        with running(ehr, folder, config=config) as gateway:
            backups.make(gateway, folder / "backup", progress=lambda *_told: None)
            settings = gateway.settings
        assert _lost_and_restored(folder, settings).not_searched == ("ehr",)
