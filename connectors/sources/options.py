"""What the options of several sources share: durations, sizes and addresses are written alike, and errors never quote a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError

from gateway.model.errors import ConfigError

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1, None: 1, "m": 60, "h": 3_600, "d": 86_400}
_SIZE = re.compile(r"(\d{1,12})\s*(B|KiB|MiB|GiB)?")
_BYTES = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

Network = IPv4Network | IPv6Network
Model = TypeVar("Model", bound=BaseModel)


def duration(value: object) -> float:
    """Seconds of "500ms", "60s", "5m", "24h", "7d" or a number of seconds; ValueError for anything else."""
    match = _DURATION.fullmatch(str(value).strip())
    if match is None:
        raise ValueError("write a duration as a number of seconds, or as 500ms, 60s, 5m, 24h or 7d")
    return float(match[1]) * _SECONDS[match[2]]


def size(value: object) -> int:
    """Bytes of "64KiB", "16MiB", "1GiB" or a number of bytes; ValueError for anything else."""
    match = _SIZE.fullmatch(str(value).strip())
    if match is None:
        raise ValueError("write a size as a number of bytes, or as 64KiB or 16MiB")
    return int(match[1]) * _BYTES[match[2]]


def networks(value: object) -> tuple[Network, ...]:
    """Networks of one or several addresses ("10.1.2.3", "10.1.0.0/16"); ValueError for anything else."""
    texts = value if isinstance(value, (list, tuple)) else [value]
    try:
        return tuple(ip_network(str(text).strip(), strict=False) for text in texts)
    except ValueError:
        raise ValueError("write addresses as 10.1.2.3, 10.1.0.0/16 or fd00::/8") from None


def several(value: object) -> object:
    """A text alone stands for a list of one."""
    return [value] if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(duration)]
Size = Annotated[int, BeforeValidator(size)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(networks)]
Texts = Annotated[tuple[str, ...], BeforeValidator(several)]


def admits(allowed: tuple[Network, ...], host: str) -> bool:
    """Whether an address is in one of the networks; an empty list admits all, and what is no address is not admitted."""
    if not allowed:
        return True
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in allowed)


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
