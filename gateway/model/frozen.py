"""Values that cannot be changed once made, and that are made as fast as values that can.

A frozen dataclass sets each field through `object.__setattr__`, three times the price of an assignment; a message
makes a dozen of them. Here a value is filled while it is of a twin class with the same slots that does not refuse,
and becomes what it is when it is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")

_become = object.__dict__["__class__"].__set__  # `x.__class__ = …`, which the frozen class refuses


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field, Field))
def value(cls: type[T]) -> type[T]:
    """`@dataclass(frozen=True, slots=True, kw_only=True)` for what the hot path makes; no `__post_init__`, bases are values, too."""
    made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
    names = tuple(one.name for one in fields(made))  # type: ignore[arg-type]
    # One may become the other only where both have the same base and the same slots beyond it; of a base that refuses, the
    # twin takes back both refusals: either of them alone keeps every assignment slow.
    allows = {"__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    twin = type(f"_{cls.__name__}", made.__bases__, {"__slots__": made.__slots__, **allows})  # type: ignore[attr-defined]
    scope: dict[str, Any] = {
        "_become": _become,
        "_new": object.__new__,
        "_twin": twin,
        "_cls": made,
        "_missing": MISSING,
    }
    parameters, lines = [], []
    for one in fields(made):  # type: ignore[arg-type]
        parameters.append(_parameter(one, scope))
        if one.default_factory is not MISSING:
            lines.append(f"    if {one.name} is _missing: {one.name} = _of_{one.name}()")
        lines.append(f"    self.{one.name} = {one.name}")
    lines = ["    _become(self, _twin)", *lines, "    _become(self, _cls)"]
    exec(f"def __init__(self, *, {', '.join(parameters)}):\n" + "\n".join(lines), scope)  # noqa: S102 -- as dataclass itself
    made.__init__ = scope["__init__"]  # type: ignore[method-assign]
    made.__init__.__qualname__ = f"{cls.__qualname__}.__init__"
    values = attrgetter(*names) if len(names) > 1 else lambda one: (getattr(one, names[0]),)
    again = _sent(cls, names, scope)
    made._again = staticmethod(again)  # type: ignore[attr-defined]  # noqa: SLF001  # pickle finds it there
    made.__reduce__ = lambda one: (again, values(one))  # type: ignore[method-assign,assignment]
    return made


def _sent(cls: type[Any], names: Sequence[str], scope: dict[str, Any]) -> Callable[..., Any]:
    """Makes what another process sent of its values in order: pickle has places only, and names cost as much again."""
    lines = ["    self = _new(_twin)", *(f"    self.{one} = {one}" for one in names), "    _become(self, _cls)"]
    exec(f"def _again({', '.join(names)}):\n" + "\n".join([*lines, "    return self"]), scope)  # noqa: S102 -- as above
    again: Callable[..., Any] = scope["_again"]
    again.__module__, again.__qualname__ = cls.__module__, f"{cls.__qualname__}._again"
    return again


def _parameter(one: Field[Any], scope: dict[str, Any]) -> str:
    """The field as a parameter; its default stands in `scope`."""
    if one.default_factory is not MISSING:
        scope[f"_of_{one.name}"] = one.default_factory
        return f"{one.name}=_missing"
    if one.default is MISSING:
        return one.name
    scope[f"_default_{one.name}"] = one.default
    return f"{one.name}=_default_{one.name}"
