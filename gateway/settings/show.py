"""The effective configuration as text for people and tickets; no secret is ever in it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from gateway.settings import environment
from gateway.settings.secrets import without_password
from gateway.settings.settings import Settings
from gateway.settings.values import shown_duration

_DURATIONS = {"retention": None, "worker": {"time_limit", "lease"}}  # None: every key of the section
_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./@+-]*")
_OVERRIDES = {"database": environment.DATABASE, "broker": environment.BROKER}


def print_config(settings: Settings, environ: Mapping[str, str] | None = None) -> str:
    """YAML of every setting with its default; references stay references, what the environment told is named, not shown."""
    environ = os.environ if environ is None else environ
    told = settings.file.model_dump(mode="python")
    for key, variable in _OVERRIDES.items():
        told[key] = f"env:{variable}" if environ.get(variable) else without_password(told[key])
    told["api"] = settings.api.model_dump()
    for section, keys in _DURATIONS.items():
        told[section] = {k: shown_duration(v) if keys is None or k in keys else v for k, v in told[section].items()}
    return f"# {settings.path}\n" + "".join(f"{line}\n" for line in _lines(told, 0))


def _lines(value: Mapping[str, object], depth: int) -> list[str]:
    lines: list[str] = []
    for key, item in value.items():
        if item is None:
            continue
        head = f"{'  ' * depth}{_scalar(key)}:"
        if isinstance(item, Mapping):
            below = _lines(item, depth + 1)
            lines += [head, *below] if below else []
        else:
            lines.append(f"{head} {_inline(item)}")
    return lines


def _inline(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_inline(item) for item in value)}]"
    return _scalar(value)


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value) if isinstance(value, int | str | Path) else repr(value)
    return text if _PLAIN.fullmatch(text) else "'" + text.replace("'", "''") + "'"
