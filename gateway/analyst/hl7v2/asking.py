"""Asks the process that holds hl7apy, with a time limit on every answer; a message goes through a pipe, never an argument."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import Timer
from typing import Any, Self

import gateway
from gateway.model.errors import CommandError

_ROOT = Path(gateway.__file__).resolve().parents[1]


class NoAnswer(CommandError):
    """hl7apy did not answer in time, or could not; the text says which and quotes nothing."""


class Child:
    """The process, started when the first question is asked and again after one it did not survive.

    A context manager: the process ends with it. `seconds`: the limit of one answer.
    """

    def __init__(self, *, seconds: float = 20.0) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def ask(self, question: Mapping[str, Any]) -> Any:
        """The answer to one question of `child.py`. Raises NoAnswer."""
        process = self._process = self._process or _started()
        limit = Timer(self._seconds, process.kill)  # a killed child unblocks both pipes
        limit.start()
        line = _exchanged(process, json.dumps(question))
        in_time = limit.is_alive()
        limit.cancel()
        if not line:
            self._end()
            raise NoAnswer("hl7apy ended without an answer" if in_time else f"no answer in {self._seconds:g} seconds")
        answer = json.loads(line)
        if "failed" in answer:
            raise NoAnswer(f"hl7apy cannot judge it ({answer['failed']})")
        return answer["answer"]

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _exchanged(process: subprocess.Popen[str], line: str) -> str:
    """The child's next line; empty when it is gone."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(line + "\n")
        process.stdin.flush()
    except BrokenPipeError:
        return ""
    return process.stdout.readline()


def _started() -> subprocess.Popen[str]:
    """A fresh child of this very installation; what it says beside its answers is nobody's business."""
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "PYTHONIOENCODING": "utf-8"}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "gateway.analyst.hl7v2.child"],  # -P: never what lies in the working directory
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        encoding="utf-8",
    )
