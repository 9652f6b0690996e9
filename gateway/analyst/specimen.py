"""Made-up people to try a template on: nobody's facts, always the same, from the usual to the longest that is plausible."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache

from babel.dates import format_date

from gateway.model.facts import VOCABULARY, FactType, FactValue
from gateway.model.party import Location, Organization
from gateway.model.rule import Rule
from gateway.model.when import Precision, When, to_millis, zone_of
from gateway.render.formats import locale_of

ZONE = "America/New_York"
_YEAR = 2026
_START = to_millis(datetime(_YEAR, 9, 30, 18, 30, tzinfo=UTC))  # a Wednesday, half past two in New York

# The longest that is plausible, in characters. Names: what 99.9 % of patients stay under, two given names together.
LONGEST: dict[str, int] = {
    "patient.given_name": 20,
    "patient.family_name": 28,
    "patient.language": 5,
    "patient.state": 2,
    "appointment.practitioner": 32,
    "prescription.drug": 40,
}
_LONGEST_CODE, _LONGEST_TEXT, _LARGEST = 24, 40, 999

ORGANIZATION = Organization(
    id="lakeside",
    name="Lakeside Health",
    zone=ZONE,
    sender_name="Lakeside Health",
    sender_email="care@lakeside.example",
    callback="+1 312 555 0100",
    postal_address="1 Lake Street, Lakeside",
)
LOCATION = Location(
    id="main-street", name="Main Street Clinic", organization="lakeside", zone=ZONE, callback="+1 312 555 0111"
)
LONG_ORGANIZATION = Organization(
    id="lakeside",
    name="Lakeside Community Health Center",
    zone=ZONE,
    sender_name="Lakeside Community Health",
    sender_email="care@lakeside.example",
    callback="+1 312 555 0100",
    postal_address="12345 North Martin Luther King Boulevard, Lakeside",
)
LONG_LOCATION = Location(
    id="main-street",
    name="Lakeside Family Medicine at Garden Square",
    organization="lakeside",
    zone=ZONE,
    callback="+1 312 555 0111",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One made-up patient. `timed`: the feed told times of day. `only_needed`: it told no fact that may be missing."""

    name: str
    about: str
    given: str
    family: str
    timed: bool = True
    only_needed: bool = False


PEOPLE: tuple[Person, ...] = (
    Person(name="usual", about="everything is known", given="Ana", family="Reyes"),
    Person(name="long", about="a very long name", given="Wilhelmina-Konstantina", family="Featherstonehaugh-Abernathy"),
    Person(name="capitals", about="a feed that writes in capitals", given="MARY ANN", family="O'NEIL-MCDONALD"),
    Person(name="accents", about="letters beyond the text message alphabet", given="Zoë María", family="Peña Šimić"),
    Person(name="chinese", about="a name that is not in Latin letters", given="秀英", family="王"),
    Person(name="no-time", about="the feed told the day, no time of day", given="Ben", family="Okoro", timed=False),
    Person(name="least", about="only what must be known", given="", family="", only_needed=True),
)


def values(rule: Rule, person: Person, language: str, place: Location = LOCATION) -> dict[str, FactValue]:
    """The facts a rule reveals, as a feed might have told them of this person."""
    asked = {one.fact: one.values for one in rule.where if one.values}
    # without these nothing is planned
    needed = {rule.schedule.anchor, rule.expires, *(one.fact for one in rule.where if one.present is not False)}
    told: dict[str, FactValue] = {}
    for name in rule.reveals:
        if person.only_needed and name not in needed:
            continue
        choice = asked.get(name)
        told[name] = min(choice, key=str) if choice else _usual(name, person, language, place)
    return told


def _usual(name: str, person: Person, language: str, place: Location) -> FactValue:
    """A value of the fact's type; what is told of the person where it is about them."""
    known: dict[str, FactValue] = {
        "patient.given_name": person.given,
        "patient.family_name": person.family,
        "patient.age": 44,
        "patient.language": language,
        "patient.state": "IL",
        "appointment.practitioner": "Dr. Jordan Lee",
        "appointment.duration": 30,
        "prescription.drug": "amoxicillin 500 mg",
        "prescription.refills_remaining": 2,
        "appointment.service": "primary-care",
        "encounter.service": "primary-care",
    }
    if name in known:
        return known[name]
    if name.endswith(".location"):
        return place.id
    return _of_type(name, When(_START, ZONE, Precision.MINUTE if person.timed else Precision.DAY), 3, "example")


def _of_type(name: str, moment: When, number: int, text: str) -> FactValue:
    kind = VOCABULARY[name].type
    if kind is FactType.DATETIME:
        return moment
    if kind is FactType.DATE:
        return moment.local().date()
    if kind is FactType.INTEGER:
        return number
    return True if kind is FactType.YESNO else text


def longest(rule: Rule, language: str, *, letter: str = "M") -> dict[str, FactValue]:
    """The facts a rule reveals, as long as is plausible. `letter`: what people's names and other free texts are made of."""
    moment = When(_longest_moment(language), ZONE, Precision.MINUTE)
    told: dict[str, FactValue] = {}
    for name in rule.reveals:
        text = VOCABULARY[name].type is FactType.TEXT
        length = LONGEST.get(name, _LONGEST_TEXT if text else _LONGEST_CODE)
        value = _of_type(name, moment, _LARGEST, (letter if text else "m") * length)
        told[name] = LONG_LOCATION.id if name.endswith(".location") else value
    return told


@lru_cache(maxsize=64)
def _longest_moment(language: str) -> int:
    """Two minutes to one on the day whose name is the longest in the language: "Wednesday, September 23, 2026"."""
    locale = locale_of(language) or "en"
    days = (date(_YEAR, month, day) for month in range(1, 13) for day in range(21, 28))
    day = max(days, key=lambda day: len(format_date(day, "full", locale=locale)))
    return to_millis(datetime(day.year, day.month, day.day, 12, 58, tzinfo=zone_of(ZONE)))
