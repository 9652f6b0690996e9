"""The log: events with fields, every one through the allow-list, whether or not anybody configured it."""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TextIO, cast

from gateway.telemetry.fields import keep_allowed

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger, Processor


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
    import structlog

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
    import structlog

    return cast(
        "FilteringBoundLogger",
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


_log: FilteringBoundLogger | None = None  # made with the first event: a command that logs nothing need not load it


def direct(level: int, *, human: bool, stream: TextIO | None) -> None:
    """From now on write events of `level` (a logging number) and above to `stream`, None meaning standard error."""
    global _log  # noqa: PLW0603 - one log per process is the point
    _log = _wrap(level, human=human, stream=stream)


def bound(**fields: object) -> AbstractContextManager[None]:
    """Fields that go with every event inside a `with` block, by name; the allow-list still holds."""
    import structlog

    return structlog.contextvars.bound_contextvars(**fields)


def log() -> FilteringBoundLogger:
    """The log: `log().info("source.listening", source="main", port=2575)`; never raises, never quotes.

    Closed to what the allow-list does not name from the first event on, configured or not.
    """
    if _log is None:
        direct(logging.INFO, human=False, stream=None)
    assert _log is not None
    return _log
