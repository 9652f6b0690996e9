"""The tables part of a source's section in caregate.yaml: how files are written is told, never guessed from their first lines."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from connectors.sources.drops.options import DropOptions
from connectors.sources.options import Size, Texts
from gateway.ports import ExtractMode

_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,100}")


class Written(StrEnum):
    """How rows are written."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


class Characters(StrEnum):
    """In which a CSV file is; of UTF-16 nothing is read, for its line ends lie within its characters."""

    UTF8 = "utf-8"
    WINDOWS = "windows-1252"
    LATIN = "iso-8859-1"


def _one(value: str) -> str:
    value = "\t" if value == "tab" else value
    if len(value) != 1 or value in '"\r\n':
        raise ValueError("write one character, or tab")
    return value


def _file(value: str) -> str:
    if not _FILE.fullmatch(value):
        raise ValueError("write the name of a file within the folder of a run, such as _SUCCESS")
    return value


Character = Annotated[str, AfterValidator(_one)]
File = Annotated[str, AfterValidator(_file)]


class TablesOptions(DropOptions):
    """Times in seconds, sizes in bytes."""

    files: Written
    mode: ExtractMode
    delimiter: Character = ","
    escape: Character | None = None  # before a quote within quotes, where quotes are not doubled
    characters: Characters = Characters.UTF8
    nothing: Texts = ()  # words that stand for nothing, as NULL or \N
    may_lack: Texts = ()  # declared columns that need not be there
    runs: bool = False  # each folder within is one run, and all its files together are one table
    success: File | None = None  # a run is whole once this file is in it
    manifest: File | None = None  # a run is whole once all that this file names is there
    max_file: Annotated[Size, Field(ge=1_024)] = 64 << 30

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.done == self.failed:
            raise ValueError("done and failed must be two folders")
        if not self.runs and (self.success or self.manifest):
            raise ValueError(
                "success and manifest are for folders of runs (`runs: yes`); a single file has its `marker`"
            )
        if self.runs and self.marker:
            raise ValueError("marker: a run is whole by a file within it, `success` or `manifest`")
        if self.escape == self.delimiter:
            raise ValueError("escape and delimiter must be two characters")
        return self
