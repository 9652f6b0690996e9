"""Files against pydantic models: every problem becomes one plain sentence at its line, and no value is ever quoted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import pydantic
from pydantic_core import ErrorDetails

from gateway.model.errors import ConfigError
from gateway.yamlfile.advice import advised, homes, sections
from gateway.yamlfile.nodes import Node, load, load_text

T = TypeVar("T", bound=pydantic.BaseModel)


def validate(model: type[T], path: Path) -> T:
    """Read `path` and check it against `model` (unknown keys are errors). Raises ConfigError with all problems."""
    return validate_node(model, load(path))


def validate_text(model: type[T], text: str, path: Path | str) -> T:
    """As `validate`, from text; `path` is only its name in messages. Raises ConfigError."""
    return validate_node(model, load_text(text, path))


def validate_node(model: type[T], node: Node, *, under: Sequence[str] = ()) -> T:
    """Check what was read against `model`. Raises ConfigError; its texts never contain pydantic's, nor a value.

    `under`: the keys that lead to `node` in its file, for the names in messages.
    """
    # Unknown keys are refused by ourselves at every level: a model that forgot extra=forbid must not let a typo pass.
    unknown = [(line, column, _within(text, under)) for line, column, text in sorted(_unknown(model, node))]
    try:
        checked = model.model_validate(node.plain())
    except pydantic.ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        told = [detail for detail in details if detail["type"] != "extra_forbidden"]
        # an unknown key we could not see ourselves (behind a validator) is still an error, never a crash
        problems = _problems(node, told or ([] if unknown else details), under)
    else:
        problems = []
    if unknown or problems:
        unknown, problems = advised(homes(sections(model)), node, unknown, problems)
        raise ConfigError(*(text for _, _, text in sorted({*unknown, *problems})))
    return checked


_ROUNDS = 9  # leaving one entry out may show another


def salvaged(model: type[T], node: Node, *, depth: int) -> T | None:
    """What is right of a file that `validate_node` refused: every entry with a mistake is left out.

    An entry is `depth` keys deep. None when the file as a whole is what is wrong. For the lint alone, which would
    otherwise tell the other mistakes of a file one round later.
    """
    plain = node.plain()
    for _ in range(_ROUNDS):
        try:
            return model.model_validate(plain)
        except pydantic.ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
            entries = {_keys(plain, detail["loc"])[:depth] for detail in details}
        if () in entries:
            return None
        for entry in entries:
            _leave_out(plain, entry)
    return None


def _keys(plain: object, loc: Iterable[str | int]) -> tuple[str, ...]:
    """The keys of a location that are in the file; names of union members are not, and a list is not looked into."""
    found: list[str] = []
    for part in loc:
        if isinstance(plain, dict) and part in plain:
            found.append(str(part))
            plain = plain[part]
    return tuple(found)


def _leave_out(plain: Any, keys: Sequence[str]) -> None:
    *above, last = keys
    for key in above:
        plain = plain.get(key, {})
    plain.pop(last, None)


Found = tuple[int, int, str]


def _problems(root: Node, details: list[ErrorDetails], under: Sequence[str]) -> list[Found]:
    """One entry a detail; where a union failed in all its members, only the one that came furthest speaks."""
    paths = [_reach(root, detail) for detail in details]
    kept = [
        detail
        for detail, path in zip(details, paths, strict=True)
        if not (
            detail["type"].endswith("_type")
            and any(len(other) > len(path) and other[: len(path)] == path for other in paths)
        )
    ]
    return [_problem(root, detail, under) for detail in kept]


def _reach(root: Node, detail: ErrorDetails) -> tuple[str | int, ...]:
    path = _walk(root, detail["loc"])[1]
    return (*path, detail["loc"][-1]) if detail["type"] == "missing" else tuple(path)


def _problem(root: Node, detail: ErrorDetails, under: Sequence[str]) -> Found:
    loc = detail["loc"]
    node, path = _walk(root, loc)
    at = (node.line, node.column)
    key = str(loc[-2]) if loc and loc[-1] == "[key]" else None
    if key is not None:
        at = _walk(root, loc[:-2])[0].keys.get(key, at)
    if detail["type"] == "missing":
        wanted = _dotted([*under, *path, str(loc[-1])])
        return (*at, f"{node.file}:{at[0]}:{at[1]}: `{wanted}` is missing")
    name, said = f"`{_dotted([*under, *path])}`" if under or path else "the file", _says(detail, node, key)
    # a connector's own validators speak in whole sentences
    between = " " if not under or said.startswith(("must ", "is ", "has ", "have ", "lacks ")) else ": "
    return (*at, f"{node.file}:{at[0]}:{at[1]}: {name}{between}{said}")


def _walk(root: Node, loc: Iterable[str | int]) -> tuple[Node, list[str | int]]:
    """Follow pydantic's location as far as the file goes; names of union members are no part of the file."""
    node, path = root, []
    for part in loc:
        child = node.get(part)
        if child is not None:
            node = child
            path.append(part)
    return node, path


