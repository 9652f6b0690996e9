"""What a scope allows, in the words of either version: `system/Patient.rs` and `system/Patient.read` are one (O-08)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SCOPE = re.compile(r"system/(\*|[A-Za-z]+)\.(\*|read|write|c?r?u?d?s?)").fullmatch
_LETTERS = {"read": "rs", "write": "cud", "*": "cruds"}  # SMART App Launch 2.2: scopes for requesting FHIR resources


def covers(granted: Sequence[str], asked: str) -> bool:
    """Whether all that `asked` allows is among what was granted; of what is no such scope, whether it was itself."""
    wanted = _SCOPE(asked)
    if wanted is None or asked in granted:
        return asked in granted
    every = [one for one in map(_SCOPE, granted) if one is not None and one[1] in ("*", wanted[1])]
    return set(_letters(wanted[2])) <= {letter for one in every for letter in _letters(one[2])}


def _letters(told: str) -> str:
    return _LETTERS.get(told, told)
