"""What may be told of an exception: its class, its root cause's class and our own frames, never foreign words or locals."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import cast

from gateway.model.errors import CaregateError

_ROOTS = tuple(str(Path(__file__).resolve().parents[2] / package) for package in ("gateway", "connectors"))


def failure(exc_info: object) -> dict[str, object]:
    """Class, root cause's class and our own frames; the words only of our own tree, which are safe by contract."""
    error = _exception(exc_info)
    if error is None:
        return {}
    root = _root(error)
    told: dict[str, object] = {"error": type(error).__name__, "where": own_frames(error)}
    if root is not error:
        told["cause"] = type(root).__name__
    if isinstance(error, CaregateError):
        told["said"] = str(error)[:500]
    return told


def _root(error: BaseException) -> BaseException:
    for _ in range(20):  # chains can be circular
        deeper = error.__cause__ or error.__context__
        if deeper is None:
            break
        error = deeper
    return error


def _exception(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return cast(BaseException | None, exc_info[1])
    return sys.exc_info()[1] if exc_info else None


def own_frames(error: BaseException, most: int = 6) -> list[str]:
    """The innermost `most` frames of our own packages as "gateway/….py:line"; no source text, no locals."""
    frames: list[str] = []
    step: TracebackType | None = error.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if file.startswith(_ROOTS):
            frames.append(f"{file[file.rindex(_package(file)) :]}:{step.tb_lineno}")
        step = step.tb_next
    return frames[-most:]


def _package(file: str) -> str:
    return next(root.rpartition("/")[2] + "/" for root in _ROOTS if file.startswith(root))
