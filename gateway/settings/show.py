"""The effective configuration as text for people and tickets; no secret is ever in it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.model.pace import Pace
from gateway.settings import environment
from gateway.settings.secrets import without_password
from gateway.settings.settings import Settings
from gateway.settings.values import duration, shown_duration, shown_pace

_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./@+-]*")
_OVERRIDES = {"database": environment.DATABASE, "broker": environment.BROKER}


def print_config(settings: Settings, environ: Mapping[str, str] | None = None) -> str:
    """YAML of every setting with its default; references stay references, what the environment told is named, not shown."""
    environ = os.environ if environ is None else environ
    told = _dumped(settings.file)
    for key, variable in _OVERRIDES.items():
        told[key] = f"env:{variable}" if environ.get(variable) else without_password(told[key])
    told["api"] = _dumped(settings.api)
    return f"# {settings.path}\n" + "".join(f"{line}\n" for line in _lines(told, 0))


def _dumped(section: BaseModel) -> dict[str, Any]:
    """Every key of a section, with durations as people write them, and the connector's own keys as they were written."""
    fields = type(section).model_fields
    told = {name: _shown(getattr(section, name), is_duration=_is_duration(one)) for name, one in fields.items()}
    return {**told, **(section.model_extra or {})}


def _shown(value: Any, *, is_duration: bool) -> Any:
    if is_duration:
        return shown_duration(value)
    if isinstance(value, BaseModel):
        return _dumped(value)
    if isinstance(value, Pace):
        return shown_pace(value)
    if isinstance(value, Mapping):
        return {key: _shown(below, is_duration=False) for key, below in value.items()}
    return value


def _is_duration(field: FieldInfo) -> bool:
    return any(getattr(one, "func", None) is duration for one in field.metadata)


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
    text = str(value) if isinstance(value, int | str | Path | date) else repr(value)
    return text if _PLAIN.fullmatch(text) else "'" + text.replace("'", "''") + "'"
