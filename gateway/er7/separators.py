r"""The delimiters one message declares; nothing else in Caregate assumes `|^~\&` (P-01)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, Place


@dataclass(frozen=True, slots=True)
class Separators:
    """One character each, `''` where the sender declared none (P-03); `truncation` from v2.7 (P-14)."""

    field: str
    component: str
    repetition: str = ""
    escape: str = ""
    subcomponent: str = ""
    truncation: str = ""

    @property
    def encoding(self) -> str:
        """MSH-2 as the sender wrote it: component, repetition, escape, subcomponent, truncation (C2 §2.5.4)."""
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation


DEFAULT = Separators("|", "^", "~", "\\", "&")


@lru_cache(maxsize=64)
def separators_of(field: str, encoding: str) -> Separators:
    """The delimiters from MSH-1 and MSH-2, one to five of the latter (C2 §2.5.4, P-01, P-03).

    Raises Unreadable (AR, 102 at MSH-1 or MSH-2; 101 where MSH-2 is empty) when they are not distinct,
    or not printable ASCII punctuation: a letter, digit, blank, CR or non-ASCII byte cannot delimit (P-04).
    """
    if not _delimits(field):
        raise _refusal(102, 1, "the field separator must be ASCII punctuation")
    if not encoding:
        raise _refusal(101, 2, "the encoding characters are missing")
    # A backslash doubled by somebody's source code is met in the wild; read strictly it could delimit nothing.
    encoding = encoding.replace("\\\\", "\\")
    if len(encoding) > 5 or not all(map(_delimits, encoding)):
        raise _refusal(102, 2, "the encoding characters must be one to five ASCII punctuation characters")
    if len({field, *encoding}) != 1 + len(encoding):
        raise _refusal(102, 2, "the delimiters must differ from one another")
    return Separators(field, *encoding)


def _delimits(character: str) -> bool:
    # `"` is excluded too: a delimiter of `"` would leave no way to write the delete indicator (C2 §2.5.3).
    return "!" <= character <= "~" and character != '"' and not character.isalnum()


def _refusal(code: int, position: int, rule: str) -> Unreadable:
    return Unreadable(Fault(code=code, rule=rule, place=Place("MSH", 1, position)), AckCode.AR)