def _dotted(path: Iterable[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _says(detail: ErrorDetails, node: Node, key: str | None) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in ("value_error", "assertion_error"):
        return str(context["error"])  # our own validator's sentence
    if kind in ("literal_error", "enum"):
        return _choice(str(context["expected"]), node.value if key is None else key)
    if node.value is None:
        return "is empty"
    if kind in ("too_short", "too_long") and isinstance(node.value, str):
        kind = f"string_{kind}"  # pydantic counts a secret's characters as entries
    if kind in _BOUNDS:
        word, key = _BOUNDS[kind]
        return f"must {word} {context[key]}"
    return _SENTENCES.get(kind, "is not acceptable here")


def _choice(expected: str, word: object) -> str:
    """The words there are; of a long list only those that resemble what stands there, if any do."""
    known = _quoted(expected)
    close = like(word, known)
    return f"must be one of the known words{close}" if close and len(known) > _MANY else f"must be {expected}{close}"


_MANY = 12
_SENTENCES = {
    "string_type": "must be text",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be yes or no",
    "bool_type": "must be yes or no",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "frozen_set_type": "must be a list",
    "dict_type": "must have keys of its own",
    "mapping_type": "must have keys of its own",
    "model_type": "must have keys of its own",
    "model_attributes_type": "must have keys of its own",
    "dataclass_type": "must have keys of its own",
    "string_pattern_mismatch": "is not of the expected form",
    "date_parsing": "must be a date like 2026-03-15",
    "date_from_datetime_parsing": "must be a date like 2026-03-15",
    "datetime_parsing": "must be a date and time like 2026-03-15T09:30",
    "datetime_from_date_parsing": "must be a date and time like 2026-03-15T09:30",
    "time_parsing": "must be a time like 19:00",
    "path_type": "must be a path",
    "union_tag_not_found": "lacks the key that says of which kind it is",
    "union_tag_invalid": "is of a kind that is not known",
}
_BOUNDS = {
    "greater_than": ("be more than", "gt"),
    "greater_than_equal": ("be at least", "ge"),
    "less_than": ("be less than", "lt"),
    "less_than_equal": ("be at most", "le"),
    "string_too_short": ("have at least this many characters:", "min_length"),
    "string_too_long": ("have at most this many characters:", "max_length"),
    "too_short": ("have at least this many entries:", "min_length"),
    "too_long": ("have at most this many entries:", "max_length"),
}


def _quoted(expected: str) -> list[str]:
    return expected.split("'")[1::2]  # pydantic writes: 'a', 'b' or 'c'


def like(word: object, known: Iterable[str]) -> str:
    """An ending for a sentence, asking whether the closest known words were meant; empty when none is close."""
    lower = {one.lower(): one for one in known}  # who writes `treatment` or `Mon` is near to TREAT and mon
    close = get_close_matches(word.lower(), lower, n=2, cutoff=0.6) if isinstance(word, str) else []
    close = [lower[one] for one in close]
    return f"; did you mean {' or '.join(f'`{one}`' for one in close)}?" if close else ""


def _within(text: str, under: Sequence[str]) -> str:
    return text.replace("`;", f"` of `{_dotted(under)}`;", 1) if under else text


def _known(words: Iterable[str]) -> str:
    return f"; known here: {', '.join(words)}"


def _unknown(kind: object, node: Node) -> Iterator[Found]:
    """Every key of the file that no model at its place has."""
    alternatives = tuple(members(kind))
    if isinstance(node.value, tuple):
        for child in node.value:
            yield from _unknown_below([_item(member) for member in alternatives], child)
    if not isinstance(node.value, Mapping):
        return
    fields = [_fields(member) for member in alternatives]
    for key, child in node.value.items():
        kinds = [found[key] for found in fields if key in found]
        anything = [value for member in alternatives if (value := _values(member)) is not None]
        if not kinds and not anything and any(found for found in fields):
            known = sorted({name for found in fields for name in found})
            line, column = node.keys[key]
            said = key if len(key) <= 40 else key[:40] + "…"
            yield line, column, f"{node.file}:{line}:{column}: unknown key `{said}`{like(key, known) or _known(known)}"
        yield from _unknown_below([*kinds, *anything], child)


def _unknown_below(kinds: Iterable[object], child: Node) -> Iterator[Found]:
    if isinstance(child.value, str | None):
        return  # no keys there
    wanted = [kind for kind in kinds if kind is not None]
    if wanted:
        yield from _unknown(Union[tuple(wanted)], child)  # noqa: UP007 - built at run time


def members(kind: object) -> Iterator[object]:
    """The alternatives of an annotation, without Annotated, Optional's wrapping and type aliases; NoneType is one."""
    kind = getattr(kind, "__value__", kind)
    if get_origin(kind) is Annotated:
        yield from members(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for member in get_args(kind):
            yield from members(member)
    else:
        yield kind


def _fields(kind: object) -> dict[str, object]:
    if not (isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)):
        return {}
    return _model_fields(kind)


@cache
def _model_fields(kind: type[pydantic.BaseModel]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, field in kind.model_fields.items():
        found[field.alias or name] = field.annotation
        if field.alias and kind.model_config.get("populate_by_name"):
            found[name] = field.annotation
    return found


def _values(kind: object) -> object | None:
    """What a dict's values are; None if `kind` is no dict. A model that allows extras takes anything."""
    origin = get_origin(kind) or kind
    if isinstance(origin, type) and issubclass(origin, Mapping):
        arguments = get_args(kind)
        return arguments[1] if arguments else object
    allows = (
        isinstance(kind, type) and issubclass(kind, pydantic.BaseModel) and kind.model_config.get("extra") == "allow"
    )
    return object if allows else None


def _item(kind: object) -> object | None:
    origin = get_origin(kind)
    return get_args(kind)[0] if origin in (list, tuple, set, frozenset) or _is_sequence(origin) else None


def _is_sequence(origin: object) -> bool:
    return getattr(origin, "__name__", "") in ("Sequence", "Iterable", "Set", "Collection")
