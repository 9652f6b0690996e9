"""A name that a feed shouts is written as its bearer would; any other is left as it was told (PI-04)."""

from __future__ import annotations

import re
import unicodedata

from jinja2 import Undefined, pass_context
from jinja2.runtime import Context

from gateway.model.errors import RenderError

LOCALE = "_locale"  # the same context key as in formats.py
_PARTICLES = frozenset(
    {
        "bin", "da", "das", "de", "del", "della", "dem", "den", "der", "di", "do", "dos", "du", "e", "ibn", "la", "las",
        "le", "lo", "los", "ten", "ter", "van", "von", "y", "zu", "zur",
    }
)  # fmt: skip
_KEPT = frozenset({"II", "III", "IV", "VI", "VII", "VIII"})
_SUFFIXES = frozenset({"JR", "SR"})
_PIECE = re.compile(r"([\s\-.\u2010\u2011]+)")
_MC = re.compile(r"Mc(?=[A-Z]{2})|MC(?=[A-Z]{3})").match
_ELIDED = re.compile(r"([^\W\d_]['\u2019\u02bc])(.+)").fullmatch  # O'NEIL, D'ANGELO; not SA'ID
_VOWELS = frozenset("AEIOUY")


@pass_context
def name_filter(context: Context, value: object) -> str:
    """`{{ patient.given_name | name }}`: JANE becomes Jane, McDONALD McDonald; "de la Cruz" and 王秀英 stay."""
    if isinstance(value, Undefined):
        return str(value)  # says itself that it is not known
    if not isinstance(value, str):
        raise RenderError("name: the value is not text")
    locale = context.resolve(LOCALE)
    return cased(value, turkic=getattr(locale, "language", "") in ("tr", "az"))


def cased(name: str, *, turkic: bool = False) -> str:
    """A name without shouting. `turkic`: I is lowered to the dotless ı.

    Only words written wholly in Latin capitals change (and Mc before capitals); two consonants are initials (JP).
    A particle between names is small (MARIA DEL CARMEN), two at the beginning are (DE LA CRUZ), one there is not
    (LA TOYA, VAN GOGH): it may be the name itself.
    """
    words = _PIECE.split(name)
    shouted = all(_is_shouted(word) for word in words[::2] if word)
    leading = _leading_particles(words[::2]) if shouted else 0
    for at in range(0, len(words), 2):
        word, number = words[at], at // 2
        if shouted and _is_particle(word) and _is_between(words, at) and (number or leading > 1):
            words[at] = word.lower()
        else:
            words[at] = _cased(word, turkic)
    return "".join(words)


def _cased(word: str, turkic: bool) -> str:
    if mc := _MC(word):
        return "Mc" + _capital(word[mc.end() :], turkic)
    if not _is_shouted(word) or word in _KEPT:
        return word
    if elided := _ELIDED(word):
        return elided[1] + _capital(elided[2], turkic)
    if len(word) == 2 and word not in _SUFFIXES and not _VOWELS & set(_plain(word)):
        return word
    return _capital(word, turkic)


def _capital(word: str, turkic: bool) -> str:
    first = next((at for at, char in enumerate(word) if char.isalpha()), 0) + 1  # "(ANN)" begins with its A
    tail = word[first:].replace("I", "ı") if turkic else word[first:]
    return word[:first] + tail.replace("İ", "i").lower()  # "İ".lower() would leave a combining dot


def _is_shouted(word: str) -> bool:
    if not word.isupper():  # as nearly always
        return False
    letters = [char for char in word if char.isalpha()]
    return bool(letters) and all(char.isupper() and unicodedata.name(char, "").startswith("LATIN") for char in letters)


def _is_particle(word: str) -> bool:
    return word.lower() in _PARTICLES


def _is_between(words: list[str], at: int) -> bool:
    """Whether a name follows after a blank (MARIA-DE stays a name of two)."""
    return at + 2 < len(words) and words[at + 1].isspace() and (at == 0 or words[at - 1].isspace())


def _leading_particles(words: list[str]) -> int:
    return next((count for count, word in enumerate(words) if not _is_particle(word)), len(words))


def _plain(word: str) -> str:
    return unicodedata.normalize("NFD", word)
