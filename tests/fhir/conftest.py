"""FHIR sources that end with their test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fhir_site import Site

sys.path.append(str(Path(__file__).parent.parent / "mapping"))  # what it expects of other people's resources


@pytest.fixture
def make_site() -> Iterator[Callable[..., Site]]:
    """`make_site(**options)` is mounted and served, and not open yet."""
    made: list[Site] = []

    def _make(**options: object) -> Site:
        made.append(Site(**options))
        return made[-1]

    yield _make
    for one in made:
        one.close()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Callable[..., Site]:
    """`site(**options)` takes notifications."""
    return lambda **options: make_site(**options).start()
