"""Our paths and fhirpathpy's answer alike, wherever both answer: on made-up resources, for paths grown from a grammar."""

from __future__ import annotations

import copy
from decimal import Decimal
from functools import lru_cache
from typing import Any

import pytest
from fhirpathpy import compile as compile_oracle
from fhirpathpy.models import models
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.mapping.fhir.paths import compile_path

some = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
words = st.sampled_from(["official", "old", "home", "Ada", "Brook", "a b", "x"])
days = st.sampled_from(["1980-02-03", "1999-12-31", "2026-01-01"])
times = st.sampled_from(["2026-01-01T08:00:00Z", "2026-01-01T14:00:00Z", "2025-12-31T23:00:00Z"])
# fhirpathpy compares two elements as texts: a day with a time of it, and times of two zones, are left to our own tests
periods = st.one_of(*(st.fixed_dictionaries({}, optional={"start": one, "end": one}) for one in (days, times)))
names = st.fixed_dictionaries(
    {}, optional={"use": words, "family": words, "given": st.lists(words, min_size=1, max_size=3), "period": periods}
)
telecoms = st.fixed_dictionaries(
    {}, optional={"system": words, "use": words, "value": words, "rank": st.integers(1, 3), "period": periods}
)
extensions = st.fixed_dictionaries({"url": st.sampled_from(["urn:x", "urn:y"]), "valueString": words})
several = st.lists(extensions, min_size=1, max_size=2, unique_by=lambda one: one["url"])  # of two fhirpathpy gives one
patients = st.fixed_dictionaries(
    {
        "resourceType": st.just("Patient"),
        "name": st.lists(names, min_size=1, max_size=3),
        "telecom": st.lists(telecoms, min_size=1, max_size=3),
    },
    optional={
        "id": words,
        "active": st.booleans(),
        "deceasedBoolean": st.booleans(),
        "multipleBirthInteger": st.integers(0, 3),
        "birthDate": st.sampled_from(["1980", "1980-02", "1980-02-03"]),
        "_birthDate": st.fixed_dictionaries({"extension": several}),
        "extension": several,
        "contained": st.just([{"resourceType": "Organization", "id": "o", "name": "x"}]),
    },
)

things = st.sampled_from(["name", "telecom", "name | telecom", "extension", "contained", "photo"])
texts = st.sampled_from(
    ["id", "name.family", "name.given", "name.use", "telecom.value", "name[0].given[0]", "extension('urn:x').value",
     "birthDate.extension('urn:y').value", "contained.ofType(Organization).name", "photo.title", "Patient.name.family"]
)  # fmt: skip
numbers = st.sampled_from(
    ["telecom.rank", "multipleBirth", "multipleBirth.ofType(integer)", "name.count()", "2", "1.0"]
)
moments = st.sampled_from(["name.period.end", "name.period.start", "telecom.period.end", "@1980-02-03", "@2026"])
literals = words.map(lambda word: f"'{word}'")


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> str:
    """Something true, false or neither."""
    if depth and draw(st.booleans()):
        one, other = draw(conditions(depth - 1)), draw(conditions(depth - 1))
        return draw(
            st.sampled_from(
                [f"({one} and {other})", f"({one} or {other})", f"({one} xor {other})", f"({one} implies {other})",
                 f"({one}).not()"]
            )
        )  # fmt: skip
    text, literal, thing, number = draw(texts), draw(literals), draw(things), draw(numbers)
    return draw(
        st.sampled_from(
            [f"({text} = {literal})", f"({text} != {literal})", f"({literal} in {text})", f"({text} contains {literal})",
             f"{text}.exists()", f"{text}.empty()", f"({thing}).exists(use = {literal})", f"({thing}).all(use.exists())",
             f"({number} > 1)", f"({number} <= multipleBirth)", "active", "deceased", f"({draw(moments)} < @2000-01-01)",
             f"({text}.first().startsWith({literal}))", f"({text}.count() = {number})", "{}"]
        )
    )  # fmt: skip


@st.composite
def paths(draw: st.DrawFn) -> str:
    """Any path of the grammar."""
    text, literal, thing, condition = draw(texts), draw(literals), draw(things), draw(conditions())
    return draw(
        st.sampled_from(
            [condition, text, f"({thing}).where(use = {literal})", f"({thing}).where({condition})",
             f"({thing}).where(period.exists()).use", f"({thing}).select(use | system)", f"({thing}).last().use",
             f"iif({condition}, {text}, {literal})", f"iif({condition}, {literal})", f"{text} | {draw(texts)}",
             f"{text}.first() & {literal}", f"{text}.first().upper()", f"{text}.last().replace('a', 'o').lower()",
             f"{text}.first().substring(1, 2)", f"{text}.join('-')", f"coalesce({text}, {draw(texts)})",
             f"({thing}).where($this.use = {literal} or use.empty()).count()", f"{text}.first().trim().endsWith('b')",
             "name.where(period.start <= period.end).family", "telecom.where(period.start > period.end).value",
             f"name.where(period.end < {draw(st.sampled_from(['@1990', '@1980-02-03', '@2026-01-01T10:00:00Z']))}).family"]
        )
    )  # fmt: skip


@lru_cache(maxsize=2048)
def oracle(path: str) -> Any:
    """The path compiled by fhirpathpy, with R4's types."""
    return compile_oracle(path, models["r4"])


def told(path: str, resource: dict[str, Any]) -> list[Any] | None:
    """What fhirpathpy answers; None where it gives no answer."""
    try:
        found = oracle(path)(copy.deepcopy(resource), {"resource": copy.deepcopy(resource)})
    except Exception:
        return None
    return [plain(one) for one in found]


def plain(value: Any) -> Any:
    """1 and 1.0 are the same number, true is none, dates are texts."""
    if isinstance(value, bool | dict):
        return value
    return float(value) if isinstance(value, int | float | Decimal) else str(value)


def agree(path: str, resource: dict[str, Any]) -> None:
    """Both answer alike, or fhirpathpy does not."""
    theirs = told(path, resource)
    ours = [plain(one) for one in compile_path(path)(resource)]
    assert theirs is None or [(type(one), one) for one in ours] == [(type(one), one) for one in theirs], path


@some
@given(patients, paths())
@example({"resourceType": "Patient", "deceasedBoolean": False}, "deceased implies {}")
def test_both_answer_alike(resource: dict[str, Any], path: str) -> None:
    """FHIRPath 2.0 §4.5, §5, §6."""
    agree(path, resource)


def test_the_comparison_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lest the oracle never answers, or says whatever we say."""
    resource = {"resourceType": "Patient", "active": True}
    assert told("active", resource) == [True]
    monkeypatch.setattr("gateway.mapping.fhir.paths.FhirPath.__call__", lambda *_: [1])
    with pytest.raises(AssertionError):
        agree("active", resource)
