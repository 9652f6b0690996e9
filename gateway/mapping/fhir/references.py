"""Who or what a Reference leads to: a logical id of our own server, or a business identifier; never another host (S-33)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gateway.mapping.feed import Feed
from gateway.mapping.fhir.codings import codings_of
from gateway.mapping.fhir.scope import Scope
from gateway.mapping.identifiers import NEVER_MATCHES
from gateway.model.party import Identifier

LOGICAL = "FHIR"
"""The type of an identifier that is a logical id (`Patient/12`) at `Feed.base`."""
_NEVER_SYSTEMS = frozenset(
    {"http://hl7.org/fhir/sid/us-ssn", "urn:oid:2.16.840.1.113883.4.1"}
)  # a social security number
_TYPES = frozenset({"HL70203", "http://hl7.org/fhir/v2/0203", "http://hl7.org/fhir/identifier-type", ""})
_LONGEST = 256
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
"""A logical id (R4 datatypes.html#id)."""


def home_of(feed: Feed) -> str:
    """What stands for the assigning authority of logical ids: the server, else (files) the feed itself."""
    return feed.base or feed.name


def logical(feed: Feed, id_: str) -> Identifier:
    """The identifier that a logical id is."""
    return Identifier(home_of(feed), LOGICAL, id_)


def id_of(scope: Scope, reference: Any, kind: str) -> str | None:
    """The logical id of a Reference to a `kind` at our own server, or in a file of its own; None of any other.

    A URN that its Bundle did not turn into type and id (`gateway/fhirlinks.py`) is anybody.
    """
    told = reference.get("reference") if isinstance(reference, dict) else None
    if not isinstance(told, str) or len(told) > _LONGEST:
        return None
    key = scope.around.key(told)
    return key[1] if key is not None and key[0] == kind else None


def refers_to(reference: Any, *kinds: str) -> bool:
    """Whether a Reference is to one of these types, at whatever server: by its URL, else by its `type`."""
    if not isinstance(reference, dict):
        return False
    told = reference.get("reference")
    if isinstance(told, str) and "/" in told:
        return told.partition("/_history/")[0].rsplit("/", 2)[-2] in kinds
    return reference.get("type") in kinds


def is_urn(told: Any) -> bool:
    """Whether a Reference is by a URN, as in Bundles and files: it does not say to what."""
    return isinstance(told, str) and told.startswith("urn:")


def identifier_of(scope: Scope, told: Any, never: frozenset[str] = NEVER_MATCHES) -> Identifier | None:
    """One Identifier as one that may match: authority, type (table 0203), value.

    None: without a value or anybody who assigned it, of a type or system that must never match anybody, `old`, or not in force (PI-01).
    """
    value, system = (told.get("value"), told.get("system") or "") if isinstance(told, dict) else (None, "")
    if not isinstance(value, str) or not value.strip() or not isinstance(system, str):
        return None
    kind = _type(told.get("type"))
    if system in _NEVER_SYSTEMS or kind in never or told.get("use") == "old" or not scope.in_force(told.get("period")):
        return None
    authority, type_ = named(scope.feed, system)
    authority = authority or scope.feed.default_authority
    return Identifier(authority, type_ or kind, value.strip()) if authority else None


def named(feed: Feed, system: str) -> tuple[str, str]:
    """The assigning authority of an identifier system, as other feeds name it, and the type its numbers have there.

    `systems: {"urn:oid:1.2.3": "LAKESIDE|MR"}`: all its numbers are medical record numbers, whatever `type` says.
    """
    authority, _, kind = feed.systems.get(system, system).partition("|") if system in feed.systems else (system, "", "")
    return authority, kind


def _type(told: Any) -> str:
    """The code of table 0203 among its codings; of no other system, whose letters mean something else.

    Never that of a logical id, which is only ever read where its server puts it: else one Patient could claim to be another.
    """
    return next((code for code, system in codings_of(told or {}) if system in _TYPES and code != LOGICAL), "")


def contained(scope: Scope, reference: Any) -> Mapping[str, Any] | None:
    """The resource inside this one that a Reference (`#p1`) leads to."""
    told = reference.get("reference") if isinstance(reference, dict) else None
    return scope.around.resolve(told) if isinstance(told, str) and told.startswith("#") and len(told) > 1 else None
