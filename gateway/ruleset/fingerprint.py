"""A rule as a digest: the same for the same rule, lists and wordings, whatever moved about in its file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any

from gateway.model.rule import Rule

_ELSEWHERE = frozenset({"line", "file"})  # where it is written, which says nothing of what it does


@lru_cache(maxsize=256)
def fingerprint(rule: Rule, templates: Sequence[str]) -> bytes:
    """32 bytes over what a rule says, its lists written out, and the digests of its `templates`, in their order."""
    told = json.dumps([_plain(rule), list(templates)], sort_keys=True, separators=(",", ":"))
    return sha256(told.encode()).digest()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        told = (one.name for one in fields(value) if one.init and one.name not in _ELSEWHERE)
        return [type(value).__name__, {name: _plain(getattr(value, name)) for name in told}]
    if isinstance(value, frozenset):
        return sorted((_plain(one) for one in value), key=json.dumps)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float | None) else str(value)
