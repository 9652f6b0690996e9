"""Once per process: our log's form and level, and everybody else's logging routed through it, stripped."""

from __future__ import annotations

import logging
import sys
import threading
from typing import TextIO

from gateway.telemetry.foreign import Foreign, stripped
from gateway.telemetry.lines import direct, log


def configure(
    *, json: bool | None = None, level: str = "INFO", stream: TextIO | None = None, hooks: bool = True
) -> None:
    """Set the log up: people's format on a terminal, JSON lines otherwise (`json` overrides), to `stream` (stderr).

    Standard-library logging is stripped to logger, level and exception class by the record factory, so that
    no handler anybody adds later sees more. `hooks`: also exceptions nobody caught in threads and finalisers.
    `level` is a standard level name; raises ValueError for another.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError("no such log level")
    direct(number, human=(stream or sys.stderr).isatty() if json is None else not json, stream=stream)
    logging.setLogRecordFactory(stripped)
    root = logging.getLogger()
    root.handlers[:] = [Foreign()]
    root.setLevel(max(number, logging.WARNING))  # stripped of its words, chatter below that says nothing
    logging.captureWarnings(capture=True)
    if hooks:
        threading.excepthook = _thread_failed
        sys.unraisablehook = _unraisable


def reset() -> None:
    """Undo `configure`: the log as it is after import, and Python's own logging. For tests."""
    direct(logging.INFO, human=False, stream=None)
    logging.setLogRecordFactory(logging.LogRecord)
    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if not isinstance(handler, Foreign)]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=False)


def _thread_failed(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit:
        log().error("thread.failed", exc_info=args.exc_value)


def _unraisable(args: sys.UnraisableHookArgs) -> None:
    log().error("cleanup.failed", exc_info=args.exc_value)
