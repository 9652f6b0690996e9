"""Feeds over HTTP that end with their test; certificates as the MLLP tests make them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from http_server import Feed

sys.path.append(str(Path(__file__).parent.parent / "mllp"))  # its certificates

from mllp_certificates import Authority


@pytest.fixture
def make_feed() -> Iterator[Callable[..., Feed]]:
    """`make_feed(**options)` is mounted and served, and not open yet."""
    made: list[Feed] = []

    def _make(**options: object) -> Feed:
        made.append(Feed(**options))
        return made[-1]

    yield _make
    for one in made:
        one.close()


@pytest.fixture
def feed(make_feed: Callable[..., Feed]) -> Callable[..., Feed]:
    """`feed(**options)` takes messages."""
    return lambda **options: make_feed(**options).start()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Signs the lab's and the gateway's certificates."""
    return Authority(tmp_path_factory.mktemp("certificates"))
