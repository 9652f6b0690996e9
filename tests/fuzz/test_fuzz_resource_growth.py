"""A FHIR body that is long costs by the byte, and one that repeats beyond reason is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from gateway.fhirjson import parse
from gateway.mapping.fhir.shapes import MOST_VALUES
from gateway.mapping.fhir.validation import validate
from gateway.model.event import Release
from tests.effort import growth
from tests.fuzz import resources

SMALL, TIMES = 1 << 15, 8
BETWEEN = (TIMES + TIMES * TIMES) / 2  # what is linear, and what is the square

FILLINGS: dict[str, Callable[[int], dict[str, Any]]] = {
    "names": lambda n: {"name": [{"use": "old", "family": f"A{place}"} for place in range(n // 40)]},
    "given names": lambda n: {"name": [{"given": [f"A{place}" for place in range(n // 8)]}]},
    "nulls": lambda n: {"name": [{"given": [None] * (n // 5)}]},
    "what is wrong": lambda n: {"name": [5] * (n // 3)},
    "unknown elements": lambda n: {f"x{place}": {} for place in range(n // 10)},
    "unknown lists": lambda n: {"x": [[]] * (n // 4)},
    "extensions": lambda n: {"extension": [{"url": f"u{place}", "valueString": "x"} for place in range(n // 40)]},
    "contained": lambda n: {"contained": [{"resourceType": "Basic", "id": f"x{place}"} for place in range(n // 40)]},
    "a long text": lambda n: {"name": [{"family": "x" * n}]},
    "blanks": lambda n: {"name": [{"family": " " * n}]},
    "a code of blanks": lambda n: {"language": "a" + " " * n + "b"},
    "a code of words": lambda n: {"language": "a " * (n // 2)},
    "an OID": lambda n: {"identifier": [{"system": "urn:oid:1" + ".1" * (n // 2) + "x"}]},
    "base64": lambda n: {"photo": [{"data": "AAAA " * (n // 5)}]},
    "numbers": lambda n: {"x": [1.25] * (n // 6)},
    "escapes": lambda n: {"x": "é\n" * (n // 8)},
}


def read(body: bytes) -> None:
    """All there is, by every path."""
    told = parse(body)
    if not validate(told, Release.R4):
        for path in resources.paths():
            path(told)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILLINGS)
def test_eight_times_as_much_costs_no_square(name: str) -> None:
    """F-12, S-37: nearer to eight times as long than to sixty-four."""
    told = ({"resourceType": "Patient", **FILLINGS[name](size)} for size in (SMALL, SMALL * TIMES))
    small, large = (partial(read, json.dumps(one).encode()) for one in told)
    assert growth(small, large, enough=BETWEEN) < BETWEEN


def test_what_repeats_beyond_reason_is_refused() -> None:
    """F-12: at its place."""
    (fault,) = validate({"resourceType": "Patient", "name": [{}] * (MOST_VALUES + 1)}, Release.R4)
    assert str(fault.place) == "Patient.name"
