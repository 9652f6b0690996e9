"""Code tables: a local code becomes one of our words or "unmapped", never a guess."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from gateway.er7.bounds import CACHED
from gateway.er7.escape import unescape
from gateway.er7.reader import NULL
from gateway.er7.separators import Separators
from gateway.model.facts import UNMAPPED, Sensitivity
from gateway.model.party import CLEARED, Cleared

NOTHING = "nothing"  # a code that says nothing about the fact: look at the next path


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One of our words: what it means, and how much it betrays about care (PV-08)."""

    meaning: str = ""
    sensitivity: Sensitivity = Sensitivity.ORDINARY


class CodeTable:
    r"""Local codes → words. Codes are compared without case and without blanks at their ends (SI-25, P-21).

    A code is written as it comes ("MED") or with its coding system ("99213^^CPT4"); the latter wins. One that holds a
    delimiter is found as it is meant ("L&D") and as it comes (`L\T\D`; P-07).
    """

    def __init__(self, name: str, words: Mapping[str, Word], codes: Mapping[str, str]) -> None:
        self.name = name
        self.words = words
        self.codes = {_folded(code): word for code, word in codes.items()}
        self._qualified = any("^" in code for code in self.codes)
        self.guarded = frozenset(name for name, word in words.items() if word.sensitivity is Sensitivity.PROTECTED)
        self._word = lru_cache(maxsize=4096)(self._look_up)

    def __reduce__(self) -> tuple[type[CodeTable], tuple[object, ...]]:
        """Sent to another process without what it remembers."""
        return CodeTable, (self.name, self.words, self.codes)

    def word(self, raw: str, separators: Separators) -> str | None:
        """The word of one raw coded value (CWE, CE, IS or ID); None when it is empty, UNMAPPED when unknown.

        The alternate code (.4 to .6) speaks when the first is unknown: both name the same thing (C2A CWE).
        """
        word = self._read(raw)(raw, separators.component, separators.subcomponent)
        return self._meant(raw, separators) if word == UNMAPPED and separators.escape in raw else word

    def known(self, code: str, system: str = "") -> str | None:
        """The word of one code of a coding system (FHIR Coding); None when the table does not hold it."""
        return self._known(code, system)

    def _read(self, raw: str) -> Callable[[str, str, str], str | None]:
        return self._word if len(raw) <= CACHED else self._look_up

    def sensitivity(self, word: str) -> Sensitivity:
        """What the word betrays; whatever the table does not hold is of the highest."""
        known = self.words.get(word)
        return Sensitivity.PROTECTED if known is None else known.sensitivity

    def decide(self, candidates: Iterable[Iterable[str]], separators: Separators) -> str | Cleared | None:
        """One word for a fact: of the first path that tells something, the most sensitive value (PV-08).

        A protected word of a later path goes before one that is none: an office visit on the substance use ward is no
        office visit (42 CFR 2.13). `candidates`: per path the raw values of every segment and repetition. None: nothing told. CLEARED:
        `""`. UNMAPPED when any value of the deciding path is unknown, or none of the paths says anything.
        """
        told, component, subcomponent = False, separators.component, separators.subcomponent
        paths = iter(candidates)
        for values in paths:
            words = []
            for raw in values:
                if raw == NULL:
                    return CLEARED
                word = self._read(raw)(raw, component, subcomponent)
                if word == UNMAPPED and separators.escape in raw:
                    word = self._meant(raw, separators)
                told = told or word is not None
                if word is not None and word != NOTHING:
                    words.append(word)
            if words:
                found = words[0] if len(words) == 1 else max(words, key=self.sensitivity)
                if not self.guarded or self.sensitivity(found) is Sensitivity.PROTECTED:
                    return found
                later = (self.word(raw, separators) for values in paths for raw in values)
                return next((word for word in later if word in self.guarded), found)
        return UNMAPPED if told else None

    def _look_up(self, raw: str, component: str, subcomponent: str) -> str | None:
        parts = _parts(raw, component, subcomponent)
        if not parts[0].strip(" ") and not parts[3].strip(" "):
            return None if not parts[1].strip(" ") else UNMAPPED  # text without a code is not understood
        return self._known(parts[0], parts[2]) or self._known(parts[3], parts[5]) or UNMAPPED

    def _meant(self, raw: str, separators: Separators) -> str:
        """The word of a code that no entry spells as it comes, its escape sequences resolved."""
        parts = [unescape(one, separators) for one in _parts(raw, separators.component, separators.subcomponent)]
        return self._known(parts[0], parts[2]) or self._known(parts[3], parts[5]) or UNMAPPED

    def _known(self, code: str, system: str) -> str | None:
        if self._qualified and (word := self.codes.get(_folded(f"{code.strip(' ')}^^{system.strip(' ')}"))):
            return word
        return self.codes.get(_folded(code))


def _parts(raw: str, component: str, subcomponent: str) -> list[str]:
    """The components of a coded value, six at least; of each its first subcomponent (P-17)."""
    parts = [part.split(subcomponent, 1)[0] if subcomponent else part for part in raw.split(component)]
    return parts + [""] * (6 - len(parts))


def _folded(code: str) -> str:
    return code.strip(" ").casefold()
