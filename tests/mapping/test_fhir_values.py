"""What single elements of a resource mean: people, addresses, keys, places, supplies, codes and times."""

from __future__ import annotations

import pickle
from decimal import Decimal
from typing import Any

import pytest
from fhir_resources import BASE, FEED, RECEIVED, appointment, raw, scope

from gateway.er7.bounds import MOST_REPETITIONS
from gateway.mapping.codes import CodeTable, Word
from gateway.mapping.computed import Gives
from gateway.mapping.feed import Feed
from gateway.mapping.fhir import contacts, keys, occasions, people, references, states
from gateway.mapping.fhir.codings import codes_of, decided, word_of
from gateway.mapping.fhir.reader import FhirReader
from gateway.mapping.fhir.relatives import representative
from gateway.mapping.fhir.scope import Scope
from gateway.mapping.fhir.sources import compile_source, mistakes
from gateway.mapping.fhir.times import when_of
from gateway.mapping.pack import Pack
from gateway.mapping.schema import Source
from gateway.model.errors import Unreadable
from gateway.model.event import Format
from gateway.model.facts import UNMAPPED, FactType, Sensitivity
from gateway.model.party import CLEARED, ContactSystem, Identifier
from gateway.model.when import DAY

ZONE = "America/Chicago"
OLD = "http://old.example.org/fhir"
TABLE = CodeTable(
    "t",
    {"eyes": Word(), "hiv-care": Word(sensitivity=Sensitivity.PROTECTED)},
    {"1": "eyes", "2": "hiv-care", "3": "nothing", "9^^LN": "eyes", "8^^HL70203": "eyes"},
)


@pytest.mark.parametrize(
    ("told", "zone", "precision"),
    [
        ("2026", ZONE, "year"),
        ("2026-03", ZONE, "month"),
        ("2026-03-20", ZONE, "day"),
        ("2026-03-20T14:30:00Z", ZONE, "second"),
        ("2026-03-20T09:30:00.1234567899-05:00", ZONE, "second"),
        ("2026-03-20T09:30:00+02:00", "+02:00", "second"),
        ("2016-12-31T23:59:60Z", ZONE, "second"),
    ],
)
def test_a_time_keeps_its_precision_and_the_clock_of_the_clinic(told: str, zone: str, precision: str) -> None:
    """T-01, T-02: servers store instants, so UTC tells nothing about the clock on the wall."""
    when = when_of(told, ZONE)
    assert when is not None
    assert (when.zone, when.precision) == (zone, precision)


@pytest.mark.parametrize("told", ["", "today", "2026-13-01", "0001-01-01", "2" * 99, 2026, None])
def test_what_is_no_time_is_absent(told: Any) -> None:
    """T-08."""
    assert when_of(told, ZONE) is None


def test_the_most_sensitive_of_several_codes_decides() -> None:
    """PV-08: and a text without a known code is understood by nobody."""
    both = {"coding": [{"code": "1"}, {"code": "2"}]}
    assert (word_of(both, TABLE), decided([[{"code": "1"}, {"code": "2"}]], TABLE)) == ("hiv-care", "hiv-care")
    assert (word_of({"text": "eyes"}, TABLE), word_of({}, TABLE), word_of(None, TABLE)) == (UNMAPPED, None, None)
    assert decided([["3"], ["1"]], TABLE) == "eyes"
    assert (decided([["1"], ["2"]], TABLE), decided([["2"], ["1"]], TABLE)) == ("hiv-care", "hiv-care")
    assert decided([["1"], ["unknown"], []], TABLE) == "eyes"
    assert (decided([["3"]], TABLE), decided([[]], TABLE)) == (UNMAPPED, None)


def test_a_code_may_be_written_with_its_system_as_hl7_v2_names_it() -> None:
    """One table for both standards."""
    assert word_of({"code": "9", "system": "http://loinc.org"}, TABLE) == "eyes"
    assert word_of({"code": "8", "system": "http://terminology.hl7.org/CodeSystem/v2-0203"}, TABLE) == "eyes"
    assert word_of({"code": "9", "system": "urn:x"}, TABLE) == UNMAPPED
    assert codes_of([{"coding": ["x", {"display": "no code"}]}, {"concept": "x"}, 7]) == []


