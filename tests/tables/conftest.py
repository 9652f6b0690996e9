"""Folders of rows that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tables_box import Drops, MemoryRows


@pytest.fixture
def rows() -> MemoryRows:
    """One place for the rows of all sources of a test: a restart finds it again."""
    return MemoryRows()


@pytest.fixture
def drops(tmp_path: Path, rows: MemoryRows) -> Iterator[Callable[..., Drops]]:
    """`drops(**options)` is a folder `inbox` and its source, which has not started."""
    made: list[Drops] = []

    def _make(**options: object) -> Drops:
        shape = {"shape": options.pop("shape")} if "shape" in options else {}
        made.append(Drops(tmp_path / "inbox", rows, options, **shape))
        return made[-1]

    yield _make
    for one in made:
        one.stop()
