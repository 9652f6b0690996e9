"""The process that holds hl7apy: a question a line in, an answer a line out, and no text of hl7apy's ever leaves it.

hl7apy's tables take memory, its parsing takes time, and its errors quote what they complain of. Here they cannot
hurt: the parent sets the time limit, this process limits its memory, and answers are places and our own words.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from collections.abc import Callable, Mapping
from typing import Any

from gateway.analyst.hl7v2 import apytables, deviations

_MEMORY = 2 * 2**30  # bytes of address space; a message that needs more is told of, not judged

_QUESTIONS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "catalogue": apytables.catalogue,
    "deviations": deviations.deviations,
}


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """`{"answer": …}`, or `{"failed": <class>}`: a foreign exception's text may quote the message."""
    try:
        return {"answer": _QUESTIONS[question["ask"]](question)}
    except Exception as error:  # noqa: BLE001 - whatever hl7apy trips over, the parent is told and asks on
        return {"failed": type(error).__name__}


def main() -> None:
    """Answer until the input ends."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no message in a core dump
    with contextlib.suppress(ValueError, OSError):  # not every kernel can limit it
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
