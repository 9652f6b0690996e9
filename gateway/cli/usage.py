"""A mistake in the arguments is one sentence that ends where help is: the command's own --help, and an example of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_EXAMPLES = re.compile(r"Examples?: (.+)$", re.DOTALL)
_WORDS = (
    ("Input should be a valid integer", "must be a whole number"),
    ("is not a valid integer", "must be a whole number"),
)


def sentence(error: Any, root: Any, arguments: Sequence[str]) -> str:
    """What the framework complains of, with the way out. `root`: the whole command line; `arguments` as they were typed."""
    path, command = _meant(root, arguments)
    told = _EXAMPLES.search(" ".join((getattr(command, "help", None) or "").split()))
    examples = told[1].split(" · ") if told else []
    # a command that is in two groups has an example in the words of each
    example = next((one for one in examples if one.startswith(path)), examples[0] if examples else "")
    shown = f"; for example: {example}" if example else ""
    return f"{_complaint(error)}{shown} (see {path} --help)"


def _complaint(error: Any) -> str:
    said = str(error.format_message()).rstrip(".")
    head, colon, tail = said.partition(": ")
    if colon:
        said = (
            f"{head}: {next((ours for theirs, ours in _WORDS if theirs in tail), tail.removeprefix('Value error, '))}"
        )
    param = getattr(error, "param", None)
    others = getattr(param, "secondary_opts", None) or ()
    if others and said.startswith("Missing option"):
        said += "".join(f" or '{one}'" for one in others)  # --permit has a --deny
    return said


def _meant(root: Any, arguments: Sequence[str]) -> tuple[str, Any]:
    """The deepest command that the arguments name, and how it is called."""
    path, command = ["caregate"], root
    for word in arguments:
        below = (getattr(command, "commands", None) or {}).get(word)
        if below is None:
            break
        path.append(word)
        command = below
    return " ".join(path), command
