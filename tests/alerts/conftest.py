"""One authority for all certificates of these tests, and an alert."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gateway.model.alert import Alert, AlertKind, AlertWord

sys.path.append(
    str(Path(__file__).parents[1] / "email")
)  # the relays and certificates of the e-mail tests serve here too

from email_parts import Authority, authority


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that sinks are told to trust."""
    return authority(tmp_path_factory.mktemp("alert-ca"))


@pytest.fixture
def alert() -> Alert:
    """The feed is silent."""
    return Alert(
        kind=AlertKind.FEED_SILENT,
        word=AlertWord.RAISED,
        source="ehr",
        environment="production",
        since=1_772_463_600_000,
        at=1_772_467_200_000,
        count=0,
        host="",
    )
