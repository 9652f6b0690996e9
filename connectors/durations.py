"""Durations in the options of a connector are written alike everywhere, as seconds or with their unit, and errors never quote them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1, None: 1, "m": 60, "h": 3_600, "d": 86_400}


def duration(value: object) -> float:
    """Seconds of "500ms", "60s", "5m", "24h", "7d" or a number of seconds; ValueError for anything else."""
    match = _DURATION.fullmatch(str(value).strip())
    if match is None:
        raise ValueError("write a duration as a number of seconds, or as 500ms, 60s, 5m, 24h or 7d")
    return float(match[1]) * _SECONDS[match[2]]


Seconds = Annotated[float, BeforeValidator(duration)]
