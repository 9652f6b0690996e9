"""What every sink does with its section of caregate.yaml: wrong settings are named, and never quoted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from gateway.model.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)


def read(model: type[Model], name: str, options: Mapping[str, object]) -> Model:
    """The options of sink `name`; raises ConfigError naming every wrong setting, without its value."""
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
    wrong = (".".join(map(str, one["loc"])) or one["msg"].removeprefix("Value error, ") for one in found)
    raise ConfigError(*(f"sinks.{name}.{place}: cannot be used" for place in wrong)) from None
