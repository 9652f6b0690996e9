"""How many parts a text message costs, counted as networks count (3GPP TS 23.038 and 23.040; SM-02, SM-03); pure."""

from __future__ import annotations

from dataclasses import dataclass

# 3GPP TS 23.038 table 6.2.1, the default alphabet, and 6.2.1.1, what costs an escape as well.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")

# Punctuation that word processors put in and that reads the same without (SM-03). Letters are never touched.
_FOLDED = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u2032": "'", "\u00b4": "'", "\u0060": "'",
        "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u201f": '"', "\u2033": '"', "\u00ab": '"', "\u00bb": '"',
        "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2015": "-", "\u2212": "-",
        "\u2022": "-", "\u00b7": "-", "\u2026": "...",
        "\u00a0": " ", "\u2002": " ", "\u2003": " ", "\u2007": " ", "\u2009": " ", "\u200a": " ", "\u202f": " ",
        "\u200b": None, "\ufeff": None, "\u00ad": None,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """`parts`: messages the network carries. `units`: septets or UTF-16 units in all; `room`: what `parts` could hold.

    `gsm`: every character is in the default alphabet; one that is not makes every part less than half as long.
    """

    parts: int
    units: int
    room: int
    gsm: bool

    @property
    def encoding(self) -> str:
        """What the network calls it."""
        return "GSM-7" if self.gsm else "UCS-2"


def fold(text: str) -> str:
    """Curly quotes, dashes, ellipses and odd blanks as the plain ones; names keep their letters (SM-03)."""
    return text.translate(_FOLDED)


def outside(text: str) -> tuple[int, str] | None:
    """The first character that is not in the GSM alphabet, with its index; None when all are."""
    return next(((at, char) for at, char in enumerate(text) if char not in _BASIC and char not in _EXTENDED), None)


def segments(text: str) -> Segments:
    """The parts of a text as it is written (SM-02): 160 septets, or 153 each; else 70 UTF-16 units, or 67 each.

    An escaped character (the euro, brackets) takes two septets and a character beyond the basic plane two units;
    neither is split between two parts.
    """
    gsm = outside(text) is None
    costs = [_septets(char) if gsm else _units(char) for char in text]
    whole, joined = (160, 153) if gsm else (70, 67)
    total = sum(costs)
    if total <= whole:
        return Segments(parts=1, units=total, room=whole, gsm=gsm)
    parts = _parts(costs, joined)
    return Segments(parts=parts, units=total, room=parts * joined, gsm=gsm)


def _septets(char: str) -> int:
    return 2 if char in _EXTENDED else 1


def _units(char: str) -> int:
    return 2 if ord(char) > 0xFFFF else 1


def _parts(costs: list[int], room: int) -> int:
    parts, used = 1, 0
    for cost in costs:
        if used + cost > room:
            parts, used = parts + 1, 0
        used += cost
    return parts
