"""A small site with two feeds, assembled on each database, its clock set by the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from watch_site import SITE, OpenSite

from gateway.app import Gateway, assemble
from gateway.packs import shipped
from gateway.ports import SetClock
from gateway.settings import load
from gateway.store.keyring import Keyring


@pytest.fixture
def open_site(store_url: str, tmp_path: Path, keyring: Keyring, clock: SetClock) -> Iterator[OpenSite]:
    """Assembles the site; `more` is text of its configuration, `broker` a URL, `at` another clock."""
    opened: list[Gateway] = []

    def _open(more: str = "", *, broker: str = "memory://", at: SetClock | None = clock) -> Gateway:
        path = tmp_path / "caregate.yaml"
        path.write_text(SITE.format(database=store_url, broker=broker, rules=shipped("rules"), more=more))
        opened.append(assemble(load(path, environ={}), clock=at, keyring=keyring))
        return opened[-1]

    yield _open
    for gateway in opened:
        gateway.close()