@pytest.mark.parametrize(
    "told",
    ["Patient/12", "Patient/12/_history/3", f"{BASE}/Patient/12", f"{BASE}/Patient/12/_history/3", f"{OLD}/Patient/12"],
)
def test_one_patient_is_referred_to_in_several_ways(told: str) -> None:
    """R4 references.html#literal: relative, absolute, of a version; and by another name of the server (`also`)."""
    feed = Feed(name="ehr", zone=ZONE, base=BASE, also=(OLD,))
    assert references.id_of(scope(feed), {"reference": told}, "Patient") == "12"
    assert list(people.named_by(scope(feed), {"reference": told})) == [Identifier(BASE, "FHIR", "12")]


@pytest.mark.parametrize(
    "told",
    [
        {"reference": "https://other.example.org/fhir/Patient/12"},
        {"reference": f"{BASE}Patient/12"},
        {"reference": f"{BASE}.evil.example/Patient/12"},
        {"reference": f"{OLD}/Patient/12"},
        {"reference": "#12"},
        {"reference": "Group/12"},
        {"reference": "urn:uuid:12"},
        {"reference": "Patient/" + "1" * 300},
        {"reference": 7},
        {"display": "Alma"},
        "Patient/12",
    ],
)
def test_nobody_else_is_looked_for(told: Any) -> None:
    """S-33: no other host, no other type."""
    assert references.id_of(scope(), told, "Patient") is None


def test_a_file_without_a_server_has_ids_of_its_own() -> None:
    """The feed stands for the server; a `urn:` that names no entry of its Bundle may be anybody, a practitioner too."""
    feed = Feed(name="file", zone=ZONE)
    assert references.id_of(scope(feed), {"reference": "Patient/12"}, "Patient") == "12"
    assert references.id_of(scope(feed), {"reference": "urn:uuid:12"}, "Patient") is None
    assert references.logical(feed, "12") == Identifier("file", "FHIR", "12")
    assert keys.own_key(scope(feed, id="12"), []) == "fhir|12|file"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"value": "1", "system": "urn:oid:1.2.3"}, Identifier("LAKESIDE", "MR", "1")),
        ({"value": "1", "system": "urn:x", "type": {"coding": [{"code": "PI"}]}}, Identifier("urn:x", "PI", "1")),
        (
            {"value": "1", "system": "urn:x", "type": {"coding": [{"code": "PI", "system": "urn:t"}]}},
            Identifier("urn:x", "", "1"),
        ),
        ({"value": "1"}, None),
        ({"value": " ", "system": "urn:x"}, None),
        ({"value": "1", "system": 7}, None),
        ({"value": "1", "system": "http://hl7.org/fhir/sid/us-ssn"}, None),
        ({"value": "1", "system": "urn:x", "type": {"coding": [{"code": "SS"}]}}, None),
        ({"value": "1", "system": "urn:x", "period": {"end": "2026-03-01"}}, None),
        ({"value": "1", "system": "urn:x", "period": {"start": "2027-03-01"}}, None),
        ({"value": "1", "system": "urn:x", "period": {"end": "2026-03-02"}}, Identifier("urn:x", "", "1")),
        (None, None),
    ],
)
def test_who_an_identifier_names(told: Any, expected: Identifier | None) -> None:
    """PI-01: a social security number matches nobody, and neither does what is over or not yet."""
    assert references.identifier_of(scope(), told) == expected


def test_too_many_identifiers_are_refused() -> None:
    """A person is not known by hundreds of numbers."""
    with pytest.raises(Unreadable):
        people.patient_identifiers(scope(), [{}] * (MOST_REPETITIONS + 1), never=frozenset())


