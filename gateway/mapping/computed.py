"""The register of computed values: what a mapping may name after `compute:`, and what each gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from inspect import Parameter, signature
from typing import Any, TypeVar

from gateway.model.facts import FactType

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)


class Gives(StrEnum):
    """What a computation is good for besides facts."""

    FLAG = "flag"  # True holds, False lifts, None says nothing
    KEY = "key"  # an occurrence's identity
    KEYS = "keys"  # several
    IDENTIFIERS = "identifiers"
    NAME = "name"
    BIRTH_DATE = "birth_date"
    LANGUAGE = "language"
    STATE = "state"
    POSTAL_CODE = "postal_code"
    COUNTRY = "country"
    TELECOM = "telecom"
    DECEASED = "deceased"
    CONSENTS = "consents"  # statements, and whether a person must look
    REPRESENTATIVES = "representatives"


@dataclass(frozen=True, slots=True, kw_only=True)
class Computation:
    """A named function and what it gives; `summary` is the first line of its docstring.

    `paths`: how many it takes; `more`: or more of them. `wants`: what it takes by keyword.

    It is called with the scope and what each path tells, in order (HL7 v2: one raw text; FHIR: a list of values), and only
    when one of them tells something.
    By keyword it may take `codes` (the code table the mapping names), `names` (the paths' fields, such as
    "PID-13") and `never` (the type codes the mapping forbids).
    """

    name: str
    function: Function
    gives: FactType | Gives
    summary: str
    paths: int
    more: bool
    wants: frozenset[str]


COMPUTED: dict[str, Computation] = {}


def computed(gives: FactType | Gives, register: dict[str, Computation] = COMPUTED) -> Callable[[F], F]:
    """Enter a function in the register (of HL7 v2 unless told) under its own name."""

    def enter(function: F) -> F:
        name = function.__name__
        taken = signature(function).parameters.values()
        register[name] = Computation(
            name=name,
            function=function,
            gives=gives,
            summary=(function.__doc__ or "").split("\n", 1)[0],
            paths=sum(one.kind is Parameter.POSITIONAL_OR_KEYWORD for one in taken) - 1,
            more=any(one.kind is Parameter.VAR_POSITIONAL for one in taken),
            wants=frozenset(one.name for one in taken if one.kind is Parameter.KEYWORD_ONLY),
        )
        return function

    return enter
