"""Made-up people whose every personal string occurs nowhere else, so that it can be searched for afterwards."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date

_RARE = "bkqvwxz"  # letters that no word of ours has in such a row
_FIRST_BIRTH, _LAST_BIRTH = date(1940, 1, 1).toordinal(), date(1999, 12, 31).toordinal()


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One patient of the clinic; `handle` is what the scenario calls them and is no canary."""

    handle: str
    given: str
    family: str
    born: date | None
    mrn: str
    ssn: str
    phone: str
    email: str
    street: str
    city: str = "Chicago"
    state: str = "IL"
    postal: str
    language: str = ""
    pid: dict[int, str] = field(default_factory=dict)  # what else their PID says, in every message

    def canaries(self) -> dict[str, tuple[str, ...]]:
        """Every string that must stay sealed, by kind, in the ways people and programs write it."""
        area, exchange, line = self.phone[:3], self.phone[3:6], self.phone[6:]
        found = {
            "given name": (self.given,),
            "family name": (self.family,),
            "record number": (self.mrn,),
            "social security number": (self.ssn, self.ssn.replace("-", "")),
            "phone": (
                self.phone,
                f"({area}){exchange}-{line}",
                f"{area}-{exchange}-{line}",
                f"{area} {exchange} {line}",
            ),
            "e-mail": (self.email, self.email.partition("@")[0]),
            "street": (self.street,),
            "postal code": (self.postal, self.postal.replace("-", "")),
        }
        if self.born is not None:
            month, day, year = f"{self.born:%m}", f"{self.born:%d}", f"{self.born:%Y}"
            found["birth date"] = (f"{year}-{month}-{day}", f"{year}{month}{day}", f"{month}/{day}/{year}")
        return found


def made_up(handle: str, seed: str, **told: object) -> Person:
    """A person nobody else is; `told` replaces single strings. The same seed gives the same person."""
    chance = random.Random(f"{seed}/{handle}")
    given, family = handle + _word(chance, 6), _word(chance, 10).capitalize()
    parts: dict[str, object] = {
        "given": given,
        "family": family,
        "born": date.fromordinal(chance.randint(_FIRST_BIRTH, _LAST_BIRTH)),
        "mrn": f"Q{_digits(chance, 9)}X",
        "ssn": f"9{_digits(chance, 2)}-{_digits(chance, 2)}-{_digits(chance, 4)}",
        "phone": f"872555{_digits(chance, 4)}",
        "email": f"{_word(chance, 9)}.{given.lower()}@patients.example",
        "street": f"{chance.randint(1000, 9999)} {_word(chance, 9).capitalize()} Street",
        "postal": f"606{_digits(chance, 2)}-{_digits(chance, 4)}",
    }
    return Person(handle=handle, **(parts | told))  # type: ignore[arg-type]


def _word(chance: random.Random, length: int) -> str:
    return "".join(chance.choices(_RARE, k=length))


def _digits(chance: random.Random, length: int) -> str:
    return "".join(chance.choices("0123456789", k=length))