def test_a_name_that_is_over_greets_only_who_has_no_other() -> None:
    """PI-04."""
    old = {"use": "usual", "given": ["Ann"], "period": {"end": "2020-01-01"}}
    assert people.given_name(scope(), [old, {"use": "official", "given": ["Eve"]}]) == "Eve"
    assert people.given_name(scope(), [{"use": "official", "given": ["Eve"]}, old]) == "Eve"
    assert people.given_name(scope(), [old]) == "Ann"
    assert (
        people.given_name(
            scope(), [{"use": "maiden", "given": ["Ann"]}, "x", {"given": [None, " "]}, {"family": "Roe"}]
        )
        is None
    )


def test_a_name_with_a_lost_character_greets_nobody() -> None:
    """C-03."""
    told = scope()
    assert people.family_name(told, [{"family": "R\N{REPLACEMENT CHARACTER}e"}]) is None
    assert str(told.faults[0].place) == "Patient.name"


def test_a_language_is_the_preferred_or_the_only_one() -> None:
    """PI-11."""
    table = CodeTable("language", {"es": Word(), "en": Word()}, {"es": "es", "en": "en"})

    def told(*codes: str, preferred: int | None = None) -> list[Any]:
        return [
            {"language": {"coding": [{"code": code}]}, **({"preferred": True} if number == preferred else {})}
            for number, code in enumerate(codes)
        ]

    assert people.language(scope(), told("es"), codes=table) == "es"
    assert people.language(scope(), told("en", "es", preferred=1), codes=table) == "es"
    assert people.language(scope(), told("en", "es"), codes=table) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Dr. Welby", "Dr. Welby"),
        ({"display": " Dr. Welby "}, "Dr. Welby"),
        ({"given": ["Ann", "B."], "family": "Roe"}, "Ann Roe"),
        ({"reference": "Practitioner/1"}, None),
        (" ", None),
        (7, None),
    ],
)
def test_how_somebody_is_called(name: Any, expected: str | None) -> None:
    """The text, else the parts."""
    assert people.spoken_name(name) == expected


def test_an_appointment_is_with_whom_is_a_practitioner() -> None:
    """And at what is a place; a patient is neither."""
    actors = [
        {"reference": "Patient/12", "display": "Alma"},
        {"type": "Practitioner", "display": "Dr. Welby"},
        {"reference": "https://x.example.org/Location/2/_history/1", "display": "North"},
        "x",
    ]
    assert people.practitioner_name(scope(), actors) == "Dr. Welby"
    assert occasions.actor_location(scope(), actors) == "north"
    assert occasions.actor_location(scope(), actors[:2]) is None
    assert people.practitioner_name(scope(), actors[:1]) is None


@pytest.mark.parametrize(
    ("told", "system", "value"),
    [
        ({"system": "phone", "value": "312-555-0100"}, ContactSystem.PHONE, "+13125550100"),
        ({"system": "phone", "value": "tel:312-555-0100", "use": "mobile"}, ContactSystem.SMS, "+13125550100"),
        ({"system": "sms", "value": "312-555-0100"}, ContactSystem.SMS, "+13125550100"),
        ({"system": "phone", "value": "312-555-0100 X12", "use": "mobile"}, ContactSystem.PHONE, "+13125550100"),
        ({"system": "phone", "value": "12"}, ContactSystem.OTHER, "12"),
        ({"system": "email", "value": "nobody"}, ContactSystem.OTHER, "nobody"),
        ({"system": "pager", "value": "312-555-0100"}, ContactSystem.OTHER, "312-555-0100"),
        ({"system": "email", "value": "a" * 400}, ContactSystem.OTHER, "a" * 320),
    ],
)
def test_what_a_contact_point_is(told: dict[str, Any], system: ContactSystem, value: str) -> None:
    """PI-06, PI-08: a text goes to what is known to take one, and nothing behind a switchboard does."""
    (point,) = contacts.contact_points(scope(), [told, told])
    assert (point.system, point.value) == (system, value)


