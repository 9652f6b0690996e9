"""A log configured into memory, and put back as it was."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator

import pytest
from telemetry_parts import Lines

from gateway import telemetry


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The log as JSON lines in memory, with other people's logging routed through it."""
    handlers, hook, unraisable = logging.getLogger().handlers[:], threading.excepthook, sys.unraisablehook
    stream = Lines()
    telemetry.configure(json=True, level="DEBUG", stream=stream)
    try:
        yield stream
    finally:
        telemetry.reset()
        logging.getLogger().handlers[:] = handlers
        threading.excepthook, sys.unraisablehook = hook, unraisable
