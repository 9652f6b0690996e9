"""Telephone numbers become E.164 or stay as told and are never dialled (PI-08)."""

from __future__ import annotations

import re
from functools import lru_cache

_EXTENSION = re.compile(r"(?<=\d) *([Xx]|[Ee]xt|B|C)", re.ASCII)  # TN: `X` extension, `B` beeper, `C` comment
_LONGEST = 16  # "+" and fifteen digits (ITU-T E.164 §6.2)
_PUNCTUATION = str.maketrans("", "", " ()-./")


def e164(text: str, region: str) -> str | None:
    """The E.164 form of a valid number; `region` (ISO 3166) is where numbers without a country code are at home.

    North American numbers are judged by libphonenumber's own patterns without its parser (1 µs instead
    of 40); everything else by the library itself.
    """
    digits = text.translate(_PUNCTUATION)
    if digits.isascii() and digits.isdigit() and _is_north_american(region):
        national = digits[1:] if len(digits) == 11 and digits[0] == "1" else digits
        if len(national) == 10 and _patterns(region).fullmatch(national):
            return f"+1{national}"
    return _by_library(text, region)


def without_extension(text: str) -> tuple[str, bool]:
    """The number before an extension, beeper code or comment, and whether there was an extension (C2A TN)."""
    if text.translate(_PUNCTUATION).isdigit():
        return text, False
    match = _EXTENSION.search(text)
    if match is None:
        return text, False
    return text[: match.start()], match[1].upper().startswith(("X", "E"))


@lru_cache(maxsize=64)
def _is_north_american(region: str) -> bool:
    import phonenumbers

    return phonenumbers.country_code_for_region(region) == 1


@lru_cache(maxsize=64)
def _patterns(region: str) -> re.Pattern[str]:
    """Every kind of number of the region that may be a person's: fixed, mobile, toll-free, personal, voip."""
    import phonenumbers

    known = phonenumbers.PhoneMetadata.metadata_for_region(region)
    kinds = (known.fixed_line, known.mobile, known.toll_free, known.personal_number, known.voip) if known else ()
    return re.compile("|".join(f"(?:{kind.national_number_pattern})" for kind in kinds if kind is not None))


def _by_library(text: str, region: str) -> str | None:
    import phonenumbers

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    told = str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return told if len(told) <= _LONGEST else None  # the library's German numbers run to seventeen digits
