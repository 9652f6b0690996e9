"""One certificate authority for all e-mail tests: making keys is slow."""

from __future__ import annotations

import pytest
from email_parts import Authority, authority


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority the channel is told to trust."""
    return authority(tmp_path_factory.mktemp("ca"))
