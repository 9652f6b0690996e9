"""Sites that may die: a mail server that stays, and a feed that sends again what was not acknowledged."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "clinic"))  # its people and messages
sys.path.append(str(Path(__file__).parent.parent / "fhir"))  # its server over HTTP
sys.path.append(str(Path(__file__).parent.parent / "mllp"))  # its certificates
sys.path.append(str(Path(__file__).parent.parent / "queues"))  # its brokers

from crash_mail import PostOffice
from crash_parts import House


@pytest.fixture
def post_office() -> Iterator[PostOffice]:
    """A real SMTP server on loopback that outlives every gateway of the test."""
    with PostOffice() as office:
        yield office


@pytest.fixture
def house(tmp_path: Path, store_url: str, post_office: PostOffice) -> Iterator[House]:
    """A site on each database, its sender, its mail server, and the processes started for it."""
    made = House(tmp_path, store_url, post_office)
    yield made
    made.close()


@pytest.fixture
def make_house(tmp_path: Path, post_office: PostOffice) -> Iterator[Callable[..., House]]:
    """Makes sites on a database the test chooses."""
    made: list[House] = []

    def _make(database: str, **site: object) -> House:
        made.append(House(tmp_path, database, post_office, **site))
        return made[-1]

    yield _make
    for one in made:
        one.close()
