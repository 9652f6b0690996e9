"""Paths into a resource: what each construct gives, what is refused when it is written, and that nothing a sender wrote raises."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from fhirpathpy import compile as compile_oracle
from fhirpathpy.models import models
from mapping_messages import ROOT

from gateway.mapping.fhir.around import Around
from gateway.mapping.fhir.choices import CHOICES, CHOSEN
from gateway.mapping.fhir.paths import compile_path
from gateway.mapping.fhir.syntax import MOST_CHARACTERS
from gateway.mapping.fhir.values import MOST_OBJECTS

README = (ROOT / "mappings" / "fhir" / "README.md").read_text("utf-8")
DOCUMENTED = json.loads(re.search(r"```json\n(.*?)```", README, re.DOTALL)[1])  # type: ignore[index]
ROWS = [
    (path.replace("\\|", "|"), json.loads(gives))
    for path, gives in re.findall(r"^\| `(.+?)` \| `(.*?)` \|", README, re.MULTILINE)
]

NOT_IN_ORACLE = ("hasValue", "resolve", "getReferenceKey", "birthDate.substring", "birthDate.replace")
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "12",
    "active": True,
    "birthDate": "1980-02-03",
    "multipleBirthInteger": 2,
    "name": [
        {"use": "usual", "family": "Brook", "given": ["Ada", None, "Mary"]},
        {"use": ["usual", "x"]},
        {"use": ["x", "y"]},
    ],
    "telecom": [{"rank": 2}, {"rank": Decimal("2.0")}],
    "period": {"start": "2026-01-31T23:30:00-06:00", "end": "2026-02-01T05:30:00Z"},
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Northside"}, "junk"],
    "managingOrganization": {"reference": "#o"},
    "generalPractitioner": [
        {"reference": "https://ehr.example/fhir/Practitioner/7/_history/3"},
        {"reference": "https://elsewhere.example/Practitioner/8"},
        {"reference": "Practitioner/9"},
        {"reference": 5},
        {"display": "nobody"},
    ],
}


def told(path: str, resource: dict[str, Any] = PATIENT, **around: Any) -> list[Any]:
    """What a path gives."""
    return compile_path(path)(resource, Around(resource=resource, **around) if around else None)


# -- the table of the README


@pytest.mark.parametrize(("path", "gives"), ROWS, ids=[path for path, _ in ROWS])
def test_the_table_of_the_readme_is_true(path: str, gives: list[Any]) -> None:
    """Of us, and of fhirpathpy where it has the function."""
    assert told(path, DOCUMENTED) == gives
    if not path.startswith(NOT_IN_ORACLE) and not any(f".{name}(" in path for name in NOT_IN_ORACLE):
        oracle = compile_oracle(path, models["r4"])
        assert oracle(copy.deepcopy(DOCUMENTED), {"resource": copy.deepcopy(DOCUMENTED)}) == gives


def test_the_table_names_every_function_and_operator() -> None:
    """What works is documented; nothing else works."""
    from gateway.mapping.fhir.functions import FUNCTIONS
    from gateway.mapping.fhir.operators import OPERATORS

    table = "\n".join(line for line in README.splitlines() if line.startswith("| `"))
    assert [name for name in FUNCTIONS if f"{name}(" not in table] == []
    assert [
        sign for sign in OPERATORS if f"{sign.replace('|', chr(92) + '|')}`" not in table and f" {sign} " not in table
    ] == []


# -- what is refused when it is written


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("", "a name or value is expected at the end"),
        ("a b", "`b` is not expected there"),
        ("a..b", "after a `.` stands a name"),
        ("a.%resource", "`%resource` only begins a path"),
        ("a[b]", "in `[ ]` stands a number"),
        ("a[1.5]", "in `[ ]` stands a number"),
        ("a[1", "`]` is expected"),
        ("(a b)", "`)` is expected before `b`"),
        ("a = )", "not `)`"),
        ("{a}", "`}` is expected"),
        ("f(a b)", "`,` is expected"),
        ("_birthDate", "`_` is not part of our FHIRPath"),
        ("a + b", "`+` is not part of our FHIRPath"),
        ("'abc", "`'` is not part of our FHIRPath"),
        (r"'\q'", r"`\q` is no escape"),
        ("$total", "`$total` is not part of our FHIRPath"),
        ("today()", "`today()` is not part of our FHIRPath"),
        ("name.where()", "`where()` takes 1 argument(s), here stand 0"),
        ("iif(a)", "`iif()` takes 2 to 3 argument(s), here stand 1"),
        ("valueQuantity", "FHIRPath writes `value.ofType(Quantity)`"),
        ("deceasedBoolean", "FHIRPath writes `deceased.ofType(boolean)`"),
        ("value.ofType(Foo)", "`value` has no Foo"),
        ("birthDate.ofType(date)", "`birthDate` is no choice of types"),
        ("value.ofType('Quantity')", "takes the name of a type"),
        ("extension(url)", "takes the URL as a text"),
        ("getReferenceKey(a.b)", "takes the name of a type"),
        ("a" * (MOST_CHARACTERS + 1), "1000 characters at most"),
        ("(" * 200 + "a" + ")" * 200, "nested too deeply"),
        (".".join("a" * 200), "nested too deeply"),
        (" or ".join("a" * 100), "nested too deeply"),
        ("f(" * 30 + "a" + ")" * 30 + ".b" * 30, "nested too deeply"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_in_a_sentence(path: str, says: str) -> None:
    """When it is compiled, before any resource is seen."""
    with pytest.raises(ValueError, match=re.escape(says)):
        compile_path(path)


# -- what each gives


@pytest.mark.parametrize(
    ("path", "gives"),
    [
        ("name.given", ["Ada", "Mary"]),  # null only holds a place
        ("name.where(use = 'usual').family", ["Brook"]),
        ("name.where(use = 'usual').count()", [1]),  # several values equal no one value
        ("Patient.id", ["12"]),
        ("Observation.id", []),
        ("id.family", []),
        ("id.value", []),
        ("id.where(use = 'x')", []),
        ("multipleBirth", [2]),
        ("multipleBirth.extension('u')", []),
        ("id.where($this = '12')", ["12"]),
        ("name.last().use", ["x", "y"]),
        ("(name | name).count()", [3]),
        ("active | 1 | multipleBirth | 2", [True, 1, 2]),
        ("telecom.rank | {}", [2]),  # 2 and 2.0 are one number
        ("active = 1", [False]),
        ("multipleBirth.hasValue() and name.hasValue().not()", [True]),
        ("contained.ofType(Organization).name", ["Northside"]),
        ("(contained | name).ofType(Organization).id", ["o"]),
        ("contained[0].extension('u')", []),
        ("(name | telecom).extension('u')", []),
        ("%resource.id & '!'", ["12!"]),
        ("%context.id", ["12"]),
        ("photo & id", ["12"]),
        ("photo.title.upper()", []),
        ("id.substring(5)", []),
        ("id.substring(photo)", []),
        ("id.substring(1, photo)", ["2"]),
        ("id.substring(0, 1)", ["1"]),
        ("name.given.join()", ["AdaMary"]),
        ("photo.title.join(',')", []),
        ("coalesce(photo, title)", []),
        ("iif(photo, 'a')", []),
        ("iif(photo, 'a', 'b')", ["b"]),
        ("'\\u00e9' & '\\n'", ["é\n"]),
        ("1.5 > 1", [True]),
        ("'b' > 'a'", [True]),
        ("id in {}", [False]),
        ("{} in id", []),
        ("photo = photo", []),
        ("name.given = name.given", [True]),
        ("active.not().not()", [True]),
        ("photo.not()", []),
        ("true and photo", []),
        ("false or photo", []),
        ("false and photo", [False]),
        ("true or photo", [True]),
        ("true xor photo", []),
        ("true xor false", [True]),
        ("photo implies false", []),
        ("photo implies true", [True]),
        ("true implies false", [False]),
        ("false implies photo", [True]),
        ("id and active", [True]),  # one value is true (§4.5)
        ("name.all(use = 'usual')", [False]),
        ("name.select(family)", ["Brook"]),
    ],
)  # fmt: skip
def test_paths_give_what_fhirpath_says(path: str, gives: list[Any]) -> None:
    """FHIRPath 2.0 §4.5, §5, §6."""
    assert told(path) == gives


@pytest.mark.parametrize(
    "path",
    ["name.use and true", "name.given & 'x'", "telecom & 'x'", "id < 1", "active < true", "name.given < 'b'", "id < @2020",
     "telecom.join(',')", "id.substring('a')", "id.substring(0, 'a')", "active.upper()", "id.startsWith(1)", "name.use in id"],
)  # fmt: skip
def test_where_fhirpath_says_error_nothing_is_told(path: str) -> None:
    """What a sender wrote raises nothing."""
    assert told(path) == []


@pytest.mark.parametrize(
    ("path", "gives"),
    [
        ("period.start = period.end", False),  # two texts
        ("period.start <= period.end", True),  # two instants: the same
        ("period.start < period.end", False),
        ("period.start < @2026-02-01", True),  # the day where it happened
        ("period.end = @2026-02-01T05:30:00Z", True),
        ("period.end = @2026-01-31T23:30:00-06:00", True),
        ("period.end != @2026-02-01T05:30:00.5Z", True),
        ("period.end = @2026-02-01", None),
        ("period.end = @2026-02-01T05:30:00", None),  # which zone?
        ("period.end < @2026-02-01T05:31:00", None),
        ("period.end < @2026-02-02T05:31:00", None),
        ("@2026-02 < period.end", None),
        ("@2026-02T < @2026-03", True),
        ("birthDate < @1980", None),
        ("birthDate = @1980-02-03", True),
        ("birthDate >= @1980-02-03", True),
        ("id = @1980", False),
        ("active = @1980", False),
        ("birthDate = @1980-02-31", False),  # no such day
        ("@1980-02-03T05 < birthDate", None),
        ("@0001-01-01T00:00:00+14:00 = @0001-01-01T00:00:00Z", False),  # before all calendars
        ("'2026-x' < '2026-y'", True),
        ("'2026-01' < 'zzzz-'", True),
    ],
)
def test_times_are_compared_as_far_as_they_are_told(path: str, gives: bool | None) -> None:
    """FHIRPath 2.0 §6.1.1, §6.2; T-01."""
    assert told(path) == ([] if gives is None else [gives])


def test_a_union_of_too_many_objects_is_nothing() -> None:
    """They would be compared each with each; simple values are not."""
    assert len(told("a | a", {"a": [{"b": place} for place in range(MOST_OBJECTS)]})) == MOST_OBJECTS
    assert told("a | a", {"a": [{"b": place} for place in range(MOST_OBJECTS + 1)]}) == []
    assert len(told("a | a", {"a": list(range(50_000))})) == 50_000


# -- references


def test_a_reference_leads_to_what_was_received_and_nowhere_else() -> None:
    """S-33."""
    entries = {"Practitioner/7": {"id": "7"}, "https://elsewhere.example/Practitioner/8": {"id": "8"}}
    path = "generalPractitioner.resolve().id"
    assert told(path, entries=entries, bases=("https://ehr.example/fhir",)) == ["7", "8"]
    assert told(path) == []
    assert told("managingOrganization.resolve().name") == ["Northside"]
    assert told("managingOrganization.reference.resolve().name") == ["Northside"]
    assert told("a.resolve().id", {"id": "x", "a": {"reference": "#"}}) == ["x"]
    assert told("a.resolve().id", {"a": {"reference": "#o"}}) == []


def test_the_id_in_a_reference_is_one_of_our_own_server() -> None:
    """S-33: an id of another host is no id of ours."""
    path = "generalPractitioner.getReferenceKey(Practitioner)"
    assert told(path, bases=("https://ehr.example/fhir",)) == ["7", "9"]
    assert told(path) == ["9"]
    assert told("generalPractitioner.getReferenceKey()") == ["9"]
    assert told("generalPractitioner.getReferenceKey(Patient)") == []
    assert told("managingOrganization.getReferenceKey()") == []


@pytest.mark.parametrize("path", ["id.getReferenceKey()", "(id | name[0].where(%resource.active)).resolve()"])
def test_what_is_no_reference_leads_nowhere(path: str) -> None:
    """Nor does it raise."""
    assert told(path) == []


# -- extensions of simple values


def test_extensions_of_a_simple_value_stand_beside_it() -> None:
    """R4 json.html#primitive: `_birthDate`, also in a list, and of a choice."""
    url = {"url": "urn:x", "valueString": "a"}
    resource = {
        "_birthDate": {"extension": [url, {"url": "urn:y", "valueString": "b"}]},
        "_given": [None, {"extension": url}, {"extension": ["junk"]}],
        "_deceasedDateTime": {"extension": [url]},
        "name": {"extension": [url]},
    }
    for name in ("birthDate", "given", "deceased", "name", "name.first()"):
        assert told(f"{name}.extension('urn:x').value", resource) == ["a"], name


