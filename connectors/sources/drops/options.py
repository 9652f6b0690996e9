"""What every watched folder may be told: checked whole, wrong settings named but never quoted."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from connectors.durations import Seconds
from connectors.sources.options import Size, Texts

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,100}")
_SUFFIX = re.compile(r"\.[A-Za-z0-9._-]{1,30}")


class Order(StrEnum):
    """In which order files that wait are taken."""

    NAME = "name"
    MTIME = "mtime"  # the one last written longest ago first; equal times by name


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("write the name of a folder within the watched one, such as done")
    return value


def _suffix(value: str) -> str:
    if not _SUFFIX.fullmatch(value):
        raise ValueError("write an ending with its dot, such as .done")
    return value


def _suffixes(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(_suffix, values))


Name = Annotated[str, AfterValidator(_name)]


class DropOptions(BaseModel):
    """Times in seconds, sizes in bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    path: Path
    pattern: Annotated[str, Field(min_length=1, max_length=200)] = "*"
    order: Order = Order.NAME
    interval: Annotated[Seconds, Field(gt=0)] = 5.0  # between two looks
    settle: Seconds = 5.0  # as long a file must not have changed; 0 where they arrive by being renamed
    marker: Annotated[str, AfterValidator(_suffix)] | None = None  # a file is whole once `<file>.done` is there
    ignore: Annotated[Texts, AfterValidator(_suffixes)] = (".tmp", ".part", ".partial", ".filepart", ".crdownload")
    done: Name = "done"
    failed: Name = "failed"
    max_file: Annotated[Size, Field(ge=1_024)] = 4 << 30  # of what a .gz unpacks to, too
    keep_done: Seconds = 30.0 * 86_400  # patients' data lie open in there; 0 keeps for ever
    stop_timeout: Seconds = 10.0  # to answer what is in hand when stopping (F-16)
