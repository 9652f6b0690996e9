"""The log: events with fields, every one through the allow-list, whether or not anybody configured it."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from gateway.telemetry.fields import keep_allowed


class _Sink:
    """Writes whole lines; a log that cannot be written never stops the work (the audit does that)."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def msg(self, line: str) -> None:
        stream = self._stream or sys.stderr
        try:
            with self._lock:
                stream.write(line + "\n")
                stream.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = msg


def _processors(*, human: bool, colours: bool) -> list[Processor]:
    last: Processor = (
        structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)
        if human
        else structlog.processors.JSONRenderer()
    )
    return [
        structlog.contextvars.merge_contextvars,
        keep_allowed,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        last,
    ]


def _wrap(level: int, *, human: bool, stream: TextIO | None) -> FilteringBoundLogger:
    return cast(
        FilteringBoundLogger,
        structlog.wrap_logger(
            _Sink(stream),
            processors=_processors(
                human=human, colours=(stream or sys.stderr).isatty() and "NO_COLOR" not in os.environ
            ),
            wrapper_class=structlog.make_filtering_bound_logger(level),
            context_class=dict,
            cache_logger_on_first_use=False,
        ),
    )


_log = _wrap(logging.INFO, human=False, stream=None)  # closed from the first import on, configured or not


def direct(level: int, *, human: bool, stream: TextIO | None) -> None:
    """From now on write events of `level` (a logging number) and above to `stream`, None meaning standard error."""
    global _log  # noqa: PLW0603 - one log per process is the point
    _log = _wrap(level, human=human, stream=stream)


bound = structlog.contextvars.bound_contextvars
"""Context manager: `with bound(request=id):` adds fields to every event inside; the allow-list still holds."""


def log() -> FilteringBoundLogger:
    """The log: `log().info("source.listening", source="main", port=2575)`; never raises, never quotes."""
    return _log
