"""The command `caregate`: whatever goes wrong is one sentence and an exit code, never a traceback.

Exit codes: 0 done · 1 something found (lint, test, verify) or not taken (load) · 2 what was asked cannot be done ·
70 an error of Caregate's own (sysexits.h, EX_SOFTWARE) · 130 interrupted.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from gateway.model.errors import CaregateError, ConfigError

OK, FOUND, CANNOT, OURS, INTERRUPTED = 0, 1, 2, 70, 130
USUAL, SELDOM = gc.get_threshold(), (50_000, 10, 10)
"""When the collector looks for cycles. What a command loads stays: looking through it after every 700 new objects, as is
usual, took a tenth of the time of a short one. `caregate run`, which lives long, goes back to what is usual."""


def main() -> NoReturn:
    """Run the command line of this process."""
    gc.set_threshold(*SELDOM)
    sys.exit(invoke(sys.argv[1:]))


def invoke(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code; prints the one sentence when it fails."""
    from gateway.cli.commands import command

    try:
        code = command(arguments[0] if arguments else None).main(
            args=list(arguments), prog_name="caregate", standalone_mode=False
        )
    except CaregateError as error:
        _tell(*_sentences(error))
        return CANNOT
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        _tell(f"{error.filename}: {error.strerror}" if error.filename else f"{error.strerror or type(error).__name__}")
        return CANNOT
    except Exception as error:  # noqa: BLE001 - foreign texts may quote a message: only the class is told
        return _unexpected(error, arguments)
    return code if isinstance(code, int) else OK


def _sentences(error: CaregateError) -> Sequence[str]:
    return error.problems if isinstance(error, ConfigError) else (str(error),)


def _tell(*sentences: str) -> None:
    sys.stdout.flush()
    for sentence in sentences:
        print(f"caregate: {sentence}", file=sys.stderr)


def _unexpected(error: Exception, arguments: Sequence[str]) -> int:
    """The framework's own complaints about arguments, else an error that is ours."""
    say = getattr(error, "format_message", None)
    if type(error).__name__ == "NoArgsIsHelpError" and say is not None:
        print(say(), file=sys.stderr)
        return CANNOT
    if say is not None:
        from gateway.cli.commands import command
        from gateway.cli.usage import sentence

        _tell(sentence(error, command(), arguments))
        return CANNOT
    if type(error).__name__ == "Abort":
        return INTERRUPTED
    hint = "" if os.environ.get("CAREGATE_DEBUG") == "1" else "; CAREGATE_DEBUG=1 shows where"
    _tell(f"an error of Caregate's own, {type(error).__name__}{hint}")
    if not hint:
        from gateway.telemetry import own_frames

        _tell(*(f"  {frame}" for frame in own_frames(error)))
    return OURS