def test_a_contact_point_keeps_its_period_and_its_rank() -> None:
    """PI-09: the end is a whole day."""
    told = {
        "system": "email",
        "value": "a@example.org",
        "rank": 2,
        "period": {"start": "2026-01-01", "end": "2026-12-31"},
    }
    (point,) = contacts.contact_points(scope(), [told, {"system": "email"}, {"value": " "}, "x"])
    assert point.rank == 2
    assert point.valid_from is not None
    assert point.valid_until is not None
    assert point.valid_until - point.valid_from == 365 * DAY


def test_only_the_first_of_very_many_contact_points_are_read() -> None:
    """Each becomes a row."""
    told = scope()
    many = [{"system": "email", "value": f"a{number}@example.org"} for number in range(MOST_REPETITIONS + 1)]
    assert len(contacts.contact_points(told, many)) == MOST_REPETITIONS
    assert told.faults[0].code == 198


def test_where_somebody_lives_is_at_home_and_now() -> None:
    """N-03: what is left out or unknown removes ours."""
    table = CodeTable("state", {"IL": Word()}, {"Illinois": "IL"})
    gone = {"use": "home", "state": "WI", "period": {"end": "2020-01-01"}}
    assert contacts.state(scope(), [gone, {"state": "il"}], codes=table) == "IL"
    assert contacts.state(scope(), [{"state": "Illinois"}], codes=table) == "IL"
    assert contacts.state(scope(), [{"state": "Elsewhere"}], codes=table) is CLEARED
    assert (
        contacts.state(
            scope(), [gone, {"use": "billing", "state": "WI"}, {"type": "postal", "state": "WI"}], codes=table
        )
        is CLEARED
    )
    assert contacts.state(scope(), [{"state": 7}], codes=table) is CLEARED
    assert contacts.postal_code(scope(), [{"postalCode": "6" * 30}]) is CLEARED
    assert contacts.country(scope(), [{"city": "x"}], codes=table) == "US"  # the source's own
    assert contacts.country(scope(), [{"line": ["x"]}], codes=table) is CLEARED


def test_the_account_is_the_visits_only_number_where_it_has_no_other() -> None:
    """AD-01."""
    account = {"system": "urn:oid:1.2.4", "value": "A1", "type": {"coding": [{"code": "AN"}]}}
    visit = {"system": "urn:oid:1.2.4", "value": "V1"}
    assert keys.visit_key(scope(id="e"), [account, visit]) == "visit|V1|LAKE"
    assert keys.visit_key(scope(id="e"), [account]) == "account|A1|LAKE"
    assert keys.visit_key(scope(id="e"), []) == f"fhir|e|{BASE}"


def test_what_has_no_id_of_its_own_is_known_by_any_number() -> None:
    """A file may hold resources without ids."""
    assert keys.order_key(scope(), [{"system": "urn:x", "value": "1"}]) == "filler|1|urn:x"
    assert keys.order_key(scope(), ["x", {"system": "urn:oid:1.2.4"}]) is None
    assert keys.order_key(Scoped, []) is None


Scoped = scope(Feed(name="f", zone=ZONE))


def test_what_is_referred_to_is_known_by_its_logical_id() -> None:
    """W-02: and nothing of another server is."""
    assert keys.referred_key(scope(), [{"reference": "CommunicationRequest/1"}]) == f"fhir|1|{BASE}"
    assert keys.referred_key(scope(), [{"reference": "https://x.example.org/CommunicationRequest/1"}]) is None
    assert keys.referred_key(scope(), [{"display": "x"}]) is None
    assert keys.referred_key(scope(), []) is None


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ({"reference": "Location/2"}, "cardiology"),
        ({"identifier": {"value": "W3"}}, "ward"),
        ({"identifier": [{"value": "W3"}, "x"]}, "ward"),
        ({"coding": [{"code": "W3"}]}, "ward"),
        ({"display": "North"}, "north"),
        ("W3", "ward"),
        ({"display": "South"}, UNMAPPED),
        (7, UNMAPPED),
    ],
)
def test_where_something_is(place: Any, expected: str) -> None:
    """PV-08: a place that nobody configured is unmapped."""
    assert occasions.location(scope(), [], [place]) == expected


