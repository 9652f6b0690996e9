"""Who a Patient is: numbers that may match, the names to greet with, and what is told of life and language (PI-01 to PI-12)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gateway.er7.bounds import MOST_REPETITIONS, too_many
from gateway.mapping.codes import CodeTable
from gateway.mapping.computed import Gives
from gateway.mapping.demographics import iso_date
from gateway.mapping.fhir.codings import word_of
from gateway.mapping.fhir.references import id_of, identifier_of, is_urn, logical, refers_to
from gateway.mapping.fhir.register import resource_computed
from gateway.mapping.fhir.scope import Scope
from gateway.model.facts import UNMAPPED, FactType
from gateway.model.party import Identifier

# name-use, best first; `maiden`, `old` and `anonymous` are in neither: they greet nobody (R4 valueset-name-use).
_TO_GREET = ("usual", "official", "", "nickname", "temp")
_TO_IDENTIFY = ("official", "usual", "", "temp", "nickname")
_REPLACED = "\N{REPLACEMENT CHARACTER}"
_LONGEST_DATE = 10


@resource_computed(Gives.IDENTIFIERS)
def patient_identifiers(scope: Scope, identifiers: list[Any], *, never: frozenset[str]) -> tuple[Identifier, ...]:
    """Identifiers that may match a person: authority (by `systems`), type (table 0203), value; `old` and expired ones left out.

    Raises Unreadable (AE 198) when there are too many.
    """
    if len(identifiers) > MOST_REPETITIONS:
        raise too_many(f"{scope.type}.identifier")
    found = (identifier_of(scope, one, never) for one in identifiers)
    return tuple(dict.fromkeys(one for one in found if one is not None))


@resource_computed(Gives.IDENTIFIERS)
def referred_patients(scope: Scope, references: list[Any]) -> tuple[Identifier, ...]:
    """The Patients that references lead to, by their logical ids at our own server and the identifiers told with them."""
    return tuple(
        dict.fromkeys(one for reference in references[:MOST_REPETITIONS] for one in named_by(scope, reference))
    )


def named_by(scope: Scope, reference: Any) -> Iterator[Identifier]:
    """Which Patient a Reference means: the identifier told with it, then the logical id; nobody at another server.

    A Reference to a practitioner or a place names nobody, whatever identifier it tells.
    """
    if not isinstance(reference, dict):
        return
    told = reference.get("reference")
    if not (refers_to(reference, "Patient") or ("type" not in reference and (told is None or is_urn(told)))):
        return
    number = identifier_of(scope, reference.get("identifier"))
    if number is not None:
        yield number
    id_ = id_of(scope, reference, "Patient")
    if id_ is not None:
        yield logical(scope.feed, id_)


@resource_computed(Gives.NAME)
def given_name(scope: Scope, names: list[Any]) -> str | None:
    """Name to greet with: the first given name of the usual, else the official name; never an alias or a maiden name."""
    return _chosen(scope, names, _TO_GREET, "given")


@resource_computed(Gives.NAME)
def family_name(scope: Scope, names: list[Any]) -> str | None:
    """Family name of the official, else the usual name."""
    return _chosen(scope, names, _TO_IDENTIFY, "family")


def _chosen(scope: Scope, names: Sequence[Any], order: Sequence[str], part: str) -> str | None:
    best: tuple[tuple[bool, int], str] | None = None
    for name in names:
        use = name.get("use", "") if isinstance(name, dict) else None
        text = _part(scope, name, part) if use in order else None
        if text is None:
            continue
        rank = (
            scope.past(name.get("period")),
            order.index(str(use)),
        )  # somebody's name no longer: only if nothing else is told
        if best is None or rank < best[0]:
            best = rank, text
    return None if best is None else best[1]


def _part(scope: Scope, name: dict[str, Any], part: str) -> str | None:
    told = name.get(part)
    text = next((one for one in told if isinstance(one, str)), None) if isinstance(told, list) else told
    if not isinstance(text, str):
        return None
    if _REPLACED in text:  # somebody before us lost a character: nobody is greeted with what is left (C-03)
        scope.warn(102, "name", "a name holds a replacement character: it is not used")
        return None
    return text.strip() or None


@resource_computed(Gives.BIRTH_DATE)
def birth_date(scope: Scope, dates: list[Any]) -> str | None:
    """Birth date as ISO text of its own precision; invalid is absent with a warning (T-01, T-08)."""
    told = dates[0] if isinstance(dates[0], str) and len(dates[0]) <= _LONGEST_DATE else ""
    date = iso_date(told.replace("-", ""))
    if date is None:
        scope.warn(102, "birthDate", "the birth date is not a date")
    return date


@resource_computed(Gives.LANGUAGE)
def language(scope: Scope, communications: list[Any], *, codes: CodeTable) -> str | None:
    """Language to write in as BCP 47: the preferred one, else the only one told; an unknown code keeps the default and warns."""
    told = [one for one in communications if isinstance(one, dict)]
    preferred = [one for one in told if one.get("preferred") is True]
    chosen = preferred[0] if preferred else told[0] if len(told) == 1 else {}
    word = word_of(chosen.get("language"), codes)
    if word == UNMAPPED:
        scope.warn(103, "communication", "the language is not in the code table")
        return None
    return word


@resource_computed(Gives.DECEASED)
def deceased(_: Scope, told: list[Any]) -> bool | None:
    """Whether the person is dead: a date, or yes; no only when it is said (deceased[x]; PI-12)."""
    return told[0] if isinstance(told[0], bool) else True


@resource_computed(FactType.CODE)
def patient_state(_: Scope, links: list[Any], active: list[Any]) -> str:
    """Replaced (a link says by whom), replacing, inactive, active, or known where nothing is said (Q-11)."""
    kinds = {link.get("type") for link in links if isinstance(link, dict)}
    if {"replaced-by", "replace"} & kinds:  # `replace` is STU3's word
        return "replaced"
    if False in active:
        return "inactive"
    if "replaces" in kinds:
        return "replacing"
    return "active" if active else "known"


@resource_computed(FactType.TEXT)
def practitioner_name(_: Scope, actors: list[Any]) -> str | None:
    """How the first practitioner among an appointment's actors is called (`display`); None where none of them is one."""
    every = (one for one in actors if refers_to(one, "Practitioner", "PractitionerRole"))
    return next((told for one in every if (told := spoken_name(one)) is not None), None)


def spoken_name(name: Any) -> str | None:
    """The text of a Reference (`display`) or HumanName, else its parts."""
    if isinstance(name, str):
        return name.strip() or None
    if not isinstance(name, dict):
        return None
    told = name.get("display") or name.get("text")
    if isinstance(told, str):
        return told.strip() or None
    given = name.get("given")
    words = [*(given[:1] if isinstance(given, list) else ()), name.get("family")]
    return " ".join(word.strip() for word in words if isinstance(word, str) and word.strip()) or None