def test_a_compiled_path_is_kept_and_says_what_it_is() -> None:
    """Compiled once."""
    assert compile_path("a.b") is compile_path("a.b")
    assert repr(compile_path("a.b")) == "FhirPath('a.b')"
    assert "Brook" not in repr(Around(resource=PATIENT))


# -- the choices


KINDS = ["Patient", "Appointment", "Encounter", "Observation", "DiagnosticReport", "MedicationRequest", "MedicationDispense",
         "Immunization", "ImmunizationRecommendation", "ServiceRequest", "CarePlan", "Condition", "Coverage", "DeviceRequest",
         "QuestionnaireResponse", "Consent", "RelatedPerson", "Communication", "CommunicationRequest", "Bundle", "Parameters",
         "Provenance", "Dosage", "Timing", "Extension", "Annotation"]  # fmt: skip


def declared(kind: str) -> Iterator[Any]:
    """The classes of a type and of what is nested in it, in each release, as fhir.resources declares them."""
    for module in ("fhir.resources", "fhir.resources.R4B", "fhir.resources.STU3"):
        try:
            where = import_module(import_module(module).get_fhir_model_class(kind).__module__)
        except ValueError:  # not in that release
            continue
        yield from (one for one in vars(where).values() if isinstance(one, type) and one.__module__ == where.__name__)


@pytest.mark.parametrize("kind", KINDS)
def test_every_choice_of_the_types_that_mappings_read_is_known(kind: str) -> None:
    """`value` finds valueQuantity, in STU3, R4, R4B and R5; and no plain element is taken for one of a choice."""
    for one in declared(kind):
        choices = one.get_one_of_many_fields(None)
        for name, keys in choices.items():
            assert set(keys) <= set(CHOICES.get(name, {}).values()), (name, keys)
        plain = set(one.model_fields) - {key for keys in choices.values() for key in keys}
        assert plain & set(CHOSEN) == set()
