"""What the options of several sources share: sizes and lists are written alike, and errors never quote a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError

from gateway.model.errors import ConfigError

_SIZE = re.compile(r"(\d{1,12})\s*(B|KiB|MiB|GiB)?")
_BYTES = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

Model = TypeVar("Model", bound=BaseModel)


def size(value: object) -> int:
    """Bytes of "64KiB", "16MiB", "1GiB" or a number of bytes; ValueError for anything else."""
    match = _SIZE.fullmatch(str(value).strip())
    if match is None:
        raise ValueError("write a size as a number of bytes, or as 64KiB or 16MiB")
    return int(match[1]) * _BYTES[match[2]]


def several(value: object) -> object:
    """A text alone stands for a list of one."""
    return [value] if isinstance(value, str) else value


Size = Annotated[int, BeforeValidator(size)]
Texts = Annotated[tuple[str, ...], BeforeValidator(several)]


def read(model: type[Model], name: str, options: Mapping[str, object]) -> Model:
    """The options of source `name`; raises ConfigError naming every wrong setting, without its value."""
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        problems = [
            f"source {name}: {_at(detail['loc'])}{_sentence(model, detail['type'], detail['msg'], len(detail['loc']))}"
            for detail in error.errors(include_url=False, include_context=False, include_input=False)
        ]
    raise ConfigError(*problems) from None


def _at(place: tuple[int | str, ...]) -> str:
    return ".".join(map(str, place)) + ": " if place else ""


def _sentence(model: type[BaseModel], kind: str, message: str, depth: int) -> str:
    if kind == "extra_forbidden":
        known = "; known are " + ", ".join(sorted(model.model_fields)) if depth == 1 else ""
        return f"there is no such setting{known}"
    return message.removeprefix("Value error, ")
