"""Watched folders that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from folder_box import Dropbox, MemoryIntake

from connectors.sources.folder import patience as patience_module


@pytest.fixture
def intake() -> Iterator[MemoryIntake]:
    """One intake for all sources of a test: a restart finds it again."""
    made = MemoryIntake()
    yield made
    made.close()


@pytest.fixture
def make_dropbox(tmp_path: Path, intake: MemoryIntake) -> Iterator[Callable[..., Dropbox]]:
    """`make_dropbox(**options)` watches `inbox`; not started."""
    made: list[Dropbox] = []
    (tmp_path / "inbox").mkdir()

    def _make(**options: object) -> Dropbox:
        made.append(Dropbox(tmp_path / "inbox", intake, options))
        return made[-1]

    yield _make
    for one in made:
        one.close()


@pytest.fixture
def dropbox(make_dropbox: Callable[..., Dropbox]) -> Callable[..., Dropbox]:
    """`dropbox(**options)` watches `inbox` and has started."""
    return lambda **options: make_dropbox(**options).start()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trouble of ours is tried again at once."""
    monkeypatch.setattr(patience_module, "_PAUSES", (0.01, 0.01))
