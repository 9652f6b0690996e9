"""A connector's section becomes its options: each wrong key is told at its own line, each path starts at caregate.yaml."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from gateway.model.errors import ConfigError
from gateway.model.when import Millis
from gateway.ports import Channel, Clock, Vouches
from gateway.settings import Section
from gateway.settings.installed import offered
from gateway.settings.secrets import references
from gateway.yamlfile import Node, members, validate_node

Make = Callable[..., Any]


def made(section: Section, clock: Clock, **more: object) -> Any:
    """The connector of a section, made but not started; `more` is passed on to it.

    A connector that publishes the pydantic model of its section as the class attribute `section` is checked against
    it first. Raises ConfigError with every problem as "file:line:column: sentence".
    """
    make = connector(section)
    problems = wrong(section, make)
    if problems:
        raise ConfigError(*problems)
    try:
        return make(section.name, options(section, make), clock, **more)
    except ConfigError as error:
        raise ConfigError(*(placed(section, problem) for problem in error.problems)) from None


def connector(section: Section) -> Make:
    """What an installed package offers under the section's kind. Raises ConfigError when none does."""
    group = f"gateway.{section.group}"
    for point in offered(group):
        if point.name == section.kind:
            loaded: Make = point.load()
            return loaded
    known = ", ".join(sorted(point.name for point in offered(group))) or "none"
    raise ConfigError(f"{section.where}: there is no connector `{section.kind}`; installed: {known}")


def wrong(section: Section, make: Make) -> tuple[str, ...]:
    """Every problem of a section that its connector's model sees; where it publishes none, the connector itself speaks.

    What stands in a reference that was not looked up (to lint without secrets) is not judged.
    """
    model = _model(make)
    if model is None:
        return ()
    try:
        validate_node(model, section.options, under=(section.group, section.name))
    except ConfigError as error:
        unread = tuple(f"{place}: " for place in references(section.options))
        return tuple(problem for problem in error.problems if not (unread and problem.startswith(unread)))
    return ()


def options(section: Section, make: Make) -> Mapping[str, object]:
    """The options as plain text, lists and mappings; relative paths start in the folder of caregate.yaml."""
    plain, model = section.options.plain(), _model(make)
    found = plain if model is None else _rebased(model, plain, section.folder)
    assert isinstance(found, dict)
    return found


def too_slow(section: Section, channel: Channel, time_limit: Millis) -> tuple[str, ...]:
    """A channel whose `timeout` reaches the worker's `time_limit` (Millis): an attempt would outlive what guards it."""
    if channel.timeout * 1000 < time_limit:
        return ()
    place = _place(section, section.options.get("timeout") or section.options)
    return (
        f"{place}: channel {section.name}: its timeout must be shorter than the worker's time_limit, so that an attempt never outlives what guards it",
    )


def unfit(section: Section, channel: Channel, senders: Sequence[str]) -> tuple[str, ...]:
    """What a channel that vouches for senders has against any of these e-mail addresses, each at the option it names."""
    if not isinstance(channel, Vouches):
        return ()
    try:
        channel.vouch(senders)
    except ConfigError as error:
        return tuple(placed(section, problem) for problem in error.problems)
    return ()


def placed(section: Section, problem: str) -> str:
    """A connector's own sentence ("source lab: tls.key: …") at the place of the option that it names."""
    text, node = problem, section.options
    for head in (f"source {section.name}", f"channel {section.name}", f"{section.group}.{section.name}"):
        text = text.removeprefix(f"{head}: ").removeprefix(f"{head}.")
    while True:
        name, colon, rest = text.partition(": ")
        below = node.get(*name.split(".")) if colon else None
        if below is None:
            return f"{_place(section, node)}: {problem}"
        text, node = rest, below


def _place(section: Section, node: Node) -> str:
    return section.where if node is section.options else node.place


def _model(make: Make) -> type[BaseModel] | None:
    found = getattr(make, "section", None)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def _rebased(kind: object, value: object, folder: Path) -> object:
    """`value` with every text that the model reads as a path made absolute."""
    kinds = list(members(kind))
    if isinstance(value, Mapping):
        return {key: _rebased(_field(kinds, key), below, folder) for key, below in value.items()}
    if isinstance(value, list):
        return [_rebased(Union[tuple(_items(kinds)) or (str,)], below, folder) for below in value]  # noqa: UP007 - built at run time
    is_path = isinstance(value, str) and Path in (*kinds, *_items(kinds))
    return str(folder / str(value)) if is_path else value


def _items(kinds: list[object]) -> Iterator[object]:
    for kind in kinds:
        if get_origin(kind) in (tuple, list, set, frozenset):
            yield from members(get_args(kind)[0])


def _field(kinds: list[object], name: str) -> object:
    models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return next((one.model_fields[name].annotation for one in models if name in one.model_fields), str)