def test_a_visit_is_where_it_is_now() -> None:
    """The active place, else the one without an end, else the last."""

    def at(number: int, **more: Any) -> dict[str, Any]:
        return {"location": {"reference": f"Location/{number}"}, **more}

    assert occasions.visit_location(scope(), [at(2, status="active"), at(3, status="planned")]) == "cardiology"
    assert occasions.visit_location(scope(), [at(2), at(3, period={"end": "2026-03-01"})]) == "cardiology"
    assert (
        occasions.visit_location(scope(), [at(3, period={"end": "2026-02-01"}), at(2, period={"end": "2026-03-01"})])
        == "cardiology"
    )


@pytest.mark.parametrize(
    ("length", "days"),
    [
        ({"value": 30, "code": "d"}, 30),
        ({"value": Decimal(2), "unit": "weeks"}, 14),
        ({"value": 5}, 5),
        ({"value": 1, "code": "mo"}, 30),
    ],
)
def test_a_supply_lasts_as_long_as_it_says(length: dict[str, Any], days: int) -> None:
    """UCUM; without a unit it is days."""
    start, end = when_of("2026-03-02", ZONE), occasions.supply_ends(scope(), ["2026-03-02"], [length])
    assert start is not None
    assert end is not None
    assert (end.local().date() - start.local().date()).days == days


def test_a_supply_across_the_end_of_summer_time_lasts_whole_days() -> None:
    """RX-02: to the day, on the calendar of the clinic; a day of 25 hours is one."""
    for start, expected in ("2026-10-20", "2026-11-19"), ("2026-10-20T10:00:00-05:00", "2026-11-19T10:00:00-06:00"):
        assert occasions.supply_ends(scope(), [start], [{"value": 30, "code": "d"}]) == when_of(expected, ZONE)
    hours = occasions.supply_ends(scope(), ["2026-03-02T10:00:00-06:00"], [{"value": 36, "code": "h"}])
    assert hours == when_of("2026-03-03T22:00:00-06:00", ZONE)


@pytest.mark.parametrize(
    ("end", "before", "after"),
    [
        ("2026", "2026-12-31T23:59:59-06:00", "2027-01-01T00:00:00-06:00"),
        ("2026-12", "2026-12-31T23:59:59-06:00", "2027-01-01T00:00:00-06:00"),
        ("2026-03", "2026-03-31T23:59:59-05:00", "2026-04-01T00:00:00-05:00"),
        ("2026-03-08", "2026-03-08T23:59:59-05:00", "2026-03-09T00:00:00-05:00"),
        ("2026-11-01", "2026-11-01T23:59:59-06:00", "2026-11-02T00:00:00-06:00"),
        ("2026-03-02T10:00:00-06:00", "2026-03-02T09:59:59-06:00", "2026-03-02T10:00:00-06:00"),
    ],
)
def test_a_period_lasts_to_the_end_of_what_is_told(end: str, before: str, after: str) -> None:
    """Q-11, T-01: R4 datatypes.html#Period includes whatever matches the end, a year or a day of 23 hours as a whole."""
    for now, over in (before, False), (after, True):
        moment = when_of(now, ZONE)
        assert moment is not None
        told = Scope({"resourceType": "Patient"}, FEED, moment.utc)
        assert (told.past({"end": end}), told.in_force({"end": end})) == (over, not over)
    assert not scope().past({"start": "2020"})
    assert scope().in_force({"start": "2020"})


@pytest.mark.parametrize(
    ("starts", "lengths"),
    [
        ([], [{"value": 1}]),
        (["2026"], [{"value": 1}]),
        (["2026-03"], [{"value": 1}]),
        (["2026-03-02"], []),
        (["x"], [{"value": 1}]),
        (["2026-03-02"], [{"value": 1, "code": "box"}]),
        (["2026-03-02"], [{"value": 0}]),
        (["2026-03-02"], [{"value": "1"}]),
        (["2026-03-02"], [{"value": 99999}]),
        (["2026-03-02"], ["x"]),
    ],
)
def test_a_supply_of_no_known_length_has_no_end(starts: list[Any], lengths: list[Any]) -> None:
    """Nothing is guessed."""
    assert occasions.supply_ends(scope(), starts, lengths) is None


