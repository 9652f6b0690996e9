"""Where a patient may be, told by state and postal code: wide rather than wrong, and empty when nothing is known.

The table beside this module was written from public facts (the state and county boundaries of 49 CFR part 71);
where a three-digit ZIP area is divided, or lives by its neighbour's clock, both zones are plausible.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib import resources

# Every whole offset that is in use: for people who may be anywhere (military mail, a country the table lacks).
ANYWHERE: tuple[str, ...] = tuple(f"{'-' if hours < 0 else '+'}{abs(hours):02d}:00" for hours in range(-12, 15))

_US_NAMES = frozenset({"", "US", "USA", "UNITED STATES", "UNITED STATES OF AMERICA"})
_TERRITORIES: Mapping[str, str] = {"PRI": "PR", "VIR": "VI", "GUM": "GU", "MNP": "MP", "ASM": "AS"}
_ALIASES: Mapping[str, str] = {"CAN": "CA", "CANADA": "CA", "MEX": "MX", "MEXICO": "MX"}
_MILITARY = frozenset({"AA", "AE", "AP"})  # USPS Publication 28, §225: mail to the armed forces abroad


@cache
def _table() -> Mapping[tuple[str, str, str], tuple[str, ...]]:
    text = resources.files(__package__).joinpath("zones.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {(row["country"], row["region"], row["zip3"]): tuple(row["zones"].split()) for row in rows}


@cache
def us_zones() -> tuple[str, ...]:
    """Every zone of the United States and its territories: what an unknown address is taken to mean."""
    found = {zone for (country, _, _), zones in _table().items() if country == "US" for zone in zones}
    return tuple(sorted(found))


@cache
def us_states() -> frozenset[str]:
    """Postal letters of every state and territory of the United States that the table knows."""
    return frozenset(region for country, region, _ in _table() if country == "US" and region)


@lru_cache(maxsize=4096)
def plausible_zones(state: str | None, postal_code: str | None, country: str | None) -> tuple[str, ...]:
    """IANA zones the address may lie in, sorted; empty when it tells nothing.

    `state`: postal letters; `postal_code`: ZIP, its first three digits count; `country`: ISO code or name,
    empty means the United States. Abroad without an entry of the table: every offset of the world.
    """
    nation, region = _place(_upper(country), _upper(state))
    if region in _MILITARY and nation == "US":
        return ANYWHERE
    known = _table()
    if nation != "US":
        return known.get((nation, region, "")) or known.get((nation, "", "")) or ANYWHERE
    zip3 = (postal_code or "").strip()[:3]
    if len(zip3) == 3 and zip3.isascii() and zip3.isdigit():
        narrow = known.get((nation, region, zip3)) or known.get((nation, region, "rest"))
        if narrow:
            return tuple(sorted(narrow))
    return tuple(sorted(known.get((nation, region, ""), ())))


def _upper(text: str | None) -> str:
    return (text or "").strip().upper()


def _place(country: str, state: str) -> tuple[str, str]:
    """Country and region of the table; a territory told as a country is a region of the United States."""
    territory = _TERRITORIES.get(country, country)
    if territory in _TERRITORIES.values():
        return "US", territory
    return ("US", state) if country in _US_NAMES else (_ALIASES.get(country, country), state)
