"""Other people's log records keep their logger's name, level and exception class, and nothing else.

dramatiq prints message arguments, drivers print parameters, pydantic prints input: their words never pass.
"""

from __future__ import annotations

import logging
import time

from gateway.telemetry.lines import log


def stripped(*args: object, **kwargs: object) -> logging.LogRecord:
    """Record factory: a record without message, arguments, traceback, stack and source of the caller."""
    record = logging.LogRecord(*args, **kwargs)  # type: ignore[arg-type]
    kind = record.exc_info[0] if record.exc_info else None
    record.msg = f"{kind.__name__}" if kind else "(withheld)"
    record.args, record.exc_info, record.exc_text, record.stack_info = (), None, None, None
    record.foreign_error = kind.__name__ if kind else None
    return record


class Foreign(logging.Handler):
    """Turns a stripped record into one event; repeats within a minute are counted, not written.

    Without its words a line that repeats says nothing: a consumer that reconnects every 3 s would fill the log.
    """

    QUIET = 60.0  # seconds
    MOST = 200  # distinct lines remembered

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, int, str | None], tuple[float, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's level, library and exception class, unless it said just that within the last minute."""
        error = getattr(record, "foreign_error", None)
        key = (record.name, record.levelno, error)
        last, held = self._seen.get(key, (0.0, 0))
        if last and time.monotonic() - last < self.QUIET:
            self._seen[key] = (last, held + 1)
            return
        if len(self._seen) >= self.MOST:
            self._seen.clear()
        self._seen[key] = (time.monotonic(), 0)
        log().log(
            record.levelno,
            "library.logged",
            library=record.name.partition(".")[0].lower(),
            count=held + 1,
            **({"error": error} if error else {}),
        )