def test_a_status_that_is_not_told_is_unknown() -> None:
    """Where another element decides with it."""
    table = CodeTable("c", {}, {})
    assert states.encounter_state(scope(), [], [{}], codes=table) == "unknown"
    assert states.request_state(scope(), [], [], [True]) == "prohibited"
    assert states.communication_state(scope(), [], [True]) == "unknown"
    assert states.immunization_state(scope(), [], [True], []) == "unknown"
    assert states.observation_state(scope(), [], [{"coding": [{"code": "laboratory"}]}], [], []) == "unknown"
    assert states.care_plan_state(scope(), [], ["plan"]) == "unknown"
    assert states.abnormal(scope(), [{}], codes=table) is None
    assert states.canonical(scope(), [{}], codes=table) is None


def test_a_representative_without_an_id_cannot_be_replaced_and_is_none() -> None:
    """The next version must find it."""
    assert representative(scope(), [{"relationship": []}], codes=TABLE) == ()


NUMBER = {"system": "urn:x", "value": "7"}


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"reference": "Patient/12", "identifier": NUMBER}, 2),
        ({"reference": "https://x.example.org/fhir/Patient/12", "identifier": NUMBER}, 1),
        ({"type": "Patient", "identifier": NUMBER}, 1),
        ({"identifier": NUMBER}, 1),
        ({"reference": "urn:uuid:9", "identifier": NUMBER}, 1),
        ({"reference": "urn:uuid:9", "type": "Patient", "identifier": NUMBER}, 1),
        ({"reference": "urn:uuid:9", "type": "Practitioner", "identifier": NUMBER}, 0),
        ({"reference": "Practitioner/7", "identifier": NUMBER}, 0),
        ({"type": "Practitioner", "identifier": NUMBER}, 0),
        ("Patient/12", 0),
    ],
)
def test_the_number_of_somebody_else_is_never_the_patients(reference: Any, expected: int) -> None:
    """A practitioner's identifier is told the same way."""
    assert len(list(people.named_by(scope(), reference))) == expected


def test_an_actor_who_is_only_called_by_a_number_may_be_anybody(pack: Pack) -> None:
    """Actors are patients, practitioners, places and devices."""
    reader = FhirReader(pack, FEED)

    def told(**actor: Any) -> Any:
        return reader(raw(appointment(participant=[{"actor": actor, "status": "accepted"}])))

    assert told(identifier=NUMBER).ignored == "it is about no patient"
    assert told(identifier=NUMBER, type="Patient").events[0].identifiers == (Identifier("urn:x", "", "7"),)
    assert told(identifier=NUMBER, reference="urn:uuid:9").ack == "AE"


def test_beside_a_patient_an_actor_by_a_urn_is_nobody(pack: Pack) -> None:
    """A file's practitioner, whose entry is not in its Bundle, is reminded of nothing."""
    feed = Feed(name="file", zone=ZONE, format=Format.FHIR)
    actors = [{"reference": "Patient/12"}, {"reference": "urn:uuid:9", "identifier": NUMBER}]
    told = FhirReader(pack, feed)(
        raw(appointment(participant=[{"actor": one, "status": "accepted"} for one in actors]))
    )
    assert [event.identifiers for event in told.events] == [(Identifier("file", "FHIR", "12"),)]


# -- sources


@pytest.mark.parametrize(
    ("source", "gives", "sentence"),
    [
        ({}, FactType.TEXT, "needs a `path`"),
        ({"path": "name", "never": ["SS"]}, FactType.TEXT, "`never` only goes"),
        ({"path": "name", "codes": "t"}, FactType.TEXT, "only a code takes"),
        ({"path": "name"}, Gives.NAME, "needs `compute`"),
        ({"path": "name", "compute": "given_name"}, FactType.TEXT, "gives"),
        ({"path": "name", "compute": "language"}, Gives.LANGUAGE, "needs a code table"),
        ({"path": "name", "compute": "given_name", "never": ["SS"]}, Gives.NAME, "takes no `never`"),
        ({"paths": ["name", "name"], "compute": "given_name"}, Gives.NAME, "takes 1 path"),
    ],
)
def test_a_source_that_cannot_work_is_refused_when_it_is_built(source: Any, gives: Any, sentence: str) -> None:
    """One sentence an analyst understands."""
    with pytest.raises(ValueError, match=sentence):
        compile_source(Source(**source), gives, {"t": TABLE})


