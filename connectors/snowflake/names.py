"""Names of things in the warehouse: only what is named in the configuration or told by the warehouse itself, always quoted (SN-38)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator

_PART = re.compile(r'"((?:[^"\x00]|""){1,255})"|([A-Za-z_][A-Za-z0-9_$]{0,254})')


@dataclass(frozen=True, slots=True)
class Name:
    """A table, stream or schema by its whole path."""

    parts: tuple[str, ...]

    @property
    def sql(self) -> str:
        """Every part quoted."""
        return ".".join(map(quoted, self.parts))

    def __truediv__(self, part: str) -> Name:
        """What is in it under a name."""
        return Name((*self.parts, part))


def name_of(text: str, *, parts: int) -> Name:
    """DATABASE.SCHEMA.TABLE as Snowflake reads it: what is not in double quotes is upper case. ValueError for anything else."""
    found: list[str] = []
    at = 0
    while match := _PART.match(text, at):
        found.append(match[1].replace('""', '"') if match[1] is not None else match[2].upper())
        at = match.end()
        if text[at : at + 1] != ".":
            break
        at += 1
    if at != len(text) or len(found) != parts:
        whole = ("DATABASE", "SCHEMA", "TABLE")[:parts]
        raise ValueError(f"write {'.'.join(whole)}, with double quotes about a part whose case matters")
    return Name(tuple(found))


def quoted(identifier: str) -> str:
    """One identifier, taken literally."""
    doubled = identifier.replace('"', '""')
    return f'"{doubled}"'


def _table(value: object) -> Name:
    return name_of(str(value), parts=3)


def _schema(value: object) -> Name:
    return name_of(str(value), parts=2)


Table = Annotated[Name, BeforeValidator(_table)]
"""DATABASE.SCHEMA.TABLE, as options tell it."""
Schema = Annotated[Name, BeforeValidator(_schema)]
"""DATABASE.SCHEMA."""