def test_wrong_words_of_a_source_are_told_each_by_itself() -> None:
    """Path, table, computation."""
    told = list(mistakes(Source(path="name(", codes="x", compute="given_nam"), {"t"}))
    assert len(told) == 3
    assert "given_name" in told[2]


@pytest.mark.parametrize(
    ("gives", "told", "expected"),
    [
        (FactType.INTEGER, 7, 7),
        (FactType.INTEGER, Decimal("7.0"), 7),
        (FactType.INTEGER, Decimal("7.5"), None),
        (FactType.INTEGER, True, None),
        (FactType.YESNO, True, True),
        (FactType.YESNO, "true", None),
        (FactType.TEXT, " a ", "a"),
        (FactType.TEXT, 7, None),
        (FactType.CODE, 7, None),
    ],
)
def test_a_plain_value_is_what_it_must_be_or_absent(gives: FactType, told: Any, expected: Any) -> None:
    """With a warning at its place, and never the value."""
    here = scope(x=told)
    assert compile_source(Source(path="x"), gives, {})(here) == expected
    assert (expected is None and gives is not FactType.CODE) == bool(here.faults)


def test_of_several_paths_the_first_that_tells_something_decides() -> None:
    """And a whole resource that tells none clears."""
    extract = compile_source(Source(paths=["x", "y"]), FactType.TEXT, {}, clears=True)
    assert (extract(scope(y="b")), extract(scope(x="a", y="b")), extract(scope())) == ("b", "a", CLEARED)
    assert extract(scope(meta={"tag": [{"code": "SUBSETTED"}]})) is None
    assert scope(meta={"tag": "x"}).whole
    assert compile_source(Source(paths=["x", "y"]), FactType.TEXT, {})(scope()) is None


# -- who


def test_a_code_that_decides_and_is_unknown_is_warned_of(pack: Pack) -> None:
    """103: a status that the table does not hold."""
    reading = FhirReader(pack, FEED)(
        raw(
            {
                "resourceType": "QuestionnaireResponse",
                "id": "q",
                "status": "completed",
                "subject": {"reference": "Patient/12"},
            }
        )
    )
    assert reading.noticed == ()
    assert reading.events[0].recorded == RECEIVED


def test_what_is_inside_and_is_no_patient_is_nobody(pack: Pack) -> None:
    """A contained group."""
    told = appointment(
        contained=[{"resourceType": "Group", "id": "g", "type": "person", "actual": True}],
        participant=[{"actor": {"reference": "#g"}, "status": "accepted"}],
    )
    assert FhirReader(pack, FEED)(raw(told)).ignored == "it is about no patient"


def test_a_contained_patient_without_a_number_is_refused(pack: Pack) -> None:
    """E-08: nobody can be found by a name."""
    told = appointment(
        contained=[{"resourceType": "Patient", "id": "p"}],
        participant=[{"actor": {"reference": "#p"}, "status": "accepted"}],
    )
    reading = FhirReader(pack, FEED)(raw(told))
    assert str(reading.faults[0].place) == "Appointment.identifier"


def test_a_resource_that_nothing_identifies_is_refused(pack: Pack) -> None:
    """E-08."""
    told = appointment()
    del told["id"]
    assert str(FhirReader(pack, FEED)(raw(told)).faults[0].place) == "Appointment.id"


def test_a_code_table_goes_to_another_process() -> None:
    """Without what it remembers; it looks up the same there."""
    table = CodeTable("c", {}, {"A1": "known"})
    there = pickle.loads(pickle.dumps(table))
    assert (there.name, there.words, there.codes) == (table.name, table.words, table.codes)
